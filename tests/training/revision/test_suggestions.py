"""Suggestions after false alerts: command lines whose figures hold; none where a confirmed alert would be lost."""

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stream.cli import app as cli
from stream.events.event_files import append, read_alerts
from stream.events.incident_view import IncidentView, newest
from stream.events.people.feedback import Feedback, Judgements, Verdict
from stream.registry.manifest import Manifest
from stream.registry.registry import Registry
from stream.settings import load
from tests.support.alert_records import incident_view, share
from tests.support.plain_bundle import plain_bundle
from training.demo import fleet
from training.revision.suggestions import LEAST_JUDGED, Suggestion, suggest

SMALL = ["model.window=6", "model.smoothing=3", "model.hidden=16", "model.latent=3", "train.max_epochs=4"]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return plain_bundle(tmp_path_factory.mktemp("registry"), ("flow", "head.2")).manifest


def alert(
    manifest: Manifest, minute: int, deviation: float, series: str = "a", name: str = "flow", **more: Any
) -> IncidentView:
    """An alert with nearly all of the error in one sensor, which is off by `deviation` from an expected 10."""
    other = "head.2" if name == "flow" else "flow"
    sensors = (share(name, 0.9, 10.0 + deviation, 10.0), share(other, 0.1, 3.0, 2.0))
    return incident_view(series, minute, minute + 1, sensors=sensors, model_version=manifest.version, **more)


def proposals(
    manifest: Manifest, judged: Sequence[tuple[IncidentView, Verdict | None]], higher: Sequence[tuple[str, float]] = ()
) -> list[Suggestion]:
    entries = [Feedback(one.alert_id, verdict) for one, verdict in judged if verdict is not None]
    return suggest(
        Judgements.of(newest(one for one, _ in judged), entries), manifest, lambda: higher, ["-c", "my file"]
    )


def test_false_alerts_in_one_direction_call_for_the_other(manifest: Manifest) -> None:
    judged: list[tuple[IncidentView, Verdict | None]] = [(alert(manifest, n, 2.0 + n), "false") for n in range(4)]
    judged += [(alert(manifest, 10, -1.0), "confirmed"), (alert(manifest, 20, 5.0), None)]
    (found,) = proposals(manifest, judged)
    assert (found.series, found.what) == ("a", "flow direction: below")
    assert (found.of_series.false, found.of_series.false_gone) == (4, 4)
    assert (found.of_series.confirmed, found.of_series.confirmed_kept, found.of_series.unjudged_gone) == (1, 1, 1)
    words = shlex.split(found.command)
    assert words[:6] == ["narrows", "train", "--data", "HISTORY", "-c", "my file"]
    assert load(None, [words[-1]], {}).rules.sensors["flow"].direction == "below"


def test_false_alerts_on_small_deviations_call_for_a_least_one_below_what_was_confirmed(manifest: Manifest) -> None:
    judged: list[tuple[IncidentView, Verdict | None]] = [
        (alert(manifest, n, size, name="head.2"), "false") for n, size in enumerate((0.2, -0.3, 0.4123, 5.0))
    ]
    judged.append((alert(manifest, 10, 0.5, name="head.2"), "confirmed"))
    (found,) = proposals(manifest, judged)
    assert (found.of_series.false_gone, found.of_series.confirmed_kept) == (3, 1)
    rule = load(None, [shlex.split(found.command)[-1]], {}).rules.sensors["head.2"]
    assert (rule.direction, rule.min_absolute) == ("both", 0.413)


def test_nothing_is_proposed_that_loses_a_confirmed_alert_of_another_series(manifest: Manifest) -> None:
    judged: list[tuple[IncidentView, Verdict | None]] = [
        (alert(manifest, n, 2.0), "false") for n in range(LEAST_JUDGED)
    ]
    assert len(proposals(manifest, judged, [("threshold.percentile=99.9", 2.0)])) == 2
    judged.append((alert(manifest, 3, 1.0, series="b"), "confirmed"))
    below = [found.what for found in proposals(manifest, judged, [("threshold.percentile=99.9", 2.0)])]
    assert below == []


def test_of_thresholds_the_lowest_that_removes_the_most_is_proposed(manifest: Manifest) -> None:
    peaks: list[tuple[float, Verdict]] = [(1.1, "false"), (1.4, "false"), (1.5, "false"), (2.5, "confirmed")]
    judged: list[tuple[IncidentView, Verdict | None]] = [
        (alert(manifest, n, 1.0, peak_score=peak), verdict) for n, (peak, verdict) in enumerate(peaks)
    ]
    judged.append((alert(manifest, 9, 1.0, peak_score=1.2, cause="range"), "false"))
    higher = [
        ("threshold.alerts_per_week=1", 1.2),
        ("threshold.alerts_per_week=0.5", 1.6),
        ("t.x=1", 2.0),
        ("t.y=1", 3),
    ]
    (found,) = proposals(manifest, judged, higher)
    assert "1.6 times as high" in found.what
    assert (found.of_series.false_gone, found.of_series.false) == (3, 4), "a broken gauge cares for no threshold"
    assert shlex.split(found.command)[:4] == ["narrows", "models", "amend", manifest.version]


@pytest.mark.parametrize("without", ["enough of them", "this bundle"])
def test_few_alerts_and_those_of_other_bundles_say_nothing(manifest: Manifest, without: str) -> None:
    judged: list[tuple[IncidentView, Verdict | None]] = [
        (alert(manifest, n, 2.0), "false") for n in range(LEAST_JUDGED - 1)
    ]
    if without == "this bundle":
        judged.append((incident_view("a", 9, 10, sensors=judged[0][0].sensors, model_version="another"), "false"))
    assert proposals(manifest, judged, [("threshold.percentile=99.9", 2.0)]) == []


class Narrows:
    """Runs the command line in a folder of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        monkeypatch.chdir(folder)
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: str) -> str:
        self._monkeypatch.setattr(sys, "argv", ["narrows", *arguments])
        with pytest.raises(SystemExit, match=r"^0$|None"):
            cli.main()
        return self._capsys.readouterr().out


def test_the_proposed_threshold_removes_what_it_says_and_is_seen_against_production(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Copied command lines lead from alerts to a candidate; before one is run, nothing changes."""
    narrows = Narrows(monkeypatch, capsys, tmp_path)
    rows = fleet.generate(pumps=4, history_days=1.0, live_days=1.0)
    rows.history.to_parquet("history.parquet", index=False)
    rows.live.to_parquet("newer.parquet", index=False)
    settings = [
        word
        for setting in (*SMALL, "threshold.alerts_per_week=140", "threshold.learn=false")
        for word in ("--set", setting)
    ]
    narrows("train", "--data", "history.parquet", *settings)
    Path("alerts.jsonl").write_text(narrows("replay", "--data", "newer.parquet"))
    alerts = list(read_alerts(Path("alerts.jsonl")).values())
    for one in alerts:
        append(Path("said.jsonl"), Feedback(one.alert_id, "false" if one.peak_score < 1.4 else "confirmed"))
    said = ["--feedback", "said.jsonl", "--alerts", "alerts.jsonl"]
    before = Registry(tmp_path / "registry").history("detector")
    report = json.loads(narrows("feedback", "report", *said, "--json"))
    text = narrows("feedback", "report", *said)
    assert Registry(tmp_path / "registry").history("detector") == before
    proposal = next(one for one in report["proposals"] if "times as high" in one["what"])
    assert proposal["command"] in text
    narrows(*shlex.split(proposal["command"])[1:])
    found = json.loads(
        narrows("replay", "--data", "newer.parquet", "--bundle", "candidate", "--against", "production", "--json")
    )
    gone = {a["alert_id"] for change in found["changes"] if change["change"] == "gone" for a in change["before"]}
    false = {one.alert_id for one in alerts if one.peak_score < 1.4}
    assert len(gone & false) == proposal["of_all"]["false_gone"] > 0
    assert not gone - false
