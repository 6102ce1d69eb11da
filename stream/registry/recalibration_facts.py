"""Facts in a manifest of a recalibration: the newer readings, the limits, the change of thresholds, the drift."""

import msgspec
from msgspec import UNSET, UnsetType


class NewerDataFacts(
    msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, rename={"start": "from", "end": "to"}
):
    """Newer readings, that moved the thresholds.

    Attributes:
        start, end: event times, RFC 3339, UTC.
        fingerprint: SHA-256 of all readings; "" where only their scores are known.
        dispositions: readings by disposition; None where only their scores are known.
        frames: frames by use: `used`, or the reason why not.
        notes: changes to the readings that nobody asked for, such as their order; doubts about excluded spans.
    """

    path: str
    start: str
    end: str
    fingerprint: str
    series: int
    dispositions: dict[str, int] | None = None
    frames: dict[str, int]
    excluded_spans: int
    notes: tuple[str, ...] = ()


class StepFacts(msgspec.Struct, frozen=True):
    """Factors by which the thresholds of series change.

    Attributes:
        series: series whose threshold changes.
        clipped, bound: series that reached the limit of one step, and of all steps together.
    """

    series: int
    smallest: float
    median: float
    largest: float
    clipped: int
    bound: int


class BoundsFacts(msgspec.Struct, frozen=True):
    """Limits of a recalibration, as configured."""

    max_step: float
    max_total: float
    min_blocks: int
    min_series: float
    margin: float


class Interval(msgspec.Struct, frozen=True):
    """A value with the ends of its 99 % interval; null where an end is infinite."""

    value: float | None
    low: float | None
    high: float | None


class PoolFacts(msgspec.Struct, frozen=True):
    """Drift of all series together.

    Attributes:
        level: factor of the median level since the thresholds were set.
        since_training, spread: factors of median and spread (10 % to 90 %) since training.
        far, expected: blocks whose largest level lies near the threshold, and their expected number.
        rate: rate of such blocks as a multiple of that in training. Few blocks are shrunk to the known rate.
        repeated: see `training.recalibration.replayed_levels`.
        exceeding: share of scored frames above the threshold.
        promised: the share that calibration promised.
    """

    level: Interval
    since_training: Interval
    spread: float | None = None
    far: int | None = None
    expected: float | None = None
    rate: float | None = None
    repeated: float | None = None
    exceeding: Interval | None = None
    promised: float | None = None


class RecalibrationFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The recalibration that set the thresholds; empty where there was none.

    Attributes:
        before: time of the calibration before.
        series: series by advice.
        drift: null where no series had enough levels.
    """

    before: str | None = None
    data: NewerDataFacts | None = None
    bounds: BoundsFacts | None = None
    step: StepFacts | None = None
    series: dict[str, int] | None = None
    drift: PoolFacts | UnsetType | None = UNSET
