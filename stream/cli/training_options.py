"""A training run as the configuration asks for it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from stream.errors import ConfigError
from stream.events.feedback import Judgements
from stream.settings import Settings
from stream.settings.data import MaintenanceSpan
from stream.settings.detection import ThresholdSettings
from stream.settings.hints import hints
from stream.settings.layers import from_overrides, plain
from training.data.spans import Span
from training.options import FitOptions, TrainOptions
from training.revision.amend import RULES, Wanted

# Where the bundle is that shall be amended.
WHICH_BUNDLE = ("registry", "detector", "bundle")
# Settings that follow from what a bundle keeps.
AMENDABLE = (
    *(f"rules.{name}" for name in RULES),
    *(f"threshold.{name}" for name in ThresholdSettings.model_fields),
)
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
    return TrainOptions(
        detector=settings.detector,
        data=data,
        registry=settings.registry,
        hints=hints(settings),
        frames=settings.frames,
        model=settings.model,
        rules=settings.rules,
        threshold=settings.threshold,
        fit=FitOptions(settings.train),
        feedback=feedback,
        force=force,
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
    return Wanted(settings.rules, settings.threshold, frozenset(named))


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
