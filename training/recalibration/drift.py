"""Drift of sensors and levels since the thresholds were set, with an advice and its reasons."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from stream.registry.recalibration_facts import PoolFacts
from training.recalibration.batch_means import Estimate


class Advice(StrEnum):
    """Advice to the operator, in ascending order of severity."""

    FINE = "fine"
    RECALIBRATE = "recalibrate"
    RETRAIN = "retrain"


@dataclass(frozen=True, slots=True)
class Reason:
    """An advice, and the sentence that gives its reason."""

    advice: Advice
    text: str


@dataclass(frozen=True, slots=True)
class SensorDrift:
    """Drift of a sensor of a series from the bundle's scale.

    Attributes:
        mean: change of the mean, in standard deviations of the bundle.
        variance: new variance / old variance.
    """

    sensor: str
    mean: Estimate
    variance: Estimate


@dataclass(frozen=True, slots=True)
class SeriesDrift:
    """Drift of one series.

    Attributes:
        blocks: blocks of W + M frames with levels that count.
        level: factor of the median level since the bundle's threshold was set; None where too few levels count.
        since_training: the same factor since training.
        exceeding: share of the scored frames above the threshold, incidents included.
    """

    series: str
    blocks: int
    level: Estimate | None
    since_training: float | None
    exceeding: float
    sensors: tuple[SensorDrift, ...]
    reasons: tuple[Reason, ...]

    @property
    def judged(self) -> bool:
        """True where there are enough readings for a verdict."""
        return self.level is not None or self.advice is Advice.RETRAIN

    @property
    def advice(self) -> Advice:
        """The most severe advice of the reasons."""
        return most_severe(self.reasons)


@dataclass(frozen=True)
class Drift:
    """Drift of each series and of all together. `pool` is None where no series had enough levels."""

    series: tuple[SeriesDrift, ...]
    pool: PoolFacts | None
    reasons: tuple[Reason, ...]

    @property
    def advice(self) -> Advice:
        """The advice for the bundle as a whole."""
        return most_severe(self.reasons)

    @property
    def counts(self) -> Mapping[str, int]:
        """Series by advice. A series that is not judged had too few readings."""
        counts = {advice.value: 0 for advice in Advice} | {"not judged": 0}
        for one in self.series:
            counts[one.advice.value if one.judged else "not judged"] += 1
        return counts


def most_severe(reasons: tuple[Reason, ...]) -> Advice:
    """The most severe advice; FINE where there is no reason."""
    return max((one.advice for one in reasons), key=list(Advice).index, default=Advice.FINE)
