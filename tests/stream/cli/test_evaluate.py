"""The command `narrows evaluate`: table, JSON, page, exit codes."""

import json
import sys
from pathlib import Path

import pytest

from stream.cli import app as cli
from tests.support.plain_bundle import labelled_rows, normal_rows, plain_bundle

TOPS = {
    "data", "label", "bundle", "version", "detector", "threshold", "readings", "frames", "unscored", "events",
    "labelled_events", "by_length", "grace_frames", "detectors", "floors", "promise", "curve", "alerts", "accounts",
    "notes",
}  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a registry and data, in which the command runs."""
    plain_bundle(tmp_path / "registry")
    labelled_rows().to_parquet(tmp_path / "rows.parquet", index=False)
    labelled_rows().drop(columns="anomaly").to_parquet(tmp_path / "bare.parquet", index=False)
    normal_rows().to_parquet(tmp_path / "history.parquet", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def narrows(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `narrows evaluate`, run here."""
    monkeypatch.setattr(sys, "argv", ["narrows", "evaluate", "--set", "detector=plain", *arguments])
    with pytest.raises(SystemExit, match=r"^\d*$|None") as caught:
        cli.main()
    return int(caught.value.code or 0)


def test_the_command_prints_a_table_or_json_and_writes_the_page_where_asked_to(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert narrows(monkeypatch, "--data", "rows.parquet", "--fit", "history.parquet") == 0
    table = capsys.readouterr().out
    for word in ("narrows", "isolation forest", "VUS-PR", "by series"):
        assert word in table
    assert narrows(monkeypatch, "--data", "rows.parquet", "--json", "--report", "new/page.html") == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said) == TOPS
    assert (shop / "new" / "page.html").read_text().startswith("<!DOCTYPE html>")


FAULTS = {
    "no labels": (["--data", "bare.parquet"], 1, "no column of labels"),
    "no such column": (["--data", "rows.parquet", "--set", "input.label=fault"], 1, "'fault', configured as label"),
    "no data": (["--data", "none.parquet"], 1, "none.parquet"),
    "no history": (["--data", "rows.parquet", "--fit", "none.parquet"], 1, "none.parquet"),
    "no bundle": (["--data", "rows.parquet", "--bundle", "candidate"], 1, "no 'candidate' bundle"),
    "configuration": (["--data", "rows.parquet", "--set", "frames.clip=-1"], 2, "frames.clip"),
    "no --data": ([], 2, "--data"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_wrong_has_an_exit_code_and_a_reason_on_stderr(
    fault: str, shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, code, reason = FAULTS[fault]
    assert narrows(monkeypatch, *arguments) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert reason in said.err
