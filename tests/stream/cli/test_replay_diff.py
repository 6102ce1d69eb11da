"""`narrows replay --against`: the same rows through two bundles, whatever the two have in common."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Result, in_process
from tests.support.plain_bundle import MINUTE, labelled_rows, plain_bundle


class Replays:
    """`narrows replay` in a folder with rows of three series, and bundles of which each gave its version."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        monkeypatch.chdir(folder)
        self._narrows = in_process(monkeypatch, capsys)
        labelled_rows().to_parquet("rows.parquet", index=False)

    def bundle(self, **changes: Any) -> str:
        return plain_bundle(Path("registry"), **changes).manifest.version

    def __call__(self, bundle: str, against: str, *more: str) -> Result:
        arguments = ["replay", "--data", "rows.parquet", "--set", "detector=plain", "--set", "input.label=anomaly"]
        return self._narrows(*arguments, "--bundle", bundle, "--against", against, *more)


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Replays:
    return Replays(monkeypatch, capsys, tmp_path)


def test_a_bundle_against_itself_changes_nothing(replays: Replays) -> None:
    version = replays.bundle()
    result = replays(version, "production")
    assert (result.code, [change["change"] for change in result.lines]) == (0, ["unchanged", "unchanged"])
    assert f"{version} -> {version}: 0 gone, 0 new, 0 moved, 2 unchanged" in result.err
    document = replays(version, "production", "--json").data
    assert document["all"]["before"] == document["all"]["after"]
    assert document["changes"] == result.lines
    names = (
        "ignored",
        "dead",
        "used",
        "late",
        "duplicate",
        "unconfirmed",
        "scored",
        "warming",
        "degraded",
        "off",
        "disagreeing",
    )
    assert tuple(document["before"]["counts"]) == tuple(document["after"]["counts"]) == (*names, "received")


def test_a_longer_window_that_is_still_warming_misses_what_the_other_told_and_the_counts_say_why(
    replays: Replays,
) -> None:
    short, long = replays.bundle(), replays.bundle(window=60)
    document = replays(long, short, "--json").data
    assert [change["change"] for change in document["changes"]] == ["gone", "unchanged"]
    gone = document["changes"][0]
    assert (gone["series"], gone["before"][0]["peak_score"], gone["after"]) == ("a", 4.0, [])
    (row,) = document["series"]
    assert (row["series"], row["gone"], row["unchanged"]) == ("a", 1, 1)
    assert (row["before"]["alerts"], row["after"]["alerts"]) == (2, 1)
    assert (document["before"]["version"], document["after"]["version"]) == (short, long)
    assert document["after"]["counts"]["warming"] > document["before"]["counts"]["warming"] == 0
    back = replays(short, long).lines
    assert [change["change"] for change in back] == ["new", "unchanged"]


def test_fewer_sensors_and_other_ticks_are_compared_all_the_same(replays: Replays) -> None:
    """With ticks of five minutes an alert begins with its tick, and ends with one."""
    both = replays.bundle()
    one = replays.bundle(sensors=("s1",))
    ticks = replays.bundle(resample="mean", interval_ns=5 * MINUTE, close_complete=False)
    assert [change["change"] for change in replays(one, both).lines] == ["unchanged", "unchanged"]
    moved = replays(ticks, both).lines[0]
    assert moved["change"] == "moved"
    assert moved["before"][0]["started_at"] == "2023-11-14T22:56:00Z"
    assert moved["after"][0]["started_at"] == "2023-11-14T22:55:00Z"


def test_a_bundle_that_cannot_score_the_rows_is_named(replays: Replays) -> None:
    fits, other = replays.bundle(), replays.bundle(sensors=("s0", "torque"))
    for result, named in ((replays(fits, other), f"--against {other}: "), (replays(other, fits), "rows.parquet: has")):
        assert (result.code, result.out) == (1, "")
        assert named in result.err
        assert "missing ['torque']: take data with these columns, or train on these data" in result.err


def test_on_a_terminal_people_read_a_table(replays: Replays, monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = replays.bundle(), replays.bundle(window=60)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    text = re.sub(r"\x1b\[[\d;]*m", "", replays(long, short).out)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == f"{short} -> {long}"
    assert "a 1 0 0 1 2 -> 1 2 medium -> 1 medium 4" in lines
    assert lines[-1] == "gone a 2023-11-14 22:56, 8 min, medium 4 - s0, s1"
