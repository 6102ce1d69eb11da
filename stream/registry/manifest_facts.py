"""Facts in a manifest that people and tools read: of threshold, data and metrics. No score needs them.

A fact is None where an earlier version of narrows did not write it. Such a fact is left out of the file. Where null is
a value of its own, a missing fact is `UNSET`.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from stream.errors import GateError

Method = Literal["budget", "percentile"]
Verdict = Literal["passed", "refused", "not judged"]
CapacityVerdict = Literal["fine", "too strong", "too weak", "blind", "not judged"]

HEADINGS = ("anomaly", "share found, by size", "half from", "90 % from", "given back")
CELL_WIDTH = 11  # characters: sizes of all kinds stand in columns


class Stretch(msgspec.Struct, frozen=True):
    """Frames of the history with high levels.

    Attributes:
        start, end: the first frame, and the end of the last, RFC 3339.
        sensor: has the largest part in the error of the highest frame; None: unknown.
    """

    series: str
    start: str
    end: str
    sensor: str | None


class ThresholdBasis(msgspec.Struct, frozen=True):
    """The few stretches of a history that set a threshold.

    Attributes:
        q, q_without: the threshold in scales, and what it would be without the stretches.
        stretches: their number; share: of the levels.
        first: the highest of them; said: all this in words; remedy: what to do about it.
    """

    q: float
    q_without: float
    stretches: int
    share: float
    first: tuple[Stretch, ...]
    said: str
    remedy: str


class ThresholdFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The threshold and the data it rests on.

    Attributes:
        q: the threshold in scales. In reports only: a manifest has it as `threshold_q`.
        promised: alerts per series and week, or the percentile, by `method`.
        q_point, q_high: the estimate of q, and the upper end of its interval.
        extrapolated: the data do not support the promise; q lies in a fitted tail.
        weeks, weeks_needed: series-weeks of data, and as many as need no extrapolation.
        implied_per_week: alerts per series and week that the threshold gives on its own data.
        share_above: share of these frames above the threshold.
        blocks: independent samples.
        rate: how many times as often newer levels come near the threshold; 1 before any recalibration.
        set_by: the few stretches that set the threshold; None: the levels as a whole do.
    """

    q: float | None = None
    method: Method | None = None
    promised: float | None = None
    q_point: float | None = None
    q_high: float | None = None
    extrapolated: bool | None = None
    weeks: float | None = None
    weeks_needed: float | None = None
    implied_per_week: float | None = None
    share_above: float | None = None
    blocks: int | None = None
    rate: float | None = None
    set_by: ThresholdBasis | None = None

    @property
    def alerts_per_week(self) -> float | None:
        """Alerts per series and week: the budget, or what the percentile implies."""
        return self.promised if self.method == "budget" else self.implied_per_week


class FeedbackCount(msgspec.Struct, frozen=True):
    """Alerts that got one verdict, and how many of them lie in the history."""

    alerts: int
    in_history: int


class FeedbackFacts(msgspec.Struct, frozen=True):
    """Alerts by the verdict of people; `unknown` counts verdicts on alerts that are not known."""

    confirmed: FeedbackCount
    false: FeedbackCount
    maintenance: FeedbackCount
    unknown: int


class DataFacts(msgspec.Struct, frozen=True, omit_defaults=True, rename={"start": "from", "end": "to"}):
    """The history that the model was trained on.

    Attributes:
        columns: why each column was chosen, by its role.
        start, end: event times, RFC 3339, UTC.
        fingerprint: SHA-256 of all readings.
        dispositions: readings by disposition.
        frames: frames by part, and those in no part by reason.
        vetting: a sentence for each doubtful sensor; `vetted_out`: these sensors were dropped.
        unwatched: sensors with too few values in the fit part, which the model does not watch, and why.
        still: sensors that are constant in the fit part of each series, and the moves that the model does not see.
        sampling: series or sensors that report at unlike steps, and what to set; None: their steps are alike.
        wild: values of each sensor that mean and scale leave out, as they are far from all others.
        doubts: what may be wrong with the layout of the history, one sentence each.
    """

    path: str | None = None
    columns: dict[str, str] | None = None
    readings: int | None = None
    series: int | None = None
    start: str | None = None
    end: str | None = None
    fingerprint: str | None = None
    dispositions: dict[str, int] = {}
    labelled: int | None = None
    frames: dict[str, int] = {}
    vetting: tuple[str, ...] | None = None
    vetted_out: bool | None = None
    unwatched: dict[str, str] = {}
    still: dict[str, str] = {}
    sampling: str | None = None
    wild: dict[str, int] = {}
    doubts: tuple[str, ...] = ()
    feedback: FeedbackFacts | None = None


class Criterion(msgspec.Struct, frozen=True, rename={"reason": "said"}):
    """One check of the gate.

    Attributes:
        measured, limit: a share or a count, in the unit that `reason` names; None where there is none.
        reason: what was seen, what was expected and, where it is refused, what to do.
    """

    name: str
    verdict: Verdict
    measured: int | float | None
    limit: int | float | None
    reason: str


class GateFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Verdict of the gate on a model, and the alerts of its threshold on the gate part.

    Attributes:
        levels, weeks: held-out levels of the gate part, and the series-weeks they cover.
        share_above, alerts_per_week: of these levels; null where there are none.
        judged: the version that was judged, where this one has only its weights; `note` says so.
    """

    levels: int | None = None
    weeks: float | None = None
    share_above: float | UnsetType | None = UNSET
    alerts_per_week: float | UnsetType | None = UNSET
    verdict: Verdict | None = None
    criteria: tuple[Criterion, ...] = ()
    judged: str | None = None
    note: str | None = None

    @property
    def refused(self) -> bool:
        """The model may not go to production."""
        return self.verdict == "refused"

    @property
    def refusals(self) -> list[str]:
        """A line for each criterion that refused."""
        return [f"{one.name}: {one.reason}" for one in self.criteria if one.verdict == "refused"]

    def require(self, version: str, remedy: str) -> None:
        """Raises GateError where the gate refused `version`; `remedy` says what to do."""
        if self.refused:
            raise GateError(f"the gate refused {version}: {'; '.join(self.refusals)}; {remedy}")

    def forced(self, reason: str) -> str:
        """The entry for the registry's history where a refused version is let pass."""
        names = ", ".join(one.name for one in self.criteria if one.verdict == "refused")
        return f"forced past the gate ({names}){f': {reason}' if reason else ''}"


class InjectedSize(msgspec.Struct, frozen=True):
    """Synthetic anomalies of one kind and size.

    Attributes:
        n: segments that can have such an anomaly.
        found: share of them whose level exceeds the threshold.
        given_back: share of the deviation that the model reconstructs, from 0 to 1. None where the deviation lies in
            no cell that the error is computed from.
    """

    size: float
    n: int
    found: float
    given_back: float | None


class InjectedKind(msgspec.Struct, frozen=True):
    """Synthetic anomalies of one kind.

    Attributes:
        unit: of the sizes.
        half_from, nine_tenths_from: the smallest size from which on this share is found; None: at no size.
        why_none: why no segment can have such an anomaly, else None.
    """

    unit: str
    sizes: tuple[InjectedSize, ...]
    half_from: float | None
    nine_tenths_from: float | None
    why_none: str | None


class CapacityFacts(msgspec.Struct, frozen=True, omit_defaults=True, rename={"reason": "said", "segments": "strips"}):
    """Capacity of a model, by synthetic anomalies in held-out segments. Null where it was not judged.

    Attributes:
        part: the part of the history that the segments are from.
        frames: frames of a segment.
        freedom, most_freedom: degrees of freedom per value of a window, and the limit.
        explained: share of normal variation that the model explains.
        found_in_normal: share of the segments above the threshold without an anomaly.
        most_found: largest share found, of all kinds and sizes, and of level shifts in a quarter of the sensors.
        but: what limits the verdict; "": nothing does.
    """

    verdict: CapacityVerdict
    reason: str
    part: str | None
    segments: int | None
    frames: int | None
    freedom: float | None
    most_freedom: float | None
    explained: float | None
    found_in_normal: float | None
    kinds: dict[str, InjectedKind]
    most_found: float | None = None
    but: str = ""

    @property
    def summary(self) -> str:
        """Verdict, what limits it, and reason."""
        return f"{self.verdict}{f', but {self.but}' if self.but else ''}: {self.reason}"

    @property
    def title(self) -> str:
        """Title of the table of `rows`."""
        return (
            f"{self.segments} strips of {self.frames} frames of the {self.part} part, with synthetic anomalies; "
            f"{self.found_in_normal or 0.0:.0%} are above the threshold without"
        )

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Cells below `HEADINGS`, a row for each kind; the last cell is of its largest size."""
        return [(f"{kind.replace('_', ' ')}, {one.unit}", *_cells(one)) for kind, one in self.kinds.items()]


class MetricFacts(msgspec.Struct, frozen=True, omit_defaults=True, rename={"capacity": "strength"}):
    """Quality of a model.

    Attributes:
        fit_loss, stop_loss: of each member, on the fit part and on its held-out end.
        code_kl: nats of each dimension of the code, per member; empty where the model is not variational.
        discriminator_loss: of each member's discriminator, held out.
    """

    fit_loss: tuple[float | None, ...] | None = None
    stop_loss: tuple[float | None, ...] | None = None
    code_kl: tuple[tuple[float | None, ...], ...] | None = None
    discriminator_loss: tuple[float | None, ...] | None = None
    gate: GateFacts = GateFacts()
    capacity: CapacityFacts | None = None


def _cells(kind: InjectedKind) -> tuple[str, ...]:
    sizes = kind.sizes
    shares = kind.why_none or "".join(f"{one.size:g}: {one.found:.0%}".ljust(CELL_WIDTH) for one in sizes).rstrip()
    given_back = "-" if not sizes or sizes[-1].given_back is None else f"{sizes[-1].given_back:.0%}"
    return shares, _size(kind.half_from), _size(kind.nine_tenths_from), given_back


def _size(least: float | None) -> str:
    return "-" if least is None else f"{least:g}"
