"""Values from the data for settings that are left open. The name of the data set has no influence."""

from typing import Literal

from stream.detect.frames.condition import Condition
from stream.detect.model.autoencoders import kind_of
from stream.detect.policy import SECOND, FramePolicy, Maintenance, ModelSpec, Rules, SensorRule, Sentinels, ValidRange
from stream.errors import ConfigError, DataError
from stream.intake.intervals import spoken
from stream.intake.sampling import Sampling
from stream.settings.data import FrameSettings
from stream.settings.detection import ModelSettings, RuleSettings

# A step of more than this many usual steps is a gap, not jitter.
GAP_STEPS = 10
# A usual step down to this part of a tick is jitter; with a shorter one a tick has several values of a sensor.
LEAST_OF_TICK = 0.9
WINDOW, SMOOTHING, LATENT, DISCRIMINATOR = 32, 3, 4, 16
# Severity edges until calibration computes them; for good where the levels are too few.
EDGES = (2.0, 5.0, 20.0)


def choose_policy(
    frames: FrameSettings, rules: RuleSettings, layout: Literal["wide", "long"], found: Sampling, sensors: int
) -> FramePolicy:
    """Chooses the policy for framing, with values from the data for `interval`, `max_gap` and `max_missing`.

    Args:
        layout: "long": records of one sensor each, which become frames on ticks only.
        found: the steps of series and sensors.

    Raises:
        DataError: no series has two readings, so there is no interval.
    """
    resample = "last" if layout == "long" and frames.resample == "none" else frames.resample
    usual = found.interval if resample == "none" else found.tick
    interval = frames.interval if frames.interval is not None else usual
    if interval is None:
        raise DataError("no series has two readings at different times; set `frames.interval`, or give more history")
    # Series may have different rates: the jitter of the slowest one must not count as gaps.
    gap = frames.max_gap if frames.max_gap is not None else GAP_STEPS * max([interval, *found.rows.values()])
    missing = frames.max_missing if frames.max_missing is not None else sensors // 4
    one_value = layout == "long" and found.fastest >= LEAST_OF_TICK * interval
    return FramePolicy(
        interval_ns=interval,
        max_gap_ns=gap,
        resample=resample,
        grace_ns=frames.grace,
        # A tick that has a value of each sensor gets no more values: closing it misses nothing.
        close_complete=resample == "last" and one_value,
        max_carry=frames.max_carry,
        max_missing=min(missing, sensors - 1),
        clip=frames.clip,
        score_when=frames.score_when,
        settle_ns=frames.settle,
        maintenance=tuple(Maintenance(span.series, span.start, span.end) for span in frames.maintenance),
        valid=tuple(ValidRange(name, *rule.valid) for name, rule in rules.sensors.items() if rule.valid),
        sentinels=sentinels_of(frames),
        beyond_clip="log",
        restart_after=frames.restart_after,
    )


def sentinels_of(frames: FrameSettings) -> tuple[Sentinels, ...]:
    """The values that mean no value, by sensor."""
    return tuple(Sentinels(name, values) for name, values in frames.sentinels.items())


def choose_spec(model: ModelSettings, sensors: int, window: int, smoothing: int, clip: float) -> ModelSpec:
    """Chooses the sizes of the model for this W and M. The code has far fewer values than the window.

    The code is the bottleneck, not the hidden layer: few hidden units with dropout learn nothing of a small window.
    """
    size = window * sensors
    usual = kind_of(model.kind).usual_hidden
    hidden = model.hidden if model.hidden is not None else usual if size > 1 else 1
    latent = model.latent if model.latent is not None else max(1, min(LATENT, size // 4))
    return ModelSpec(
        kind=model.kind,
        window=window,
        smoothing=smoothing,
        sensors=sensors,
        hidden=hidden if usual else 0,
        latent=latent,
        members=model.members,
        dropout=model.dropout if usual else 0.0,
        error_span=model.error_span,
        loss=model.loss,
        noise=model.noise if usual else 0.0,
        beta=model.beta,
        discriminator=DISCRIMINATOR if model.discriminator else 0,
        clip=clip,
    )


def describe_sampling(policy: FramePolicy) -> str:
    """Says how readings become frames, with the interval and the longest step inside a window."""
    interval = spoken(policy.interval_ns)
    kinds = {"none": f"every reading is a frame, one each {interval}", "last": f"ticks of {interval}, last values"}
    how = kinds.get(policy.resample, f"ticks of {interval}, mean values")
    return f"{how}; a step above {spoken(policy.max_gap_ns)} is a gap"


def longest_support(model: ModelSettings) -> int:
    """W + M, unless a short history calls for less."""
    window = WINDOW if model.window is None else model.window
    return window + (SMOOTHING if model.smoothing is None else model.smoothing)


def sensors_with_rules(rules: RuleSettings) -> set[str]:
    """The sensors that have a rule."""
    return {name for name, rule in rules.sensors.items() if rule.valid or rule.vetoes}


def settings_that_read(sensors: tuple[str, ...], policy: FramePolicy, rules: RuleSettings) -> dict[str, str]:
    """The sensors that a setting reads, each with the name of the setting."""
    readers = {name: f"rules.sensors.{name}" for name in sensors_with_rules(rules)}
    used = Condition(policy.score_when, sensors).used if policy.score_when else ()
    return readers | dict.fromkeys(used, "frames.score_when")


def refuse_unknown(rules: RuleSettings, frames: FrameSettings, sensors: tuple[str, ...]) -> None:
    """Refuses rules and sentinels for sensors that the history lacks.

    Raises:
        ConfigError: names these sensors.
    """
    named = {"rules.sensors": sensors_with_rules(rules), "frames.sentinels": frames.sentinels}
    unknown = [f"{setting}.{name}" for setting, names in named.items() for name in sorted(names) if name not in sensors]
    if unknown:
        raise ConfigError(f"{', '.join(unknown)}: no such sensor in the history, which has {', '.join(sensors)}")


def choose_rules(rules: RuleSettings, policy: FramePolicy, spec: ModelSpec) -> Rules:
    """Chooses the rules of incidents.

    Left open: an incident is resolved after W + M quiet frames; it is updated hourly, or every W frames if longer.
    """
    hourly = max(3600 * SECOND, spec.window * policy.interval_ns)
    return Rules(
        close_after=rules.close_after if rules.close_after is not None else spec.block,
        close_ratio=rules.close_ratio,
        update_every_ns=rules.update_every if rules.update_every is not None else hourly,
        max_duration_ns=rules.max_duration,
        severity_edges=EDGES if rules.severity_edges is None else rules.severity_edges,
        top_sensors=rules.top_sensors,
        sensors=tuple(
            SensorRule(name, rule.direction, rule.min_absolute, rule.min_relative)
            for name, rule in rules.sensors.items()
            if rule.vetoes
        ),
    )
