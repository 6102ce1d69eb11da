"""Options of training runs for tests: the defaults of the configuration, with changes that are not validated."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from stream.intake.tables.hints import Hints
from stream.settings.data import FrameSettings
from stream.settings.detection import (
    ModelSettings,
    RecalibrationSettings,
    RuleSettings,
    ThresholdSettings,
    TrainSettings,
)
from stream.settings.section import Section
from training.options import FitOptions, TrainOptions

S = TypeVar("S", bound=Section)
PLAIN = FitOptions(TrainSettings())
OWN = {field.name for field in fields(FitOptions)}


def changed(section: S, **values: object) -> S:
    """The section with other values; durations in ns."""
    return section.model_copy(update=values)


def fit_options(plain: FitOptions = PLAIN, /, **values: Any) -> FitOptions:
    """The options with other values: settings of the section `train`, or fields of `FitOptions`."""
    train = {name: value for name, value in values.items() if name not in OWN}
    own = {name: value for name, value in values.items() if name in OWN}
    return replace(plain, train=changed(plain.train, **train), **own)


def train_options(detector: str, data: Path, registry: Path | str, /, **values: Any) -> TrainOptions:
    """Options of a training run; `values` are fields of `TrainOptions`."""
    plain = TrainOptions(
        detector,
        data,
        registry,
        Hints(),
        FrameSettings(),
        ModelSettings(),
        RuleSettings(),
        ThresholdSettings(),
        RecalibrationSettings(),
        PLAIN,
        feedback=None,
        force=None,
    )
    return replace(plain, **values)
