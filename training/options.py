"""What a training run is asked for; null fields are chosen from the data and written into the bundle."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stream.detect.policy import Maintenance, SensorRule, ValidRange
from stream.events.feedback import Judgements
from stream.intake.parquet import Hints


@dataclass(frozen=True)
class FrameOptions:
    """As `stream.detect.policy.FramePolicy`; None = from the data."""

    interval_ns: int | None = None
    resample: Literal["none", "last", "mean"] = "none"
    grace_ns: int = 0
    max_gap_ns: int | None = None
    max_carry: int = 5
    max_missing: int | None = None
    clip: float = 10.0
    score_when: str = ""
    settle_ns: int = 0
    maintenance: tuple[Maintenance, ...] = ()
    valid: tuple[ValidRange, ...] = ()


@dataclass(frozen=True)
class ModelOptions:
    """As `stream.detect.policy.ModelSpec`; None = from the data.

    Attributes:
        standardise: errors count in units of their sensors' means on held-out data.
        discriminator: whether one is trained beside the autoencoder.
    """

    kind: Literal["dense", "conv", "variational", "linear"] = "dense"
    window: int | None = None
    smoothing: int | None = None
    hidden: int | None = None
    latent: int | None = None
    members: int = 1
    dropout: float = 0.3
    loss: Literal["mse", "huber"] = "mse"
    noise: float = 0.3
    beta: float = 0.1
    standardise: bool = True
    error_span: Literal["newest", "window"] = "window"
    discriminator: bool = False


@dataclass(frozen=True)
class RuleOptions:
    """As `stream.detect.policy.Rules`; None = from the data."""

    close_after: int | None = None
    close_ratio: float = 0.8
    update_every_ns: int | None = None
    max_duration_ns: int = 7 * 86400 * 1_000_000_000
    severity_edges: tuple[float, float, float] = (2.0, 5.0, 20.0)
    top_sensors: int = 5
    sensors: tuple[SensorRule, ...] = ()


@dataclass(frozen=True)
class ThresholdOptions:
    """What the threshold promises.

    Attributes:
        method: "budget": `alerts_per_week` incidents per series and week; "percentile" of the level.
        strict: refuse instead of extrapolating where the data cannot support the promise.
    """

    method: Literal["budget", "percentile"] = "budget"
    alerts_per_week: float = 1.0
    percentile: float = 99.0
    strict: bool = False


@dataclass(frozen=True)
class TrainOptions:
    """A training run: detector name, history, and how to make a bundle of it.

    Attributes:
        registry: a folder or a URI; see `stream.registry.Registry`.
        feedback: what people said of alerts; None: not asked.
        force: who lets a model pass that the gate refuses, and why; None: nobody.
    """

    detector: str
    data: Path
    registry: Path | str
    hints: Hints = field(default_factory=Hints)
    frames: FrameOptions = FrameOptions()
    model: ModelOptions = ModelOptions()
    rules: RuleOptions = RuleOptions()
    threshold: ThresholdOptions = ThresholdOptions()
    parts: tuple[float, float, float] = (0.6, 0.25, 0.15)
    seed: int = 0
    drop_sensors: bool = False
    feedback: Judgements | None = None
    force: str | None = None
