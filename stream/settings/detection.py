"""The sections `model`, `train`, `threshold`, `recalibrate` and `rules`: the model, and the life of an incident."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from stream.settings.quantities import Float, Int, LevelLength, Positive, PositiveDuration, WindowLength, parse_duration
from stream.settings.section import Section


class ModelSettings(Section):
    """The shape of the autoencoder; a bundle keeps its own."""

    kind: Literal["dense", "conv", "variational", "linear"] = Field(
        default="dense",
        description="dense: fully connected. conv: convolutions along time. variational: dense, the code drawn in "
        "training. linear: one layer, no hidden units, dropout or noise.",
    )
    window: WindowLength | None = Field(
        default=None,
        description="W, frames per window; conv needs at least 4. null: 32, fewer where the history is short.",
    )
    smoothing: LevelLength | None = Field(
        default=None,
        description="M, errors averaged to a level. 1: no smoothing. null: 3, at most W where W is shortened.",
    )
    hidden: Positive | None = Field(
        default=None,
        description="Units (conv: channels) of the layer before the code. null: 64 (conv: 32); 1 for a window of one "
        "value.",
    )
    latent: Positive | None = Field(
        default=None, description="Units of the code, the bottleneck. null: 4, fewer where the window is small."
    )
    members: Int = Field(
        default=1, ge=1, le=64, description="K, models that differ in their seed; combined by the median."
    )
    dropout: Float = Field(
        default=0.3, ge=0, lt=1, description="Share of hidden units dropped in training, encoder only."
    )
    loss: Literal["mse", "huber"] = Field(
        default="mse",
        description="Error of a cell in training and score. mse: squared. huber: linear beyond one standard deviation.",
    )
    noise: Float = Field(
        default=0.3,
        ge=0,
        lt=1,
        description="Share of a window's cells that training blanks; the model has to fill them in.",
    )
    beta: Float = Field(
        default=0.1, gt=0, description="variational: weight of the code's divergence from its prior, per cell."
    )
    standardise: bool = Field(
        default=True, description="true: a sensor's error is divided by its mean on held-out data. false: it is not."
    )
    error_span: Literal["newest", "window", "both"] = Field(
        default="both",
        description="newest: the error of a window is that of its newest frame. window: that of all its frames. both: "
        "the larger of the two, each in units of its 99th percentile on held-out data.",
    )
    discriminator: bool = Field(
        default=False,
        description="true: a second network, trained to separate normal residuals from those of synthetic anomalies, "
        "raises the error of windows that it takes for anomalous. false: no second network.",
    )

    @field_validator("window")
    @classmethod
    def _long_enough(cls, window: int | None, info: ValidationInfo) -> int | None:
        if info.data.get("kind") == "conv" and window is not None and window < 4:
            raise ValueError("expected at least 4 with model.kind conv")
        return window


Source = Annotated[str, Field(min_length=1)]


class Parts(Section):
    """Shares of each series, in time order; they sum to 1."""

    fit: Float = Field(
        default=0.6, gt=0, lt=1, description="Share that the weights are fitted on; its last tenth stops training."
    )
    calibrate: Float = Field(
        default=0.25, gt=0, lt=1, description="Held-out share that the thresholds are computed from."
    )
    gate: Float = Field(default=0.15, gt=0, lt=1, description="Held-out share by which the gate decides on promotion.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = self.fit + self.calibrate + self.gate
        if abs(total - 1) > 1e-6:
            raise ValueError(f"expected fit + calibrate + gate = 1, not {total:g}")
        return self


class TrainSettings(Section):
    """The fitting of the weights, and the history that it leaves out."""

    seed: Int = Field(default=0, ge=0, le=2**31 - 1, description="Member k starts from seed + k.")
    parts: Parts = Field(default_factory=Parts, description="Shares of each series, in time order.")
    max_epochs: Positive = Field(default=200, description="Passes over the windows, at most.")
    patience: Positive = Field(default=10, description="Epochs without improvement after which training stops.")
    batch_size: Positive = Field(default=256, description="Windows per step.")
    learning_rate: Float = Field(default=2e-3, gt=0, lt=1, description="Step size at the start.")
    weight_decay: Float = Field(default=1e-4, ge=0, lt=1, description="Strength of the pull of all weights towards 0.")
    max_windows_per_epoch: Positive = Field(
        default=131_072, description="Of more windows than this, each epoch draws another sample of this size."
    )
    drop_sensors: bool = Field(
        default=False,
        description="false: vetting lists flat, duplicate and counter-like sensors. true: it also leaves them out.",
    )
    feedback: Source | None = Field(
        default=None,
        description="People's verdicts on alerts: JSON lines, .csv or .parquet, or `topic` for kafka.feedback. Spans "
        "of alerts that were confirmed or due to maintenance are left out of training. null: none.",
    )
    alerts: Source = Field(
        default="topic",
        description="The alerts that feedback is about: JSON lines as `narrows replay` writes them, or `topic` for "
        "kafka.alerts.",
    )


class ThresholdSettings(Section):
    """The promise that the threshold keeps."""

    amendable = ("method", "alerts_per_week", "percentile", "learn", "strict")

    method: Literal["budget", "percentile"] = Field(
        default="budget",
        description="budget: the threshold gives `alerts_per_week`. percentile: it is that percentile of normal "
        "levels.",
    )
    alerts_per_week: Float = Field(
        default=1.0, gt=0, description="budget: promised alerts per series and week on normal data."
    )
    percentile: Float = Field(
        default=99.0, gt=50, lt=100, description="percentile: which one of the levels on the calibrate part."
    )
    learn: bool = Field(
        default=True,
        description="budget: true: the threshold of each series follows its own levels, within `recalibrate.max_total` "
        "of the trained one, or further once a new usual level was told. false: it stays as trained or recalibrated. "
        "percentile: it stays.",
    )
    strict: bool = Field(
        default=False,
        description="true: where the data cannot support the threshold, training fails. false: it extrapolates.",
    )


class RecalibrationSettings(Section):
    """Limits of a recalibration, and the data it needs."""

    max_step: Float = Field(
        default=1.5, gt=1, description="Factor by which `narrows recalibrate` may change a threshold in one run."
    )
    max_total: Float = Field(
        default=4.0,
        gt=1,
        description="Factor by which all runs together may change it, and by which a threshold that learns may move "
        "without a word; training starts again from 1.",
    )
    min_blocks: Int = Field(
        default=50, ge=20, description="Least number of blocks of window + smoothing frames that a series must have."
    )
    min_series: Float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Share of the bundle's series that must have these blocks and must not be refused.",
    )
    margin: Float = Field(
        default=1.25,
        gt=1,
        description="Factor by which levels may fall, or rise without spreading, before they are refused.",
    )


def _ascending_above_one(what: str) -> AfterValidator:
    def check(of: tuple[float, float, float]) -> tuple[float, float, float]:
        if not 1 < of[0] < of[1] < of[2]:
            raise ValueError(f"expected three ascending {what} above 1")
        return of

    return AfterValidator(check)


Limits = tuple[Float | None, Float | None]


class SensorRuleSettings(Section):
    """Conditions on the deviation of one sensor."""

    direction: Literal["both", "above", "below"] = Field(
        default="both", description="Deviations from the expected value that may open an incident."
    )
    min_absolute: Float = Field(
        default=0.0, ge=0, description="Least deviation that may open one, in the sensor's units."
    )
    min_relative: Float = Field(
        default=0.0, ge=0, description="Least deviation that may open one, as a share of the expected value."
    )
    valid: Limits | None = Field(
        default=None,
        description="[low, high]: a value outside is impossible and opens an incident by itself. null: no limit.",
    )

    @field_validator("valid")
    @classmethod
    def _low_below_high(cls, valid: Limits | None) -> Limits | None:
        if valid == (None, None):
            raise ValueError("expected a limit, low or high, or no `valid`")
        if valid is not None and valid[0] is not None and valid[1] is not None and valid[0] >= valid[1]:
            raise ValueError("expected [low, high] with low < high; null for no limit")
        return valid

    @property
    def vetoes(self) -> bool:
        """True where some deviation opens no incident."""
        return self.direction != "both" or self.min_absolute > 0 or self.min_relative > 0


class RuleSettings(Section):
    """The life of an incident; travels in the bundle."""

    amendable = (
        "close_after",
        "close_ratio",
        "update_every",
        "max_duration",
        "severity_edges",
        "top_sensors",
        "severity_rarity",
    )

    close_after: Positive | None = Field(
        default=None,
        description="Frames in a row below `close_ratio` that resolve an incident. null: window + smoothing.",
    )
    close_ratio: Float = Field(
        default=0.8, gt=0, lt=1, description="Score below which a frame counts towards `close_after`."
    )
    update_every: PositiveDuration | None = Field(
        default=None, description="Event time between two updates of an open incident. null: 1h, or W frames if longer."
    )
    max_duration: PositiveDuration = Field(default=parse_duration("7d"), description="A longer incident is split.")
    severity_rarity: Annotated[tuple[Float, Float, Float], _ascending_above_one("factors")] = Field(
        default=(10.0, 100.0, 1000.0),
        description="How many times rarer than the threshold a peak must be on normal data, by the fitted tail of its "
        "levels, for medium, high and critical; ascending, > 1.",
    )
    severity_edges: Annotated[tuple[Float, Float, Float], _ascending_above_one("scores")] | None = Field(
        default=None,
        description="Peak scores at which medium, high and critical begin; ascending, > 1. null: by `severity_rarity`.",
    )
    top_sensors: Int = Field(default=5, ge=1, le=100, description="Sensors named in an event, at most.")
    sensors: dict[str, SensorRuleSettings] = Field(
        default_factory=dict,
        description="Sensor names mapped to rules {direction: both, above, below; min_absolute; min_relative; valid: "
        "[low, high]}: deviations that may open an incident, and the range of possible values. Empty: no rules.",
    )

    @property
    def rarity(self) -> tuple[float, float, float] | None:
        """The rarity in force; None where edges are given."""
        return self.severity_rarity if self.severity_edges is None else None
