"""Feedback on alerts: records in files, the verdict that holds, precision, and exclusion from training."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pandas as pd
import pytest

from stream.cli import app as cli
from stream.errors import ConfigError, DataError
from stream.events.event_files import append, read_feedback
from stream.events.feedback import Feedback, JudgedSpan, Judgements, Verdict, feedback_schema
from stream.events.incident_view import IncidentView, newest
from stream.events.precision import precision_report
from stream.events.record import encode
from stream.intake.timestamps import LAST_NS
from stream.registry.manifest_facts import FeedbackCount
from tests.conftest import ROOT
from tests.support.alert_records import MINUTE, START, incident_view
from tests.support.builders import a_policy
from tests.support.small_training import SECOND, a_history, contents, made
from tests.training.data.test_framing import batch
from training.data.feedback import apply_feedback
from training.data.framing import frame
from training.demo import pumps as physics

COMMITTED = ROOT / "deploy" / "schemas" / "feedback.v1.schema.json"
REGENERATE = "python -m deploy.schemas"
ENTRIES = [
    Feedback("one", "false", "2026-03-07T12:00:00Z", "anna", "a valve was, well, \"open\""),
    Feedback("two", "maintenance"),
    Feedback("one", "confirmed", "2026-03-08T12:00:00.5Z"),
]  # fmt: skip


def judged(alerts: Sequence[IncidentView], verdicts: Sequence[Verdict | None]) -> Judgements:
    entries = [Feedback(alert.alert_id, v) for alert, v in zip(alerts, verdicts, strict=True) if v is not None]
    return Judgements.of(newest(alerts), entries)


def test_the_committed_schema_is_that_of_the_record() -> None:
    assert json.loads(COMMITTED.read_text()) == feedback_schema(), REGENERATE
    for entry in ENTRIES:
        jsonschema.validate(json.loads(encode(entry)), feedback_schema())
    assert set(json.loads(encode(ENTRIES[1]))) == {"alert_id", "verdict"}


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "parquet with times"])
def test_lines_csv_and_parquet_hold_the_same(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"said.{kind.partition(' ')[0]}"
    table = pd.DataFrame([msgspec.structs.asdict(entry) for entry in ENTRIES]).assign(ticket=7)
    if kind == "jsonl":
        for entry in ENTRIES:
            append(path, entry)
    elif kind == "csv":
        table.to_csv(path, index=False)
    else:
        if kind == "parquet with times":
            table["at"] = pd.to_datetime(table["at"], format="ISO8601")
        table.to_parquet(path, index=False)
    said = read_feedback(path)
    assert [(e.alert_id, e.verdict, e.by, e.note) for e in said] == [
        (e.alert_id, e.verdict, e.by, e.note) for e in ENTRIES
    ]
    assert Judgements.of({}, said).verdicts["one"].verdict == "confirmed"


def test_a_line_that_was_cut_short_does_not_swallow_the_next_entry(tmp_path: Path) -> None:
    path = tmp_path / "said.jsonl"
    path.write_bytes(encode(ENTRIES[0]))
    append(path, ENTRIES[1])
    assert read_feedback(path) == ENTRIES[:2]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"alert_id": "x", "verdict": "false"}\n{"alert_id": "x", "verdict": "no"}', r"a\.jsonl:2: .*'no'"),
        ("a.jsonl", '{"alert_id": "", "verdict": "false"}', r"a\.jsonl:1: not feedback, expected {alert_id"),
        ("a.jsonl", '{"alert_id": "x", "verdict": "false", "at": "noon"}', r"a\.jsonl:1: at: 'noon' is no time"),
        ("a.csv", "alert_id,verdict\nx,false\n,false\n", r"a\.csv, row 2: .*alert_id"),
        ("a.csv", "id,verdict\nx,false\n", r"a\.csv: has columns \['id', 'verdict'\], not \['alert_id'\]"),
        ("a.parquet", "no table", r"a\.parquet: cannot be read"),
        ("absent.jsonl", None, r"absent\.jsonl: No such file"),
    ],
)
def test_what_is_no_feedback_is_named_with_its_place(name: str, text: str | None, said: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        read_feedback(tmp_path / name)


def test_tables_are_read_and_not_added_to(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"name a file that ends in \.jsonl"):
        append(tmp_path / "said.csv", ENTRIES[0])


def test_the_last_verdict_by_time_holds_whatever_the_order_and_a_contradiction_is_named() -> None:
    for entries in (ENTRIES, ENTRIES[::-1]):
        said = Judgements.of({}, entries)
        assert {alert_id: entry.verdict for alert_id, entry in said.verdicts.items()} == {
            "one": "confirmed", "two": "maintenance",
        }  # fmt: skip
        assert said.contradicted == ("one",)
        assert said.unknown == ("one", "two")
    twice = Judgements.of({}, [Feedback("x", "false"), Feedback("x", "false", "2026-03-07T12:00:00Z")])
    assert twice.contradicted == ()
    untimed = Judgements.of({}, [Feedback("x", "false"), Feedback("x", "confirmed")])
    assert untimed.verdicts["x"].verdict == "confirmed", "of two without a time the later in the file"


def test_an_alert_lasts_from_its_first_frame_to_the_first_that_is_quiet_and_an_open_one_for_ever() -> None:
    start = START + 5 * MINUTE
    assert incident_view("a", 5, 9).span == (start, START + 9 * MINUTE)
    assert incident_view("a", 5, 9, reason="silent").span == (start, START + 9 * MINUTE + 1), (
        "its last frame is part of it"
    )
    assert incident_view("a", 5, 5, reason="silent").span == (start, start + 1)
    assert incident_view("a", 5, None).span == (start, LAST_NS)


def test_precision_counts_what_was_confirmed_or_false_and_nothing_else() -> None:
    alerts = [incident_view("a", n, n + 1) for n in range(0, 14, 2)] + [incident_view("b", 0, 1)]
    said = judged(alerts, ["confirmed", "false", "false", "confirmed", "confirmed", "maintenance", None, None])
    found = precision_report(said)
    a, b = found.series
    assert msgspec.to_builtins(a) == {
        "series": "a", "alerts": 7, "confirmed": 3, "false": 2, "maintenance": 1, "unjudged": 1, "precision": 0.6,
    }  # fmt: skip
    assert (b.unjudged, b.precision) == (1, None)
    assert (found.all.alerts, found.all.precision) == (8, 0.6)


# Training.


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
    """Absurd values in the time of the alerts, and as long before as an alert may lag, change the bundle in nothing."""
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
    """By options, and by settings alike."""
    monkeypatch.chdir(tmp_path)
    pumps.to_parquet("history.parquet", index=False)
    alerts = alerts_in(pumps)
    Path("alerts.jsonl").write_bytes(b"\n".join(encode(alert) for alert in alerts))
    ids = [alert.alert_id for alert in alerts]
    small = ["--set", "train.max_epochs=2", "--set", "model.window=6", "--set", "model.smoothing=3"]
    small += ["--set", "threshold.alerts_per_week=70"]
    for alert_id, verdict in [(ids[0], "confirmed"), (ids[2], "maintenance"), (ids[3], "false"), ("gone", "false")]:
        narrows(monkeypatch, capsys, "feedback", alert_id, verdict, "--note", "seen", "--file", "said.jsonl")
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
    """An alert at the very beginning reaches into no other series; what is carried from it, as far as it is carried."""
    policy = a_policy(interval_ns=SECOND, max_gap_ns=9 * SECOND, max_carry=2)
    rows = [float(second) for second in range(9)]
    values = [*rows[:3], *[float("nan")] * 3, *rows[6:]]
    framed = frame([batch(rows, rows, series="a"), batch(rows, values, series="b")], policy, ("s",))
    left = apply_feedback(framed, [JudgedSpan("b", SECOND, 3 * SECOND, "confirmed")], 5, policy.max_carry)
    assert np.flatnonzero(left.confirmed).tolist() == [9, 10, 11, 12, 13]
    unheard = [JudgedSpan("unheard of", 0, LAST_NS, "confirmed")]
    assert not apply_feedback(framed, unheard, 5, policy.max_carry).confirmed.any()
