"""The decisions, apart from weights, that determine a score or an alert. They travel in the bundle's manifest."""

from typing import Literal

import msgspec

SECOND = 1_000_000_000
SEVERITIES = ("low", "medium", "high", "critical")

View = Literal["newest", "window", "still", "relation"]
# Views of a window: the errors of its newest frame, those of all its frames, sensors that have stopped moving, and
# sensors that do not go with the others. Their places are codes. The last two see forms: they have no level.
VIEWS: tuple[View, ...] = ("newest", "window", "still", "relation")
STILL, RELATION = VIEWS.index("still"), VIEWS.index("relation")
# A reading more than so many intervals from the newest one of its series, and more than `max_gap`, leaps.
LEAP_STEPS = 10


class Maintenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Frames with start_ns <= time < end_ns are off; series "" means every series."""

    series: str
    start_ns: int
    end_ns: int


class ValidRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The possible values of `sensor`: from `low` to `high`, in the sensor's units; None: no limit."""

    sensor: str
    low: float | None = None
    high: float | None = None


class Sentinels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The values by which `sensor` says that it has none, in its units. Empty: all of its values are real."""

    sensor: str
    values: tuple[float, ...]


class FramePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The policy by which readings become frames.

    Attributes:
        interval_ns: sampling interval, > 0: length of a tick, or the median step of wide input.
        resample: "none": each reading is a frame. "last" | "mean": readings go on ticks of `interval_ns`.
        grace_ns: a tick closes once the series' own time has passed its end by this.
        close_complete: a tick closes before that once all sensors have a value. This is right only where no sensor has
            two values a tick.
        max_gap_ns: a longer step between two frames empties the history; >= interval_ns.
        max_carry: frames for which a missing sensor keeps its last value.
        max_missing: more masked sensors than this: the frame is degraded.
        clip: the model sees scaled values within +-clip.
        beyond_clip: "cut": errors see them so too. "log": errors see clip + ln(|value| / clip), so larger values have
            larger errors.
        score_when: expression over sensors; frames where it is false are off. "": always on.
        settle_ns: frames stay off for this long after the last frame where `score_when` was false.
        maintenance: spans whose frames are off.
        valid: a value outside is missing in the frame, and opens an incident unless the frame is off.
        sentinels: such a value is missing in the reading. A range, a mean over a tick and the model never see it.
        restart_after: readings in a row far behind its clock after which a series starts anew, >= 0; 0: it never does.
    """

    interval_ns: int
    max_gap_ns: int
    resample: Literal["none", "last", "mean"]
    grace_ns: int
    close_complete: bool
    max_carry: int
    max_missing: int
    clip: float
    score_when: str
    settle_ns: int
    maintenance: tuple[Maintenance, ...]
    valid: tuple[ValidRange, ...]
    sentinels: tuple[Sentinels, ...]
    beyond_clip: Literal["cut", "log"]
    restart_after: int

    @property
    def leap_ns(self) -> int:
        """A time further from that of the series than this is believed once a second reading confirms it."""
        return max(self.max_gap_ns, LEAP_STEPS * self.interval_ns)


class SensorRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The deviation (observed - expected) of `sensor` from which on an incident may open.

    Attributes:
        direction: observed "above" expected, "below" it, or "both".
        min_absolute: least size of the deviation, in the sensor's units, >= 0.
        min_relative: least size of the deviation as a part of |expected|, >= 0.
    """

    sensor: str
    direction: Literal["both", "above", "below"]
    min_absolute: float
    min_relative: float

    @classmethod
    def permissive(cls, sensor: str) -> "SensorRule":
        """The rule of a sensor that has none: every deviation passes."""
        return cls(sensor, "both", 0.0, 0.0)


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The life of an incident.

    Attributes:
        close_after: scored frames in a row below `close_ratio` after which an incident is resolved, >= 1.
        close_ratio: in (0, 1).
        update_every_ns: event time between two `updated` events while the severity does not rise.
        max_duration_ns: a longer incident is split.
        severity_edges: peak scores at which medium, high and critical begin; ascending, > 1.
        top_sensors: number of sensors that an event names.
        sensors: an exceeding frame opens an incident only if a sensor with at least a fifth of its error passes its
            rule; a sensor without a rule passes.
    """

    close_after: int
    close_ratio: float
    update_every_ns: int
    max_duration_ns: int
    severity_edges: tuple[float, float, float]
    top_sensors: int
    sensors: tuple[SensorRule, ...]


class Learning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The way in which the threshold of a series follows its own levels.

    Attributes:
        share: share of a series' levels that its usual level leaves above it, in (0, 1).
        block: frames with a level after which the usual level is computed again, >= 1.
        horizon: frames with a level after which a level counts a third (1 / e), >= block.
        bound: largest factor by which the usual level rises or falls without a word, >= 1.
        moved_least, moved_after: frames above the threshold after which a level is the new usual one, at least and at
            most: a quarter of those that training counted, >= block.
    """

    share: float
    block: int
    horizon: int
    bound: float
    moved_least: int
    moved_after: int


class ModelSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shape of the autoencoder; with it and the weights a member can be built.

    Attributes:
        kind: a name in `stream.detect.model.autoencoders.KINDS`.
        window: W, frames per window, at least the `min_window` of the kind.
        smoothing: M, errors per level, >= 1.
        sensors: F.
        hidden: units of the layer before the code (conv: channels). A kind without a hidden layer ignores it.
        latent: units of the code, < W * F unless W * F = 1.
        members: K, models in the ensemble that differ in their seed.
        dropout: share of hidden units dropped in training, encoder only; in [0, 1).
        error_span: error of the "newest" frame of each window, or over the whole "window", or the larger of "both".
        loss: error of a cell, in training and in the score: the squared residual ("mse"), or the same up to one
            standard deviation and linear beyond ("huber").
        noise: share of a window's cells blanked in training, for the model to fill in; in [0, 1).
        beta: variational: weight of the code's divergence from its prior in training, per cell of the window.
        discriminator: hidden units of the discriminator, see `stream.detect.model.discriminator`; 0: there is none.
        clip: the autoencoder sees values within +-clip. None: no value is beyond.
    """

    kind: str
    window: int
    smoothing: int
    sensors: int
    hidden: int
    latent: int
    members: int
    dropout: float
    error_span: Literal["newest", "window", "both"]
    loss: Literal["mse", "huber"]
    noise: float
    beta: float
    discriminator: int
    clip: float | None

    @property
    def views(self) -> tuple[View, ...]:
        """The views of the reconstruction, by `VIEWS`; the last one spans the most frames."""
        if self.error_span == "both":
            return VIEWS[:2] if self.window > 1 else VIEWS[:1]
        return (self.error_span,)

    def of_view(self, view: View) -> "ModelSpec":
        """The model with this view alone. A discriminator belongs to the last view."""
        judge = self.discriminator if view == self.views[-1] else 0
        return msgspec.structs.replace(self, error_span=view, discriminator=judge)

    def frames_of(self, view: View) -> int:
        """The frames that a view spans, the newest ones."""
        return 1 if view == "newest" else self.error_frames

    @property
    def error_frames(self) -> int:
        """The frames of a window that its error spans, the newest ones: 1 or W."""
        return 1 if self.views == ("newest",) else self.window

    @property
    def receptive_field(self) -> int:
        """W + M - 1: the frames that one level depends on."""
        return self.window + self.smoothing - 1

    @property
    def block(self) -> int:
        """W + M: levels at least this many frames apart share no frame. Calibration and rules count in it."""
        return self.window + self.smoothing
