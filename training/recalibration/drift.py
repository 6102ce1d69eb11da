"""What has drifted since a bundle was trained, per series and sensor, and what to do about it.

A level that has grown as a whole is wider noise: thresholds can follow. One that has moved, a sensor that stands
elsewhere, or levels that have fallen are another machine, a broken sensor, or somebody's doing: that takes training,
and a person who looks. Every comparison has a 99 % interval (`training.estimate`) and a margin: large data do not make
trifles matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from stream.detect.frames.scale import ScaleTable
from stream.detect.slots import Segments
from stream.intake.columns import Bools, Float64s
from stream.registry.recalibration_facts import PoolFacts
from training.data.framing import FramedHistory
from training.recalibration import batch_means
from training.recalibration.batch_means import Estimate

# Standard deviations that a sensor's mean may stand off; times that its variance may have grown or shrunk.
MOVED, WIDER, STILL = 0.5, 2.0, 0.25
# A level that has changed by less is the same.
TRIFLE = 1.05
# Where noise grows the spread of levels grows as their median does; by chance it is within a tenth of that.
UNLIKE = 1.5
# More of a series' frames above the threshold than this are not incidents any more.
MOSTLY = 0.5
# More frames above the threshold than this, and than so many times those that the growth of levels explains, are not.
SOME, TIMES = 0.01, 3.0


class Advice(StrEnum):
    """What is to be done; worse ones later."""

    FINE = "fine"
    RECALIBRATE = "recalibrate"
    RETRAIN = "retrain"


@dataclass(frozen=True, slots=True)
class Reason:
    """An advice, and the sentence that says why."""

    advice: Advice
    reason: str


@dataclass(frozen=True, slots=True)
class SensorDrift:
    """A sensor of a series against the bundle's scale.

    Attributes:
        mean: standardised difference, in the bundle's standard deviations.
        variance: new / old.
    """

    sensor: str
    mean: Estimate
    variance: Estimate


@dataclass(frozen=True, slots=True)
class SeriesDrift:
    """One series.

    Attributes:
        blocks: of W + M frames whose levels count.
        level: its median, as a part of what the bundle's threshold was made for; None where too few count.
        since_training: the same as a part of what training saw.
        exceeding: share of its scored frames above the threshold, incidents included.
    """

    series: str
    blocks: int
    level: Estimate | None
    since_training: float | None
    exceeding: float
    sensors: tuple[SensorDrift, ...]
    said: tuple[Reason, ...]

    @property
    def judged(self) -> bool:
        """Whether there was enough to judge."""
        return self.level is not None or self.advice is Advice.RETRAIN

    @property
    def advice(self) -> Advice:
        """The worst of what was said."""
        return worst(self.said)


@dataclass(frozen=True, slots=True)
class PoolDrift:
    """All series together.

    Attributes:
        level: median, as a part of what the thresholds were made for.
        since_training, spread: median and spread (10 % to 90 %), as parts of what training saw.
        far, expected: blocks whose largest level lies near the threshold, and how many are usual.
        rate: times as often levels go so far today as training saw; shrunk to the known one where they are few.
        repeated: see `training.repeats`.
        exceeding: share of scored frames above the threshold; promised: what calibration promised.
    """

    level: Estimate
    since_training: Estimate
    spread: float
    far: int
    expected: float
    rate: float
    repeated: float
    exceeding: Estimate
    promised: float | None
    said: tuple[Reason, ...]

    def facts(self) -> PoolFacts:
        """For the manifest."""
        return PoolFacts(
            level=self.level.facts(),
            since_training=self.since_training.facts(),
            spread=self.spread,
            far=self.far,
            expected=self.expected,
            rate=self.rate,
            repeated=self.repeated,
            exceeding=self.exceeding.facts(),
            promised=self.promised,
        )


@dataclass(frozen=True)
class Drift:
    """Everything; `pool` is None where no series had enough levels."""

    series: tuple[SeriesDrift, ...]
    pool: PoolDrift | None
    said: tuple[Reason, ...] = field(default=())

    @property
    def advice(self) -> Advice:
        """For the bundle as a whole."""
        return worst(self.said)

    @property
    def counts(self) -> Mapping[str, int]:
        """Series by advice; `not judged` had too little data."""
        counts = {advice.value: 0 for advice in Advice} | {"not judged": 0}
        for one in self.series:
            counts[one.advice.value if one.judged else "not judged"] += 1
        return counts


def worst(said: tuple[Reason, ...]) -> Advice:
    """Fine where nothing was said."""
    return max((one.advice for one in said), key=list(Advice).index, default=Advice.FINE)


def sensor_drifts(
    framed: FramedHistory, usual: Bools, scales: ScaleTable, sensors: tuple[str, ...], block: int
) -> dict[str, tuple[SensorDrift, ...]]:
    """Of each series with usual frames: its sensors; one without a value is left out. Nothing of values nobody has."""
    if not framed.values.shape[1]:
        return {}
    rows = np.flatnonzero(usual)
    series, batch = framed.series[rows], batch_means.batches(framed.series[rows], block)
    found = {}
    runs = Segments(series)
    for index, start, end in zip(runs.series.tolist(), runs.start.tolist(), runs.end.tolist(), strict=True):
        name, own = framed.names[index], slice(start, end)
        row = scales.row(name)
        widened = over(end - start, int(scales.rows[row]))
        values = (framed.values[rows[own]] - scales.mean[row]) / scales.scale[row]
        found[name] = tuple(
            SensorDrift(sensor, *_moments(values[:, f], batch[own], widened))
            for f, sensor in enumerate(sensors)
            if np.isfinite(values[:, f]).any()
        )
    return found


def over(new: int, old: int) -> float:
    """How many times as wide an interval is where what it is compared with comes of `old` rows."""
    return float(np.sqrt(1.0 + new / max(old, 1)))


def _moments(values: Float64s, batch: np.ndarray, widened: float) -> tuple[Estimate, Estimate]:
    """Mean, and variance around it, of the finite values."""
    there = np.isfinite(values)
    values, batch = values[there], batch[there]
    middle = batch_means.mean(values, batch, widened)
    return middle, batch_means.mean((values - middle.value) ** 2, batch, widened)


def sensor_reasons(drift: SensorDrift, is_flat: bool) -> list[Reason]:
    """What one sensor says. `is_flat`: it did not vary in training, so its variance has no unit."""
    m, v, said = drift.mean, drift.variance, []
    if m.low > MOVED or m.high < -MOVED:
        said.append(Reason(Advice.RETRAIN, f"{drift.sensor} stands {m.value:+.2g} standard deviations off"))
    if not is_flat and v.high < STILL:
        said.append(Reason(Advice.RETRAIN, f"{drift.sensor} varies {v.value:.2g} times as much as in training: stuck?"))
    if not is_flat and v.low > WIDER:
        said.append(Reason(Advice.RECALIBRATE, f"{drift.sensor} varies {v.value:.2g} times as much as in training"))
    return said


def level_reasons(level: Estimate, since_training: float, margin: float, most: float) -> list[Reason]:
    """What the median level of a series, or of all, says.

    Args:
        since_training: what of `level` is a part of, as a part of what training saw.
        margin: a fall beyond it is suspicious. most: a rise beyond it is more than thresholds may follow.
    """
    total = level.times(since_training)
    if total.high < 1.0 / margin:
        reason = (
            f"levels fell to {total.value:.2g} of those of training: stuck or replaced sensors, replayed data, "
            "or a calmer machine"
        )
        return [Reason(Advice.RETRAIN, reason)]
    if total.low > 1.0 and total.value > most:
        return [Reason(Advice.RETRAIN, f"levels rose to {total.value:.3g} times those of training, at most {most:g}")]
    if (level.low > 1.0 or level.high < 1.0) and max(level.value, 1.0 / level.value) > TRIFLE:
        return [Reason(Advice.RECALIBRATE, f"levels are {level.value:.3g} times those that the threshold was made for")]
    return []


def shape_reasons(since_training: Estimate, spread: float, margin: float) -> list[Reason]:
    """Whether levels were moved, not widened, or some alone: all grow alike where noise does, the spread included."""
    if spread > UNLIKE * since_training.value:
        reason = (
            f"the spread of levels is {spread:.3g} times its own, while their median is {since_training.value:.3g} "
            "times that of training: a part of the time is not as it was"
        )
        return [Reason(Advice.RETRAIN, reason)]
    if since_training.low > margin and spread < 1.0 + (since_training.value - 1.0) / 2.0:
        reason = (
            f"levels moved to {since_training.value:.3g} times those of training, while their spread is "
            f"{spread:.3g} times its own: shifted, not widened"
        )
        return [Reason(Advice.RETRAIN, reason)]
    return []


def exceedance_reasons(share: Estimate, explained: float) -> list[Reason]:
    """Whether more frames exceed than levels that have grown as these have would."""
    if share.low > SOME + TIMES * explained:
        reason = (
            f"{share.value:.2%} of the frames exceed the threshold, where {explained:.2%} would: incidents, to be "
            "excluded, or a tail that training has not seen"
        )
        return [Reason(Advice.RETRAIN, reason)]
    return []
