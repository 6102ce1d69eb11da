"""Everything that determines a score, loaded: what a bundle is to `detect`."""

from dataclasses import dataclass, field

from stream.detect.frames.scale import ScaleTable
from stream.detect.incidents.threshold import Promise, ThresholdTable
from stream.detect.model.ensemble import Ensemble
from stream.detect.policy import FramePolicy, ModelSpec, Rules


@dataclass(frozen=True)
class Definition:
    """Immutable, shared by the detectors of all partitions.

    Attributes:
        detector: the name alerts carry, part of every alert id.
        version: the bundle's version, for alerts and logs.
        sensors: F names; the order of every F axis.
        usual_disagreement: what the members' disagreement does not exceed in 99 of 100 held-out normal frames.
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
