"""Every command that shows names, run on names that would break a screen: they are recognisable, and only text."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from rich.console import Console, ConsoleDimensions
from rich.errors import MarkupError

from stream.cli.reports import models as models_screen
from stream.events.people.feedback import Feedback
from stream.messages import printable
from tests.support.alert_records import incident_view, share
from tests.support.commands import Narrows, Result, in_process
from tests.support.plain_bundle import plain_bundle
from tests.training.evaluate.test_page import Page

NAMES = (
    "Flow [/h]",
    "[bold]x[/bold]",
    "$a_b$",
    "<script>alert(1)</script>",
    "\x1b[31mred",
    "two\nlines",
    "long " * 40,
    "Öl-Temperatur °C",
    "fire 🔥",
    "right\u200fleft",
)
HISTORY, NEWER = "his[t] $o$ry 🔥.parquet", "new [b]er.parquet"
MINUTES, NEW_MINUTES, EVENT = 400, 120, slice(80, 100)
CHOICES = "detector: odd\ninput: {series: machine, label: fault}\nrules: {top_sensors: 10}\nthreshold: {learn: false}\n"
QUICK = (
    "--set",
    "train.max_epochs=2",
    "--set",
    "model.window=4",
    "--set",
    "model.smoothing=2",
    "--set",
    "model.hidden=8",
)
# What a name must still show: the long one is cut where there is little room.
SHOWN = [printable(name)[:30].strip() for name in NAMES]


def rows(seed: int, start: str, minutes: int) -> pd.DataFrame:
    """Readings of machines and sensors of these names, all normal."""
    draw, frames = np.random.default_rng(seed), []
    time = pd.date_range(start, periods=minutes, freq="1min", tz="UTC")
    for machine in NAMES:
        base = np.sin(np.arange(minutes) / 20)
        values = {name: base * (i + 1) + draw.normal(0, 0.2, minutes) for i, name in enumerate(NAMES)}
        frames.append(pd.DataFrame({"time": time, "machine": machine, **values, "fault": 0}))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a history and newer readings, with a fault in each machine."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "narrows.yaml").write_text(CHOICES)
    rows(1, "2025-01-01", MINUTES).to_parquet(folder / HISTORY, index=False)
    newer = rows(2, "2025-01-03", NEW_MINUTES)
    faulty = newer.groupby("machine", sort=False).cumcount().between(EVENT.start, EVENT.stop)
    # A fault of the same size in every sensor, so that each is named.
    newer.loc[faulty, [*NAMES]] += 5.0 * np.arange(1, len(NAMES) + 1)
    newer.loc[faulty, "fault"] = 1
    newer.to_parquet(folder / NEWER, index=False)
    # Plots take time, so the page is about two machines; all sensors have a place on it.
    newer[newer["machine"].isin(NAMES[2:4])].to_parquet(folder / "two.parquet", index=False)
    return folder


@dataclass
class Screen:
    """A terminal of 2,000 columns without colours, so that no name is broken by the layout."""

    narrows: Narrows
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *arguments: str, code: int = 0) -> Result:
        """Runs a command of which all output must be text that only shows."""
        self.monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        result = self.narrows(*arguments)
        assert result.code == code, result.err
        for text in (result.out, result.err):
            assert "Traceback" not in text
            odd = {one for one in text.replace("\r\033[K", "\n") if not one.isprintable() and one != "\n"}
            assert not odd, (odd, text)
        return result


@pytest.fixture
def screen(shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Screen:
    monkeypatch.chdir(shop)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(Console, "size", property(lambda console: ConsoleDimensions(2000, 50)))
    return Screen(in_process(monkeypatch, capsys), monkeypatch)


def assert_all_shown(text: str) -> None:
    assert [name for name in SHOWN if name not in text] == [], text


def test_every_command_shows_odd_names_as_text(screen: Screen, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run through everything: the folder is that of an operator whose historian names things as it likes."""
    trained = screen("train", "--data", HISTORY, *QUICK)
    assert [name for name in SHOWN[:8] if name not in trained.out] == []
    assert_all_shown(screen("models", "show").out)
    screen("models", "list")
    replayed = screen("replay", "--data", NEWER)
    assert_all_shown(replayed.out)
    compared = screen("replay", "--data", NEWER, "--bundle", "candidate", "--against", "production")
    assert_all_shown(compared.out)
    measured = screen("evaluate", "--data", "two.parquet", "--report", "page [i].html")
    assert all(name in measured.out for name in SHOWN[2:4])
    page = Page((shop / "page [i].html").read_text())
    assert_all_shown(" ".join(" ".join(page.text).split()))
    assert not [tag for tag in page.seen if tag in ("script", "bold")]
    screen("recalibrate", "--data", NEWER, "--dry-run", code=4)
    reason = " ".join(NAMES[:6])
    screen("models", "amend", "--set", "rules.close_after=9", "--reason", reason)
    screen("models", "promote", "candidate", "--reason", reason)
    assert printable(reason) in screen("models", "history").out
    screen("models", "diff", "candidate", "production")
    screen("models", "rollback", "--reason", reason)


def test_what_people_say_of_alerts_is_shown_as_text(screen: Screen, shop: Path) -> None:
    alerts = [incident_view(name, 0, 9, alert_id=name, sensors=[share(name, 1.0, 2.0, 1.0)]) for name in NAMES]
    said = [Feedback(f"{name}!", "false", by=name, note=name) for name in NAMES]
    (shop / "alerts.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, alerts)))
    (shop / "said.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, said)))
    report = screen("feedback", "report", "--feedback", "said.jsonl", "--alerts", "alerts.jsonl")
    assert [name for name in SHOWN if report.out.count(name) < 2] == []
    given = screen("feedback", NAMES[4], "false", "--note", NAMES[5], "--file", "given.jsonl", "--unchecked")
    assert SHOWN[4] in given.out


def test_a_guessed_configuration_holds_odd_names_and_can_be_used(screen: Screen) -> None:
    guessed = screen("init", "--from-file", HISTORY, "-o", "guessed [i].yaml")
    assert_all_shown(guessed.out.replace("\\x1b", "?").replace("\\n", "?").replace("\\u200f", "?"))
    assert screen("config", "check", "-c", "guessed [i].yaml").out == "guessed [i].yaml: no faults\n"
    screen("config", "show", "-c", "guessed [i].yaml")


@pytest.mark.parametrize("name", NAMES)
def test_an_error_names_what_is_odd_on_a_line_of_text(screen: Screen, name: str) -> None:
    failed = screen("train", "--data", f"{name[:60]}.parquet", code=1)
    assert printable(name)[:30].strip() in failed.err
    assert failed.err.count("\n") == 1


@pytest.mark.parametrize("fault", [MarkupError("closing tag"), OSError(28, "No space left"), MemoryError()])
def test_a_failure_in_showing_is_a_warning_where_the_work_is_done(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """The bundle is published and production moved: exit 0, and a line that names the error."""

    def broken(result: object) -> None:
        raise fault

    monkeypatch.setattr(models_screen, "show_outcome", broken)
    promoted = screen("models", "promote", "production", "--reason", "again")
    (warning,) = [line for line in promoted.err.splitlines() if line.startswith("warning: ")]
    assert "production points to" in warning
    assert f"cannot be shown ({type(fault).__name__} at test_screens.py:" in warning


def test_a_reader_that_is_gone_fails_no_command_whose_work_is_done(tmp_path: Path) -> None:
    """A command that only shows ends with 1, without a traceback."""
    plain_bundle(tmp_path / "registry")
    for words, code in ((["models", "promote", "production", "--json"], 0), (["models", "show"], 1)):
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, "-m", "stream", *words, "--set", "detector=plain"]
        done = subprocess.run(command, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
        os.close(writer)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        assert ("warning: production points to" in done.stderr) == (code == 0)
