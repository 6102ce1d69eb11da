"""The options of a training run: sections of the configuration, the history, and what is no setting."""

from dataclasses import dataclass, replace
from pathlib import Path

from stream.events.people.feedback import Judgements
from stream.intake.tables.reader import Hints
from stream.settings.data import FrameSettings
from stream.settings.detection import (
    ModelSettings,
    RecalibrationSettings,
    RuleSettings,
    ThresholdSettings,
    TrainSettings,
)


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Options of fitting: the section `train`, and numbers that are no settings and suit any amount of windows.

    Attributes:
        improvement: relative fall of the stop loss that counts as an improvement.
        cooling: factor on a member's learning rate after `patience` / 2 epochs without improvement.
        min_windows: least number of windows per epoch and member; of fewer, windows repeat within the epoch.
        max_stop: stop windows that are scored after each epoch, evenly spaced.
        anneal: variational: epochs over which beta grows from 0 to its value; at most `max_epochs` - 1. The weights of
            these epochs are not kept. A code that is penalised from the start carries no information.

    Source of `anneal`: Bowman et al. 2016, "Generating sentences from a continuous space", section 3.1.
    """

    train: TrainSettings
    improvement: float = 5e-3
    cooling: float = 0.3
    min_windows: int = 16_384
    max_stop: int = 16_384
    anneal: int = 10

    def with_seed(self, seed: int) -> "FitOptions":
        """The same with another seed."""
        return replace(self, train=self.train.model_copy(update={"seed": seed}))


@dataclass(frozen=True)
class TrainOptions:
    """A training run.

    Attributes:
        data: Parquet file, folder or glob: the history.
        registry: a folder or a URI; see `stream.registry.registry.Registry`.
        hints: the columns that the configuration names.
        feedback: people's verdicts on alerts; None: none given.
        force: the reason for which a model passes that the gate refuses; None: none passes.
        recalibrate: bounds of thresholds that learn.
    """

    detector: str
    data: Path
    registry: Path | str
    hints: Hints
    frames: FrameSettings
    model: ModelSettings
    rules: RuleSettings
    threshold: ThresholdSettings
    recalibrate: RecalibrationSettings
    fit: FitOptions
    feedback: Judgements | None
    force: str | None

    @property
    def train(self) -> TrainSettings:
        """The section `train`."""
        return self.fit.train
