"""Feedback in training: confirmed and maintained rows are left out, and the manifest says so."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from stream.cli import app as cli
from stream.events.incident_view import IncidentView
from stream.events.people.feedback import Feedback, JudgedSpan, Verdict
from stream.events.record import encode
from stream.intake.timestamps import LAST_NS
from stream.registry.manifest_facts import FeedbackCount
from tests.support.alert_records import MINUTE, START, incident_view, judged
from tests.support.builders import a_policy
from tests.support.small_training import SECOND, a_history, contents, made
from tests.training.data.test_framing import batch
from training.data.feedback import apply_feedback
from training.data.framing import frame
from training.demo import pumps as physics


@pytest.fixture(scope="module")
def pumps() -> pd.DataFrame:
    return a_history()


def alerts_in(history: pd.DataFrame) -> list[IncidentView]:
    """Three alerts of pump-01 and one of pump-03, of half an hour each, in fit and calibrate."""
    start = (int(history["time"].min().value) - START) // MINUTE
    firsts = {"pump-01": (100, 200, 600), "pump-03": (620,)}
    return [incident_view(name, start + first, start + first + 30) for name, own in firsts.items() for first in own]


def rows_of(history: pd.DataFrame, alerts: Sequence[IncidentView], lag: int = 0) -> np.ndarray:
    """bool: rows in the time of an alert, or of the `lag` minutes before it."""
    time, inside = history["time"].astype("int64"), np.zeros(len(history), np.bool_)
    for alert in alerts:
        start, end = alert.span
        inside |= ((history["series"] == alert.series) & (time >= start - lag * MINUTE) & (time < end)).to_numpy()
    return inside


def test_confirmed_and_maintained_rows_teach_nothing_and_false_ones_do(pumps: pd.DataFrame, tmp_path: Path) -> None:
    """Absurd values during the alerts, and in the time by which an alert may lag, do not change the bundle."""
    alerts = alerts_in(pumps)
    verdicts: list[Verdict | None] = ["confirmed", "maintenance", "confirmed", "maintenance"]
    said, lag = judged(alerts, verdicts), 8
    poisoned, rows = pumps.copy(), rows_of(pumps, alerts, lag)
    poisoned.loc[rows, list(physics.SENSORS)] = 1e9
    plain = made(tmp_path / "plain", pumps, feedback=said)
    assert contents(made(tmp_path / "poisoned", poisoned, feedback=said)) == contents(plain)
    frames = plain.manifest.data.frames
    assert (frames["confirmed"], frames["off"]) == (2 * (30 + lag), 2 * (30 + lag))
    assert sum(frames.values()) == len(pumps)
    none = judged(alerts, ["false", "false", "false", "false"])
    false = made(tmp_path / "false", pumps, feedback=none)
    assert contents(false) == contents(made(tmp_path / "unasked", pumps)), "normal operation, to be learnt"
    feedback = false.manifest.data.feedback
    assert feedback is not None
    assert feedback.false == FeedbackCount(alerts=4, in_history=4)


def test_the_manifest_says_what_feedback_was_about(pumps: pd.DataFrame, tmp_path: Path) -> None:
    alerts = [*alerts_in(pumps), incident_view("pump-01", 10**6, 10**6 + 5), incident_view("of another plant", 0, 9)]
    said = judged(alerts, ["confirmed", "false", "maintenance", None, "confirmed", "false"])
    said = dataclasses.replace(said, verdicts={**said.verdicts, "gone": Feedback("gone", "false")})
    assert msgspec.to_builtins(made(tmp_path, pumps, feedback=said).manifest.data.feedback) == {
        "confirmed": {"alerts": 2, "in_history": 1},
        "false": {"alerts": 2, "in_history": 1},
        "maintenance": {"alerts": 1, "in_history": 1},
        "unknown": 1,
    }
    assert made(tmp_path / "unasked", pumps).manifest.data.feedback is None


def test_the_command_reads_feedback_and_alerts_and_says_what_it_left_out(
    pumps: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By options and by settings."""
    monkeypatch.chdir(tmp_path)
    pumps.to_parquet("history.parquet", index=False)
    alerts = alerts_in(pumps)
    Path("alerts.jsonl").write_bytes(b"\n".join(encode(alert) for alert in alerts))
    ids = [alert.alert_id for alert in alerts]
    small = ["--set", "train.max_epochs=2", "--set", "model.window=6", "--set", "model.smoothing=3"]
    small += ["--set", "threshold.alerts_per_week=70"]
    to = ("--file", "said.jsonl", "--unchecked")
    for alert_id, verdict in [(ids[0], "confirmed"), (ids[2], "maintenance"), (ids[3], "false"), ("gone", "false")]:
        narrows(monkeypatch, capsys, "feedback", alert_id, verdict, "--note", "seen", *to)
    options = ["--feedback", "said.jsonl", "--alerts", "alerts.jsonl"]
    shown = narrows(monkeypatch, capsys, "train", "--data", "history.parquet", *options, *small)
    assert "38 confirmed (by feedback on alerts)" in " ".join(shown.split())
    said = "1 confirmed (1 here), 1 false (1 here), 1 maintenance (1 here); 1 about alerts that nobody knows"
    assert said in " ".join(shown.split())
    monkeypatch.setattr(sys, "argv", ["narrows", "train", "--data", "history.parquet", "--alerts", "alerts.jsonl"])
    with pytest.raises(SystemExit, match=r"^2$"):
        cli.main()
    assert "add --feedback with the verdicts on them" in capsys.readouterr().err
    settings = ["--set", "train.feedback=said.jsonl", "--set", "train.alerts=alerts.jsonl", "--set", "registry=again"]
    again = json.loads(narrows(monkeypatch, capsys, "train", "--data", "history.parquet", *settings, *small, "--json"))
    assert again["data"]["frames"]["confirmed"] == 38
    assert again["data"]["feedback"]["unknown"] == 1


def narrows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Output of a command that must succeed."""
    monkeypatch.setattr(sys, "argv", ["narrows", *arguments])
    with pytest.raises(SystemExit, match=r"^0$|None"):
        cli.main()
    return capsys.readouterr().out


def test_frames_before_an_alert_are_its_series_own_and_no_others() -> None:
    """An alert at the very beginning affects no other series. Values carried from it are left out too."""
    policy = a_policy(interval_ns=SECOND, max_gap_ns=9 * SECOND, max_carry=2)
    rows = [float(second) for second in range(9)]
    values = [*rows[:3], *[float("nan")] * 3, *rows[6:]]
    framed = frame([batch(rows, rows, series="a"), batch(rows, values, series="b")], policy, ("s",))
    left = apply_feedback(framed, [JudgedSpan("b", SECOND, 3 * SECOND, "confirmed")], 5, policy.max_carry)
    assert np.flatnonzero(left.confirmed).tolist() == [9, 10, 11, 12, 13]
    unheard = [JudgedSpan("unheard of", 0, LAST_NS, "confirmed")]
    assert not apply_feedback(framed, unheard, 5, policy.max_carry).confirmed.any()
