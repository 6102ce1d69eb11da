"""One case with one budget, from history to figures, with the promises that must hold for any figures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.real_data.cases import Case
from tests.real_data.commands import Narrows
from tests.real_data.judging import judge
from tests.real_data.ranking import RankingFigures, rank_all
from tests.real_data.streaming import StreamResult, stream
from tests.support.processes import Launch, cold
from training.metrics.events import EventMetrics

DISPOSITIONS = ("used", "late", "duplicate", "ignored", "dead", "unconfirmed")
VERDICTS = ("scored", "warming", "degraded", "off")
# Alerts per series and week: the default, and one a day. With the default smd machine-1-2 has no alert.
BUDGETS = (1.0, 7.0)


@dataclass(frozen=True)
class Result:
    """Everything that is reported of one run.

    Attributes:
        trained: output of `narrows train --json`.
        train_seconds: wall clock of the whole command.
        counts: dispositions of readings and verdicts of frames in `narrows run`.
    """

    case: Case
    budget: float
    trained: Mapping[str, Any]
    train_seconds: float
    streamed: StreamResult
    counts: Counter[str]
    found: EventMetrics
    ranked: RankingFigures


def experiment(
    case: Case,
    budget: float,
    folder: Path,
    bootstrap: str,
    train: Mapping[str, Any] | None = None,
    launch: Launch = cold,
) -> Result:
    """Trains on the history, streams the live rows through the broker, compares with replay, then with the labels.

    Args:
        folder: scratch folder.
        bootstrap: of a broker that has not seen this case with this budget.
        train: settings of training that differ from the defaults.
        launch: starts the processes.
    """
    detector = f"{case.name.replace(' ', '-')}-budget-{budget:g}"
    threshold = {"method": "budget", "alerts_per_week": budget}
    overrides = {"threshold": threshold, "train": dict(train or {})}
    narrows = Narrows(folder / detector, bootstrap, detector, overrides, launch)
    history, live = case.write(folder / case.name.replace(" ", "-"))
    trained, train_seconds = narrows.train(history)
    narrows.create_topics()
    streamed = stream(narrows, bootstrap, case)
    counts = narrows.counted()
    replayed, scores = narrows.replay(live)
    check_counts(counts, streamed.messages)
    check_same_alerts(streamed.alerts, replayed)
    check_same_verdicts(counts, scores)
    model = narrows.manifest(trained)["model"]
    found = judge(case.assets, streamed.alerts, grace_frames=model["window"] + model["smoothing"] - 1)
    ranked = rank_all(case.assets, scores)
    return Result(case, budget, trained, train_seconds, streamed, counts, found, ranked)


def check_counts(counts: Mapping[str, int], sent: int) -> None:
    """Asserts one disposition for every message, and one verdict for every used one (here a frame of its own)."""
    fates, verdicts = ({name: counts[name] for name in names} for names in (DISPOSITIONS, VERDICTS))
    assert counts["received"] == sent, f"sent {sent}, received {counts['received']}"
    assert sum(fates.values()) == sent, f"sent {sent}, dispositions {fates}"
    assert sum(verdicts.values()) == fates["used"], f"used {fates['used']}, verdicts {verdicts}"
    assert fates["dead"] == 0, f"real readings could not be decoded: {fates}"


def check_same_alerts(through_broker: Sequence[Mapping[str, Any]], replayed: Sequence[Mapping[str, Any]]) -> None:
    """Asserts the same events, none twice, with the same scores to the bit."""
    got, expected = (Counter(map(_identity, alerts)) for alerts in (through_broker, replayed))
    assert got == expected, f"extra or twice {list(got - expected)[:5]}, lost {list(expected - got)[:5]}"


def check_same_verdicts(counts: Mapping[str, int], scores: Path) -> None:
    """Asserts as many frames of each verdict in the service as in the replay."""
    column = pq.read_table(scores, columns=["verdict"])["verdict"]
    replayed = Counter(column.cast("string").to_pylist())
    assert pc.sum(pc.is_null(column)).as_py() == 0
    assert {name: counts[name] for name in VERDICTS} == {name: replayed[name] for name in VERDICTS}


def _identity(alert: Mapping[str, Any]) -> tuple[str, int, float]:
    return alert["alert_id"], alert["sequence"], alert["score"]
