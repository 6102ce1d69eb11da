"""A training run as the configuration asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from stream.detect.policy import Maintenance, SensorRule, ValidRange
from stream.errors import ConfigError
from stream.events.feedback import Judgements
from stream.settings import Settings
from stream.settings.data import Maintenance as MaintenanceSpan
from stream.settings.hints import hints
from stream.settings.layers import from_overrides, plain
from training.data.spans import Span
from training.fitting.fit import FitOptions
from training.options import FrameOptions, ModelOptions, RuleOptions, ThresholdOptions, TrainOptions
from training.recalibration.recalibrate import Bounds
from training.revision.amend import Wanted

# Where the bundle is that shall be amended.
WHICH_BUNDLE = ("registry", "detector", "bundle")
# Settings that follow from what a bundle keeps, and the option each is.
AMENDABLE = {
    "rules.close_after": "close_after",
    "rules.close_ratio": "close_ratio",
    "rules.update_every": "update_every_ns",
    "rules.max_duration": "max_duration_ns",
    "rules.severity_edges": "severity_edges",
    "rules.top_sensors": "top_sensors",
    "threshold.method": "method",
    "threshold.alerts_per_week": "alerts_per_week",
    "threshold.percentile": "percentile",
    "threshold.strict": "strict",
}
# By setting or by section.
NOT_AMENDABLE = {
    "model": "the weights have this shape, and the kept levels are theirs; train again",
    "rules.sensors": "kept levels say which frames the sensors' rules vetoed, and not by how much sensors deviated; "
    "train again",
    "train": "the weights were fitted so; train again",
    "frames": "scales, weights and kept levels were made of frames under this policy; train again",
    "input": "the bundle's sensors are those of its weights, and how readings are laid out is no part of a bundle; "
    "train again, or set it in the configuration",
}


def train_options(
    settings: Settings, data: Path, feedback: Judgements | None = None, force: str | None = None
) -> TrainOptions:
    """What to train on `data`, less what `feedback` takes out of it; `force` as in `TrainOptions`."""
    frames, model, rules, train = settings.frames, settings.model, settings.rules, settings.train
    return TrainOptions(
        detector=settings.detector,
        data=data,
        registry=settings.registry,
        hints=hints(settings),
        frames=FrameOptions(
            interval_ns=frames.interval,
            resample=frames.resample,
            grace_ns=frames.grace,
            max_gap_ns=frames.max_gap,
            max_carry=frames.max_carry,
            max_missing=frames.max_missing,
            clip=frames.clip,
            score_when=frames.score_when,
            settle_ns=frames.settle,
            maintenance=tuple(Maintenance(span.series, span.start, span.end) for span in frames.maintenance),
            valid=tuple(ValidRange(name, *rule.valid) for name, rule in rules.sensors.items() if rule.valid),
        ),
        model=ModelOptions(**model.model_dump()),
        rules=rule_options(settings),
        threshold=ThresholdOptions(**settings.threshold.model_dump()),
        parts=(train.parts.fit, train.parts.calibrate, train.parts.gate),
        seed=train.seed,
        drop_sensors=train.drop_sensors,
        feedback=feedback,
        force=force,
    )


def rule_options(settings: Settings) -> RuleOptions:
    """The rules."""
    rules = settings.rules
    return RuleOptions(
        close_after=rules.close_after,
        close_ratio=rules.close_ratio,
        update_every_ns=rules.update_every,
        max_duration_ns=rules.max_duration,
        severity_edges=rules.severity_edges,
        top_sensors=rules.top_sensors,
        sensors=tuple(
            SensorRule(name, rule.direction, rule.min_absolute, rule.min_relative)
            for name, rule in rules.sensors.items()
            if rule.vetoes
        ),
    )


def wanted(settings: Settings, overrides: Sequence[str]) -> Wanted:
    """What `models amend` shall change: what is said by `--set`, and nothing that file or environment say.

    Raises:
        ConfigError: nothing is, or something that no amendment can change; says why.
    """
    named = [path for path in _named(from_overrides(overrides).tree) if path.partition(".")[0] not in WHICH_BUNDLE]
    refused = [f"{path}: {_reason(path)}" for path in named if path not in AMENDABLE]
    if refused:
        raise ConfigError("\n  ".join(["models amend: cannot change", *refused]))
    if not named:
        raise ConfigError(f"models amend: nothing to change; give --set with one of {', '.join(AMENDABLE)}")
    rules, threshold = asdict(rule_options(settings)), settings.threshold.model_dump()
    return Wanted(
        rules={AMENDABLE[path]: rules[AMENDABLE[path]] for path in named if path.startswith("rules.")},
        threshold={AMENDABLE[path]: threshold[AMENDABLE[path]] for path in named if path.startswith("threshold.")},
    )


def bounds(settings: Settings) -> Bounds:
    """How far a recalibration may go."""
    return Bounds(**settings.recalibrate.model_dump())


def excluded(file: Path) -> tuple[Span, ...]:
    """The spans that a file lists, as `frames.maintenance` does: YAML or JSON, a list of {series, start, end}.

    Raises:
        ConfigError: there is no such file, or something else stands in it.
    """
    try:
        spans = TypeAdapter(tuple[MaintenanceSpan, ...]).validate_python(plain(file.read_bytes()) or ())
    except (OSError, yaml.YAMLError, ValidationError) as fault:
        raise ConfigError(
            f"--exclude {file}: {_seen(fault)}; expected a list of spans, such as "
            "`- {series: pump-01, start: 2026-03-01T08:00:00Z, end: 2026-03-01T09:00:00Z}`"
        ) from fault
    return tuple(Span(span.series, span.start, span.end) for span in spans)


def _seen(fault: Exception) -> str:
    """What is wrong with a list of spans, in one line; the first is entry 1."""
    if isinstance(fault, OSError):
        return str(fault.strerror)
    if not isinstance(fault, ValidationError):
        return "not YAML; check indentation, quotes and colons"
    first = fault.errors(include_url=False)[0]
    if not first["loc"]:
        return "not a list"
    number, *path = first["loc"]
    message = first["msg"].removeprefix("Value error, ")
    return ": ".join([f"entry {int(number) + 1}", *map(str, path), f"{message}, got {first['input']!r}"])


def not_normal(said: Judgements) -> tuple[Span, ...]:
    """Alerts that were confirmed, or came of maintenance."""
    return tuple(Span.of(judged) for judged in said.spans() if judged.verdict != "false")


def _named(tree: Mapping[str, object]) -> list[str]:
    """Paths of the settings in a tree of sections: input.topic, or detector."""
    return [
        path
        for section, below in tree.items()
        for path in ([f"{section}.{name}" for name in below] if isinstance(below, Mapping) else [section])
    ]


def _reason(path: str) -> str:
    fallback = "is no part of a bundle; set it in the configuration"
    return NOT_AMENDABLE.get(path, NOT_AMENDABLE.get(path.partition(".")[0], fallback))


def fit_options(settings: Settings) -> FitOptions:
    """How to fit it."""
    train = settings.train
    return FitOptions(
        seed=train.seed,
        learning_rate=train.learning_rate,
        weight_decay=train.weight_decay,
        batch=train.batch_size,
        max_epochs=train.max_epochs,
        patience=train.patience,
        max_windows=train.max_windows_per_epoch,
    )
