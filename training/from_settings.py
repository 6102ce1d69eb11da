"""A training run as the configuration asks for it."""

from pathlib import Path

from stream.detect.policy import Maintenance, SensorRule, ValidRange
from stream.settings import Settings
from stream.settings.hints import hints
from training.fit import FitOptions
from training.options import FrameOptions, ModelOptions, RuleOptions, ThresholdOptions, TrainOptions


def train_options(settings: Settings, data: Path) -> TrainOptions:
    """What to train on `data`."""
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
        rules=RuleOptions(
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
        ),
        threshold=ThresholdOptions(**settings.threshold.model_dump()),
        parts=(train.parts.fit, train.parts.calibrate, train.parts.gate),
        seed=train.seed,
        drop_sensors=train.drop_sensors,
    )


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
