"""The definition: everything that determines a score, as loaded from a bundle."""

from dataclasses import dataclass, field

from stream.detect.forms.forms import Forms
from stream.detect.frames.scale import ScaleTable
from stream.detect.incidents.threshold import Promise, ThresholdTable
from stream.detect.model.ensemble import Ensemble
from stream.detect.policy import FramePolicy, Learning, ModelSpec, Rules


@dataclass(frozen=True)
class Definition:
    """Everything that determines a score. Immutable, shared by the detectors of all partitions.

    Attributes:
        detector: its name in alerts, a part of every alert id.
        version: the bundle's version, for alerts and logs.
        sensors: F names; the order of every F axis.
        usual_disagreement: 99th percentile of the members' disagreement on held-out normal frames.
        forms: the views that find odd sensors whose errors are small.
        revision: of the mutes that `policy.maintenance` has beside those of the bundle; 0: none. muted: their series.
        learning: the way in which thresholds follow the series' own levels; None: they stay as they were trained.
    """

    detector: str
    version: str
    sensors: tuple[str, ...]
    policy: FramePolicy
    rules: Rules
    spec: ModelSpec
    scales: ScaleTable
    thresholds: ThresholdTable
    ensemble: Ensemble
    usual_disagreement: float = 1.0
    promise: Promise = field(default_factory=Promise)
    forms: Forms = field(default_factory=Forms)
    learning: Learning | None = None
    revision: int = 0
    muted: tuple[str, ...] = ()

    @property
    def stamp(self) -> str:
        """The name of everything that determines a score: the bundle's version, and the mutes."""
        return f"{self.version}~{self.revision}" if self.revision else self.version
