"""`narrows replay`: Parquet through the line that scores a topic, whatever the batches, with nothing unaccounted."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator
from numpy.typing import NDArray

from stream.cli import app as cli
from stream.counters import Count
from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.outcome import Verdict
from stream.errors import BundleError, ConfigError
from stream.events.alert import Alert, alert_schema
from stream.events.record import encode
from stream.intake.parquet import Hints
from stream.registry.registry import Registry
from stream.replay import ReplayResult, layout_for, replay
from tests.conftest import ROOT
from tests.support.builders import SECOND, START, a_definition, a_policy, a_rules, a_spec, publish, readings

ROWS = 500
RULES = a_rules(close_after=2, close_ratio=0.9, update_every_ns=20 * SECOND, max_duration_ns=60 * SECOND)
MODELS = {
    "dense, K=1": {"kind": "dense", "members": 1},
    "dense, K=5": {"kind": "dense", "members": 5},
    "conv, K=1": {"kind": "conv", "members": 1},
    "conv, K=5": {"kind": "conv", "members": 5},
}
POLICIES = {
    "wide": a_policy(max_carry=2),
    "on ticks": a_policy(
        interval_ns=2 * SECOND,
        resample="mean",
        grace_ns=SECOND,
        max_gap_ns=8 * SECOND,
        max_missing=1,
        close_complete=False,
    ),
}


@dataclass(frozen=True)
class Rows:
    """What the file holds: three series, one of them unheard of, gaps, holes, late and repeated rows, trouble."""

    series: list[str]
    time: NDArray[np.int64]
    values: NDArray[np.float64]

    def table(self) -> pa.Table:
        columns = {f"s{i}": self.values[:, i] for i in range(self.values.shape[1])}
        return pa.table({"time": pa.array(self.time, pa.timestamp("ns", "UTC")), "series": self.series} | columns)

    def write(self, path: Path) -> Path:
        pq.write_table(self.table(), path)
        return path


def rows(seed: int = 0) -> Rows:
    draw = np.random.default_rng(seed)
    series = draw.choice(["a", "b", "new"], ROWS).tolist()
    steps = draw.choice([0, 1, 2, 7, -2], ROWS, p=[0.05, 0.84, 0.05, 0.03, 0.03])
    clock = dict.fromkeys(("a", "b", "new"), START)
    time = np.zeros(ROWS, np.int64)
    for i, name in enumerate(series):
        clock[name] += int(steps[i]) * SECOND
        time[i] = clock[name]
    values = draw.normal(size=(ROWS, 2))
    values[draw.random((ROWS, 2)) < 0.1] = np.nan
    values[draw.random(ROWS) < 0.1] += 6.0
    return Rows(series, time, values)


def a_detector(model: str = "dense, K=1", policy: str = "wide") -> Definition:
    return a_definition(a_spec(**MODELS[model]), POLICIES[policy], RULES, q=1.5)


def replayed(
    definition: Definition, data: Path, scores: Path | None = None, **more: Any
) -> tuple[ReplayResult, list[dict[str, Any]]]:
    """What came of a replay, and its alerts but for the wall clock in them."""
    told: list[Alert] = []
    done = replay(definition, data, layout_for(data, Hints(), definition), told.append, scores, **more)
    return done, [json.loads(encode(msgspec.structs.replace(one, observed_at=""))) for one in told]


@pytest.mark.parametrize(
    ("model", "policy"), [*((model, "wide") for model in MODELS), ("dense, K=1", "on ticks"), ("conv, K=5", "on ticks")]
)
def test_batches_of_any_size_give_the_same_alerts_and_scores_to_the_bit(
    model: str, policy: str, tmp_path: Path
) -> None:
    definition, data = a_detector(model, policy), rows().write(tmp_path / "rows.parquet")
    outcomes = []
    for size in (1, 7, 512, 8192):
        done, alerts = replayed(definition, data, tmp_path / f"{size}.parquet", batch_rows=size)
        table = pq.read_table(tmp_path / f"{size}.parquet")
        columns = [
            column.to_numpy().tobytes() if pa.types.is_floating(column.type) else column.to_pylist()
            for column in table.columns
        ]
        outcomes.append((done, alerts, columns))
    assert outcomes[1:] == outcomes[:-1]
    assert {alert["state"] for alert in outcomes[0][1]} == {"opened", "updated", "resolved"}


@pytest.mark.parametrize("policy", POLICIES)
def test_replay_says_what_the_detector_says_of_the_same_readings(policy: str, tmp_path: Path) -> None:
    given, definition = rows(1), a_detector("dense, K=5", policy)
    _, alerts = replayed(definition, given.write(tmp_path / "rows.parquet"), tmp_path / "scores.parquet")
    outcome = Detector(definition).push(readings(given.series, given.time, given.values))
    told = [(e.alert_id, e.sequence, e.state, e.series, e.score, e.peak_score, e.row) for e in outcome.events]
    keys = ("alert_id", "sequence", "state", "series", "score", "peak_score")
    assert [(*(alert[key] for key in keys), alert["source"]["offset"]) for alert in alerts] == told
    v = outcome.verdicts
    frames = pq.read_table(tmp_path / "scores.parquet")
    assert frames["series"].to_pylist() == [v.names[slot] for slot in v.series.tolist()]
    assert frames["time"].cast(pa.int64()).to_pylist() == v.time.tolist()
    assert frames["verdict"].to_pylist() == [Verdict(kind).name.lower() for kind in v.verdict]
    for name in ("score", "level", "error", "disagreement"):
        np.testing.assert_array_equal(frames[name].to_numpy(), getattr(v, name))
    assert frames["imputed"].to_pylist() == v.imputed.tolist()
    assert frames["row"].to_pylist() == v.row.tolist()


def test_the_verdicts_have_a_row_per_frame_and_the_documented_columns(tmp_path: Path) -> None:
    done, _ = replayed(a_detector(), rows().write(tmp_path / "rows.parquet"), tmp_path / "new folder" / "s.parquet")
    table = pq.read_table(tmp_path / "new folder" / "s.parquet")
    assert table.column_names == [
        "series", "time", "verdict", "score", "level", "error", "disagreement", "imputed", "row",
    ]  # fmt: skip
    assert table.schema.field("time").type == pa.timestamp("ns", "UTC")
    frames = {name: done.counts[Count(name)] for name in ("scored", "warming", "degraded", "off")}
    assert table.num_rows == sum(frames.values()) == done.counts[Count.USED], "wide: a frame per reading that is used"
    seen = table["verdict"].to_pylist()
    assert {name: seen.count(name) for name in frames} == frames
    assert min(frames["scored"], frames["warming"], frames["degraded"]) > 0
    scored = np.array(seen) == "scored"
    assert (table["score"].is_valid().to_numpy() == scored).all(), "a score where there is one, null elsewhere"
    score, level = (table[name].to_numpy()[scored] for name in ("score", "level"))
    assert np.isfinite(score).all()
    assert len(np.unique(np.round(level / score, 12))) == 3, "one threshold per series"


@pytest.mark.parametrize("policy", POLICIES)
def test_every_row_of_the_file_is_accounted_for(policy: str, tmp_path: Path) -> None:
    table = rows().table()
    gone = pa.array(np.arange(ROWS) % 50 == 7)
    undated = pa.compute.if_else(gone, pa.scalar(None, table["time"].type), table["time"])
    pq.write_table(table.set_column(0, "time", undated), tmp_path / "rows.parquet")
    done, _ = replayed(a_detector(policy=policy), tmp_path / "rows.parquet")
    fates = {name: done.counts[Count(name)] for name in ("used", "late", "duplicate", "ignored", "dead")}
    assert done.counts[Count.RECEIVED] == sum(fates.values()) == ROWS
    assert fates["dead"] == 10
    assert min(fates["used"], fates["late"], fates["duplicate"]) > 0


def test_series_that_are_refused_online_are_refused_here(tmp_path: Path) -> None:
    data, known = rows().write(tmp_path / "rows.parquet"), frozenset({"a", "b"})
    everything, alerts = replayed(a_detector(), data)
    done, kept = replayed(a_detector(), data, tmp_path / "s.parquet", known=known)
    assert kept == [alert for alert in alerts if alert["series"] in known]
    assert done.counts[Count.DEAD] == rows().series.count("new")
    assert done.counts[Count.RECEIVED] == everything.counts[Count.RECEIVED] == ROWS
    assert set(pq.read_table(tmp_path / "s.parquet")["series"].to_pylist()) == known


def long_of(table: pa.Table) -> pa.Table:
    wide = table.to_pandas().reset_index()
    long = wide.melt(["index", "time", "series"], var_name="sensor", value_name="value")
    return pa.Table.from_pandas(long.sort_values(["index", "sensor"]).drop(columns="index"), preserve_index=False)


def test_long_data_give_the_alerts_of_wide_data(tmp_path: Path) -> None:
    given = rows()
    whole = Rows(given.series, given.time, np.nan_to_num(given.values))
    pq.write_table(long_of(whole.table()), tmp_path / "long.parquet")
    definition = a_definition(a_spec(), a_policy(resample="last"), RULES, q=1.5)
    _, wide = replayed(definition, whole.write(tmp_path / "wide.parquet"))
    done, long = replayed(definition, tmp_path / "long.parquet")
    assert [(a["alert_id"], a["sequence"], a["score"]) for a in long] == [
        (a["alert_id"], a["sequence"], a["score"]) for a in wide
    ]
    assert done.counts[Count.RECEIVED] == 2 * ROWS


def test_sensors_of_other_bundles_in_long_data_are_ignored_and_counted(tmp_path: Path) -> None:
    table = long_of(rows().table().append_column("s2", pa.array(np.ones(ROWS))))
    pq.write_table(table, tmp_path / "long.parquet")
    done, _ = replayed(a_definition(a_spec(), a_policy(resample="last")), tmp_path / "long.parquet")
    assert done.counts[Count.IGNORED] == ROWS
    assert done.counts[Count.RECEIVED] == 3 * ROWS


MISFITS: dict[str, tuple[Callable[[pa.Table], pa.Table], Definition, str]] = {
    "a column is missing": (
        lambda table: table.drop_columns("s1"), a_definition(),
        r"has sensors \['s0'\], the bundle was trained on \['s0', 's1'\]; missing \['s1'\]: take data with",
    ),
    "long data, too few of the sensors": (
        lambda table: long_of(table.drop_columns("s1")), a_definition(policy=a_policy(resample="last")),
        r"missing \['s1'\]",
    ),
    "long data, whole frames expected": (
        long_of, a_definition(), "one sensor each, but the bundle was trained on whole frames",
    ),
}  # fmt: skip


@pytest.mark.parametrize("misfit", MISFITS)
def test_data_that_do_not_fit_the_bundle_are_refused_before_a_row_is_read(misfit: str, tmp_path: Path) -> None:
    change, definition, reason = MISFITS[misfit]
    pq.write_table(change(rows().table()), tmp_path / "rows.parquet")
    with pytest.raises(BundleError, match=reason):
        layout_for(tmp_path / "rows.parquet", Hints(), definition)


def test_long_data_may_lack_a_sensor_that_the_frames_may_lack(tmp_path: Path) -> None:
    pq.write_table(long_of(rows().table().drop_columns("s1")), tmp_path / "rows.parquet")
    definition = a_definition(a_spec(), a_policy(resample="last", max_missing=1))
    done, _ = replayed(definition, tmp_path / "rows.parquet")
    assert done.counts[Count.SCORED] > 0


def test_the_verdicts_must_not_go_where_the_data_are(tmp_path: Path) -> None:
    data = rows().write(tmp_path / "rows.parquet")
    before = data.read_bytes()
    with pytest.raises(ConfigError, match="is the file to be read; name another"):
        replayed(a_detector(), data, tmp_path / "." / "rows.parquet")
    assert data.read_bytes() == before


# The command.


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a registry and data, in which commands run."""
    publish(tmp_path / "registry", a_detector())
    rows().write(tmp_path / "rows.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def narrows(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of the command, run here."""
    monkeypatch.setattr(sys, "argv", ["narrows", "replay", "--set", "detector=test", *arguments])
    with pytest.raises(SystemExit, match=r"^\d*$|None") as caught:
        cli.main()
    return int(caught.value.code or 0)


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


def test_series_that_training_has_not_seen_and_readings_that_were_lost_are_told_of(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where the column of series was not found, and all assets became one that is named like the file."""
    times = pd.to_datetime(np.repeat(np.arange(60), 3) * 60_000_000_000, utc=True)
    pd.DataFrame({"time": times, "s0": 1.0, "s1": 2.0}).to_parquet("newer.parquet")
    assert narrows(monkeypatch, "--data", "newer.parquet") == 0
    told = capsys.readouterr().err
    assert "warning: 1 of 1 series were not in training, 'newer' for one" in told
    assert "warning: 120 of 180 readings are late or duplicate; does `input.series` name the asset?" in told


def on_a_terminal(folder: Path, *arguments: str) -> str:
    """What `narrows replay` prints on a terminal of 200 columns, without colours."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "stream", "replay", "--data", "rows.parquet", "--set", "detector=test"]
    environment = {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "200", "LANG": "C.UTF-8"}
    with subprocess.Popen([*command, *arguments], cwd=folder, stdout=slave, stderr=DEVNULL, env=environment) as process:
        os.close(slave)
        printed = b"".join(pieces(master))
    assert process.returncode == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", printed.decode()).replace("\r\n", "\n")


def pieces(terminal: int) -> Iterator[bytes]:
    """What comes until the other side is closed, which Linux tells by an error and macOS by nothing."""
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


def test_a_bundle_may_be_named_by_its_folder_its_version_or_an_alias(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (version,) = Registry(shop / "registry").versions("test")
    (shop / "production").mkdir()  # a folder of that name here does not hide the alias
    for name in (f"registry/test/versions/{version}", version, "production"):
        assert narrows(monkeypatch, "--data", "rows.parquet", "--bundle", name) == 0
        said = capsys.readouterr()
        assert f"bundle {version} of test, 2 sensors" in said.err
        assert {json.loads(line)["model_version"] for line in said.out.splitlines()} == {version}


@pytest.mark.parametrize("answers", [None, "some files", "all"])
def test_the_column_of_labels_that_training_needs_need_not_be_there_and_is_not_used(
    answers: str | None, shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The configuration is that of the training; newer data have no answers yet, or only here and there."""
    table = rows().table()
    labelled = table.append_column("fault", pa.array(np.ones(ROWS, np.int8)))
    pieces = table if answers is None else labelled, labelled if answers == "all" else table
    (shop / "new").mkdir()
    for number, piece in enumerate(pieces):
        pq.write_table(piece.slice(number * ROWS // 2, ROWS // 2), shop / "new" / f"{number}.parquet")
    assert narrows(monkeypatch, "--data", "new", "--set", "input.label=fault") == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert narrows(monkeypatch, "--data", "rows.parquet") == 0
    plain = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert plain
    assert [(one["alert_id"], one["score"]) for one in told] == [(one["alert_id"], one["score"]) for one in plain]


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
def test_what_goes_wrong_has_an_exit_code_and_a_reason_on_stderr(
    fault: str, shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, code, reason = FAULTS[fault]
    assert narrows(monkeypatch, *arguments) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert reason in said.err


def test_an_altered_bundle_is_refused(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (weights,) = shop.glob("registry/test/versions/*/weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    assert narrows(monkeypatch, "--data", "rows.parquet") == 1
    assert "altered; take a fresh copy" in capsys.readouterr().err
