"""The options of a training run, from the settings."""

from pathlib import Path

from stream.events.feedback import Judgements
from stream.settings import Settings
from stream.settings.hints import hints
from training.options import FitOptions, TrainOptions


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
