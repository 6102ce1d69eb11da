"""`narrows replay`: its output to a pipe and to a terminal, its exit codes, its warnings."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from subprocess import DEVNULL

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator

from stream.events.alert import alert_schema
from stream.registry.registry import Registry
from tests.conftest import ROOT
from tests.support.builders import publish
from tests.support.commands import Narrows, in_process
from tests.support.replayed_rows import ROWS, a_detector, replayed, rows


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a registry and data, in which commands run."""
    publish(tmp_path / "registry", a_detector())
    rows().write(tmp_path / "rows.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def narrows(shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Narrows:
    """Runs `narrows replay` in the folder of `shop`."""
    return partial(in_process(monkeypatch, capsys), "replay", "--set", "detector=test")


def test_the_command_prints_alerts_that_fit_the_schema_as_json_lines_and_nothing_else(shop: Path) -> None:
    command = [sys.executable, "-m", "stream", "replay", "--data", "rows.parquet", "--set", "detector=test"]
    done = subprocess.run(command, cwd=shop, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    alerts = [json.loads(line) for line in done.stdout.splitlines()]
    schema = Draft202012Validator(alert_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)
    for alert in alerts:
        schema.validate(alert)
        alert["observed_at"] = ""
    data = Path("rows.parquet")
    (version,) = Registry(shop / "registry").versions("test")
    expected = replayed(a_detector(), data)[1]
    assert [alert | {"model_version": version} for alert in expected] == alerts
    assert f"{len(alerts)} alert events" in done.stderr
    assert "received 500" in done.stderr


def test_series_that_training_has_not_seen_and_readings_that_were_lost_are_told_of(narrows: Narrows) -> None:
    """There is no column of series, and every reading comes three times."""
    times = pd.date_range("2026-03-02", periods=60, freq="min", tz="UTC").repeat(3)
    pd.DataFrame({"time": times, "s0": 1.0, "s1": 2.0}).to_parquet("newer.parquet")
    result = narrows("--data", "newer.parquet")
    assert result.code == 0
    assert "warning: 1 of 1 series were not in training, 'newer' for one" in result.err
    assert (
        "warning: 120 of 180 readings are left out: 0 late, 120 duplicate, as if they had been handed over twice"
        in result.err
    )


def test_assets_that_would_become_one_series_are_refused_before_an_alert(narrows: Narrows) -> None:
    """As in training: the column of series is absent, and the assets measure differently at the same times."""
    times = pd.date_range("2026-03-02", periods=60, freq="min", tz="UTC").repeat(3)
    pd.DataFrame({"time": times, "s0": np.arange(180.0), "s1": 2.0}).to_parquet("newer.parquet")
    result = narrows("--data", "newer.parquet")
    assert (result.code, result.out) == (1, "")
    assert "120 have the time of another reading of their series but other values" in result.err
    assert "set `input.series` to the column that names the asset" in result.err


def on_a_terminal(folder: Path, *arguments: str) -> str:
    """The output of `narrows replay` on a terminal of 200 columns, without colours."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "stream", "replay", "--data", "rows.parquet", "--set", "detector=test"]
    environment = {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "200", "LANG": "C.UTF-8"}
    with subprocess.Popen([*command, *arguments], cwd=folder, stdout=slave, stderr=DEVNULL, env=environment) as process:
        os.close(slave)
        printed = b"".join(pieces(master))
    assert process.returncode == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", printed.decode()).replace("\r\n", "\n")


def pieces(terminal: int) -> Iterator[bytes]:
    """Reads until the other side is closed; then Linux raises an error and macOS returns nothing."""
    with contextlib.suppress(OSError), open(terminal, "rb", buffering=0) as stream:
        while piece := stream.read(65_536):
            yield piece


def test_on_a_terminal_the_incidents_are_a_table_and_json_lines_where_asked_for(shop: Path) -> None:
    alerts = replayed(a_detector(), shop / "rows.parquet")[1]
    newest = {alert["alert_id"]: alert for alert in alerts}
    title, *table = on_a_terminal(shop).splitlines()
    assert title.rstrip() == f"{len(newest)} incidents"
    cells = [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in table if line.startswith(("│", "┃"))]
    assert cells[0] == ["series", "state", "severity", "started", "lasted", "peak", "sensors"]
    expected = sorted(newest.values(), key=lambda alert: (alert["started_at"], alert["series"]))
    assert [tuple(row[:3]) for row in cells[1:]] == [(a["series"], a["state"], a["severity"]) for a in expected]
    lines = [json.loads(line) for line in on_a_terminal(shop, "--json").splitlines()]
    assert [(line["alert_id"], line["sequence"]) for line in lines] == [(a["alert_id"], a["sequence"]) for a in alerts]


def test_a_bundle_may_be_named_by_its_folder_its_version_or_an_alias(shop: Path, narrows: Narrows) -> None:
    (version,) = Registry(shop / "registry").versions("test")
    (shop / "production").mkdir()  # a folder of that name here does not hide the alias
    for name in (f"registry/test/versions/{version}", version, "production"):
        result = narrows("--data", "rows.parquet", "--bundle", name)
        assert result.code == 0
        assert f"bundle {version} of test, 2 sensors" in result.err
        assert {line["model_version"] for line in result.lines} == {version}


@pytest.mark.parametrize("answers", [None, "some files", "all"])
def test_the_column_of_labels_that_training_needs_need_not_be_there_and_is_not_used(
    answers: str | None, shop: Path, narrows: Narrows
) -> None:
    """The configuration is that of the training; newer data have no answers yet, or only here and there."""
    table = rows().table()
    labelled = table.append_column("fault", pa.array(np.ones(ROWS, np.int8)))
    pieces = table if answers is None else labelled, labelled if answers == "all" else table
    (shop / "new").mkdir()
    for number, piece in enumerate(pieces):
        pq.write_table(piece.slice(number * ROWS // 2, ROWS // 2), shop / "new" / f"{number}.parquet")
    labelled_result = narrows("--data", "new", "--set", "input.label=fault")
    result = narrows("--data", "rows.parquet")
    assert (labelled_result.code, result.code) == (0, 0)
    assert result.lines
    assert [(alert["alert_id"], alert["score"]) for alert in labelled_result.lines] == [
        (alert["alert_id"], alert["score"]) for alert in result.lines
    ]


FAULTS = {
    "no data": (["--data", "none.parquet"], 1, "none.parquet"),
    "no bundle": (
        ["--data", "rows.parquet", "--bundle", "20250101T000000Z-00000000"],
        1,
        "no '20250101T000000Z-00000000' bundle; ",
    ),
    "no candidate": (["--data", "rows.parquet", "--bundle", "candidate"], 1, "no 'candidate' bundle"),
    "another detector": (["--data", "rows.parquet", "--set", "detector=other"], 1, "train one with `narrows train`"),
    "configuration": (["--data", "rows.parquet", "--set", "frames.clip=-1"], 2, "frames.clip"),
    "a sensor is not configured": (["--data", "rows.parquet", "--set", "input.sensors=[s0]"], 1, r"lacks ['s1']"),
    "long": (["--data", "rows.parquet", "--set", "input.format=long"], 1, "trained on whole frames"),
    "no --data": ([], 2, "--data"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_wrong_has_an_exit_code_and_a_reason_on_stderr(fault: str, narrows: Narrows) -> None:
    arguments, code, reason = FAULTS[fault]
    result = narrows(*arguments)
    assert (result.code, result.out) == (code, "")
    assert reason in result.err


def test_an_altered_bundle_is_refused(shop: Path, narrows: Narrows) -> None:
    (weights,) = shop.glob("registry/test/versions/*/weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    result = narrows("--data", "rows.parquet")
    assert result.code == 1
    assert "altered; take a fresh copy" in result.err
