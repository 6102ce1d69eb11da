"""Replay of Parquet: the alerts and scores of a topic, with batches of any size, and every row is accounted for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream.counters import Count
from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.outcome import Verdict
from stream.errors import BundleError, ConfigError
from stream.intake.tables.reader import Hints
from stream.replay import layout_for
from tests.support.builders import SECOND, START, a_definition, a_policy, a_spec, readings
from tests.support.replayed_rows import MODELS, POLICIES, ROWS, RULES, Rows, a_detector, replayed, rows


@pytest.mark.parametrize(
    ("model", "policy"), [*((model, "wide") for model in MODELS), ("dense, K=1", "on ticks"), ("conv, K=5", "on ticks")]
)
def test_batches_of_any_size_give_the_same_alerts_and_scores_to_the_bit(
    model: str, policy: str, tmp_path: Path
) -> None:
    definition, data = a_detector(model, policy), rows().write(tmp_path / "rows.parquet")
    outcomes = []
    for size in (1, 7, 512, 8192):
        result, alerts = replayed(definition, data, tmp_path / f"{size}.parquet", batch_rows=size)
        table = pq.read_table(tmp_path / f"{size}.parquet")
        columns = [
            column.to_numpy().tobytes() if pa.types.is_floating(column.type) else column.to_pylist()
            for column in table.columns
        ]
        outcomes.append((result, alerts, columns))
    assert outcomes[1:] == outcomes[:-1]
    assert {alert["state"] for alert in outcomes[0][1]} == {"opened", "updated", "resolved"}


@pytest.mark.parametrize("policy", POLICIES)
def test_replay_says_what_the_detector_says_of_the_same_readings(policy: str, tmp_path: Path) -> None:
    given, definition = rows(1), a_detector("dense, K=5", policy)
    _, alerts = replayed(definition, given.write(tmp_path / "rows.parquet"), tmp_path / "scores.parquet")
    outcome = Detector(definition).push(readings(given.series, given.time, given.values))
    expected = [(e.alert_id, e.sequence, e.state, e.series, e.score, e.peak_score, e.row) for e in outcome.events]
    keys = ("alert_id", "sequence", "state", "series", "score", "peak_score")
    assert [(*(alert[key] for key in keys), alert["source"]["offset"]) for alert in alerts] == expected
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
    result, _ = replayed(a_detector(), rows().write(tmp_path / "rows.parquet"), tmp_path / "new folder" / "s.parquet")
    table = pq.read_table(tmp_path / "new folder" / "s.parquet")
    assert table.column_names == [
        "series", "time", "verdict", "score", "level", "error", "disagreement", "imputed", "row",
    ]  # fmt: skip
    assert table.schema.field("time").type == pa.timestamp("ns", "UTC")
    frames = {name: result.counts[Count(name)] for name in ("scored", "warming", "degraded", "off")}
    assert table.num_rows == sum(frames.values()) == result.counts[Count.USED], "wide: a frame per reading that is used"
    verdicts = table["verdict"].to_pylist()
    assert {name: verdicts.count(name) for name in frames} == frames
    assert min(frames["scored"], frames["warming"], frames["degraded"]) > 0
    scored = np.array(verdicts) == "scored"
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
    result, _ = replayed(a_detector(policy=policy), tmp_path / "rows.parquet")
    fates = {
        name: result.counts[Count(name)] for name in ("used", "late", "duplicate", "ignored", "dead", "unconfirmed")
    }
    assert result.counts[Count.RECEIVED] == sum(fates.values()) == ROWS
    assert fates["dead"] == 10
    assert min(fates["used"], fates["late"], fates["duplicate"]) > 0


def test_series_that_are_refused_online_are_refused_here(tmp_path: Path) -> None:
    data, known = rows().write(tmp_path / "rows.parquet"), frozenset({"a", "b"})
    everything, alerts = replayed(a_detector(), data)
    result, of_known = replayed(a_detector(), data, tmp_path / "s.parquet", known=known)
    assert of_known == [alert for alert in alerts if alert["series"] in known]
    assert result.counts[Count.DEAD] == rows().series.count("new")
    assert result.counts[Count.RECEIVED] == everything.counts[Count.RECEIVED] == ROWS
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
    result, long = replayed(definition, tmp_path / "long.parquet")
    assert [(a["alert_id"], a["sequence"], a["score"]) for a in long] == [
        (a["alert_id"], a["sequence"], a["score"]) for a in wide
    ]
    assert result.counts[Count.RECEIVED] == 2 * ROWS


def test_sensors_of_other_bundles_in_long_data_are_ignored_and_counted(tmp_path: Path) -> None:
    table = long_of(rows().table().append_column("s2", pa.array(np.ones(ROWS))))
    pq.write_table(table, tmp_path / "long.parquet")
    result, _ = replayed(a_definition(a_spec(), a_policy(resample="last")), tmp_path / "long.parquet")
    assert result.counts[Count.IGNORED] == ROWS
    assert result.counts[Count.RECEIVED] == 3 * ROWS


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
    result, _ = replayed(definition, tmp_path / "rows.parquet")
    assert result.counts[Count.SCORED] > 0


def test_the_verdicts_must_not_go_where_the_data_are(tmp_path: Path) -> None:
    data = rows().write(tmp_path / "rows.parquet")
    before = data.read_bytes()
    with pytest.raises(ConfigError, match="is the file to be read; name another"):
        replayed(a_detector(), data, tmp_path / "." / "rows.parquet")
    assert data.read_bytes() == before


def test_a_clock_that_was_set_back_in_a_file_is_told_with_its_row(tmp_path: Path) -> None:
    seconds = np.concatenate([np.arange(2500) + 3600, np.arange(24)])
    given = Rows(["a"] * len(seconds), START + seconds * SECOND, np.zeros((len(seconds), 2)))
    result, _ = replayed(a_detector(), given.write(tmp_path / "rows.parquet"))
    (told,) = result.restarts
    assert told.startswith("row 2,519: 'a' starts anew at ")
    assert (result.counts[Count.LATE], result.counts[Count.USED]) == (19, 2505)
