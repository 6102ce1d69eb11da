"""Offline side of `narrows demo`: a generated fleet, a bundle trained on its history, injected versus found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stream.detect.definition import Definition
from stream.errors import NarrowsError
from stream.events.alert import Alert as AlertEvent
from stream.events.incident_view import newest, to_ns
from stream.events.verdict import FrameVerdict
from stream.intake.columns import Float64s, Int64s
from stream.intake.tables.hints import Hints
from stream.registry.bundle import load
from stream.settings.data import FrameSettings
from stream.settings.detection import (
    ModelSettings,
    RecalibrationSettings,
    RuleSettings,
    ThresholdSettings,
    TrainSettings,
)
from training.demo.fleet import Fault, Fleet, generate, messages, write_history
from training.demo.picture import draw
from training.demo.scoreboard import Alert, FaultReport, ScoreboardReport, compare
from training.fitting.members import Progress
from training.options import FitOptions, TrainOptions
from training.pipeline import TrainingRun, train

DETECTOR = "demo-pumps"
# A day passes in seconds here: hourly updates of an open incident would hide the rest.
UPDATE_EVERY_S = 4 * 3600
# One in eight weeks, the rarest that five days of a dozen pumps support. With the default of one a week, a dozen pumps
# raise one or two false alerts in the day shown.
BUDGET = ThresholdSettings(alerts_per_week=0.12)


@dataclass(frozen=True)
class Demo:
    """A fleet and the bundle trained on its history."""

    fleet: Fleet
    trained: TrainingRun
    definition: Definition


def prepare(folder: Path, progress: Progress, seed: int = 0) -> Demo:
    """Generates the fleet, writes its history as Parquet and trains on it, all below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    fleet = generate(seed=seed)
    history = folder / "history.parquet"
    write_history(fleet, history)
    rules = RuleSettings(update_every=UPDATE_EVERY_S)
    # Enough for a demonstration; the defaults of `narrows train` train for longer.
    fit = FitOptions(TrainSettings(seed=seed, max_epochs=30, patience=5, max_windows_per_epoch=65_536))
    options = TrainOptions(
        DETECTOR,
        history,
        folder / "registry",
        Hints(),
        FrameSettings(),
        ModelSettings(),
        rules,
        BUDGET,
        RecalibrationSettings(),
        fit,
        None,
        None,
    )
    trained = train(options, progress)
    return Demo(fleet, trained, load(trained.folder)[1])


def stream(demo: Demo) -> Iterator[tuple[bytes, bytes, int]]:
    """The live part as messages: key, value, timestamp in ms."""
    return messages(demo.fleet)


def injected(demo: Demo) -> list[FaultReport]:
    """The injected faults, before there is any alert."""
    return scoreboard(demo, []).faults


def scoreboard(demo: Demo, events: Sequence[AlertEvent]) -> ScoreboardReport:
    """Injected faults beside alerts. An alert that starts while a fault is still in the windows belongs to it.

    Args:
        events: alert events in any order.
    """
    spec = demo.definition.spec
    grace = spec.receptive_field * demo.fleet.interval_ns
    return compare(demo.fleet.faults, _alerts(events), grace)


def scores_of(series: str, verdicts: Sequence[FrameVerdict]) -> tuple[Int64s, Float64s]:
    """Times int64 (n,), ns, and scores float64 (n,) of a series, NaN where a frame has none."""
    rows = sorted((verdict.time, verdict.score) for verdict in verdicts if verdict.series == series)
    times = np.array([row[0].removesuffix("Z") for row in rows], "datetime64[ns]").astype(np.int64)
    return times, np.array([np.nan if row[1] is None else row[1] for row in rows], np.float64)


def picture(
    demo: Demo, series: str, events: Sequence[AlertEvent], verdicts: Sequence[FrameVerdict], path: Path
) -> None:
    """Draws sensors, faults, alerts and score of one pump as a PNG."""
    fleet = demo.fleet
    faults = [fault for fault in fleet.faults if fault.series == series]
    times, scores = scores_of(series, verdicts)
    readings = fleet.live[fleet.live["series"] == series]
    alerts = [alert for alert in _alerts(events) if alert.series == series]
    kinds = ", ".join(fault.kind for fault in faults) or "no fault"
    draw(readings, fleet.units, times, scores, alerts, faults, path, f"{series}: {kinds}")


def pictured_fault(fleet: Fleet) -> Fault:
    """The fault shown in pictures: the slow one that ends in an alert."""
    for fault in fleet.faults:
        if fault.kind == "bearing wear":
            return fault
    raise NarrowsError("the fleet has no bearing wear to show")


def _alerts(events: Sequence[AlertEvent]) -> list[Alert]:
    return [
        Alert(event.series, to_ns(event.started_at), None if event.ended_at is None else to_ns(event.ended_at))
        for event in newest(events).values()
    ]
