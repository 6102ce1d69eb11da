"""The options of training runs and amendments, from the settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stream.errors import ConfigError
from stream.events.people.feedback import Judgements
from stream.settings import Settings
from stream.settings.detection import RuleSettings, ThresholdSettings
from stream.settings.layers import from_overrides
from training.options import FitOptions, TrainOptions
from training.revision.amend import Amendment

# These settings name the bundle that is amended.
WHICH_BUNDLE = ("registry", "detector", "bundle")
# Settings that follow from what a bundle keeps.
AMENDABLE = (
    *(f"rules.{name}" for name in RuleSettings.amendable),
    *(f"threshold.{name}" for name in ThresholdSettings.amendable),
)
# The reason why a setting or a section cannot be amended.
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
    """Options of a training run on `data`.

    Args:
        feedback: verdicts on alerts of the history; None = none.
        force: the reason to publish a refused model all the same; None = do not.
    """
    return TrainOptions(
        detector=settings.detector,
        data=data,
        registry=settings.registry,
        hints=settings.input.hints,
        frames=settings.frames,
        model=settings.model,
        rules=settings.rules,
        threshold=settings.threshold,
        recalibrate=settings.recalibrate,
        fit=FitOptions(settings.train),
        feedback=feedback,
        force=force,
    )


def amendment_from(settings: Settings, overrides: Sequence[str]) -> Amendment:
    """Takes the changes that `--set` names; file and environment name none.

    Raises:
        ConfigError: no change is named, or one that no amendment can make, with the reason.
    """
    named = [path for path in _paths(from_overrides(overrides).tree) if path.partition(".")[0] not in WHICH_BUNDLE]
    refused = [f"{path}: {_why_not(path)}" for path in named if path not in AMENDABLE]
    if refused:
        raise ConfigError("\n  ".join(["models amend: cannot change", *refused]))
    if not named:
        raise ConfigError(f"models amend: nothing to change; give --set with one of {', '.join(AMENDABLE)}")
    return Amendment(settings.rules, settings.threshold, frozenset(named))


def _paths(tree: Mapping[str, object]) -> list[str]:
    """Paths of the settings in a tree of sections, such as input.topic or detector."""
    return [
        path
        for section, below in tree.items()
        for path in ([f"{section}.{name}" for name in below] if isinstance(below, Mapping) else [section])
    ]


def _why_not(path: str) -> str:
    """The reason why an amendment cannot change this setting."""
    fallback = "is no part of a bundle; set it in the configuration"
    return NOT_AMENDABLE.get(path, NOT_AMENDABLE.get(path.partition(".")[0], fallback))
