"""The generated fleet is repeatable and physical, its faults are where it says; injected versus found."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ConfigError
from training.demo.fleet import Fault, Fleet, generate, messages, write_history
from training.demo.scoreboard import Alert, FalseAlertReport, compare

MINUTE = 60_000_000_000


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return generate()


def pump(rows: pd.DataFrame, series: str) -> pd.DataFrame:
    return rows[rows["series"] == series].reset_index(drop=True)


def fault_of(fleet: Fleet, kind: str) -> Fault:
    return next(fault for fault in fleet.faults if fault.kind == kind)


def within(rows: pd.DataFrame, fault: Fault) -> pd.Series:
    times = pump(rows, fault.series)["time"].astype("int64")
    return (times >= fault.start_ns) & (times < fault.end_ns)


def test_the_same_seed_gives_the_same_fleet_and_another_seed_another() -> None:
    one, same, other = (generate(pumps=4, history_days=0.2, live_days=0.2, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one.live, same.live)
    assert not one.live["flow"].equals(other.live["flow"])


def test_a_pump_does_not_depend_on_the_number_of_others() -> None:
    small, large = (generate(pumps=pumps, history_days=0.2, live_days=0.2) for pumps in (4, 9))
    pd.testing.assert_frame_equal(pump(small.history, "pump-01"), pump(large.history, "pump-01"))


def test_live_follows_history_without_a_gap_and_every_instant_holds_every_pump(fleet: Fleet) -> None:
    for rows in (fleet.history, fleet.live):
        times = rows["time"].astype("int64").to_numpy().reshape(-1, len(fleet.series))
        assert (times == times[:, :1]).all()
        assert set(np.diff(times[:, 0])) == {fleet.interval_ns}
        assert rows["series"].iloc[: len(fleet.series)].tolist() == list(fleet.series)
    assert (fleet.live["time"].iloc[0] - fleet.history["time"].iloc[-1]).value == fleet.interval_ns


def test_every_reading_is_finite_and_physically_possible(fleet: Fleet) -> None:
    rows = pd.concat([fleet.history, fleet.live])[list(fleet.sensors)]
    assert np.isfinite(rows.to_numpy()).all()
    assert (rows.to_numpy() > 0).all()
    assert rows["temperature"].max() < 95.0
    assert rows["pressure"].max() < 10.0


@pytest.mark.parametrize(("one", "other", "sign"), [("flow", "pressure", -1), ("flow", "current", 1)])
def test_in_history_the_sensors_move_together_as_the_pump_curve_says(
    fleet: Fleet, one: str, other: str, sign: int
) -> None:
    for series in fleet.series:
        rows = pump(fleet.history, series)
        assert sign * rows[one].corr(rows[other]) > 0.8


def test_the_bearing_follows_the_power_late(fleet: Fleet) -> None:
    """Temperature follows the current of an hour before, not of an hour later."""
    for series in fleet.series:
        rows = pump(fleet.history, series)
        later, earlier = (rows["current"].corr(rows["temperature"].shift(by)) for by in (-60, 60))
        assert later > earlier + 0.03


def test_faults_are_on_different_pumps_in_time_order_and_inside_the_live_part(fleet: Fleet) -> None:
    first, last = (fleet.live["time"].astype("int64").iloc[at] for at in (0, -1))
    assert {fault.kind for fault in fleet.faults} == {"leak", "stuck sensor", "bearing wear", "spike"}
    assert len({fault.series for fault in fleet.faults}) == len(fleet.faults)
    assert [fault.start_ns for fault in fleet.faults] == sorted(fault.start_ns for fault in fleet.faults)
    assert all(first + 60 * MINUTE < fault.start_ns < fault.end_ns <= last for fault in fleet.faults)
    assert {fault.kind for fault in fleet.faults if fault.expected == "none"} == {"spike"}


@given(pumps=st.integers(4, 15), days=st.sampled_from([0.14, 0.5, 2.0]), interval_s=st.sampled_from([60, 120]))
def test_a_fleet_of_any_size_has_its_four_faults(pumps: int, days: float, interval_s: int) -> None:
    if days * 86400 / interval_s < 200:
        days *= 2
    fleet = generate(pumps=pumps, history_days=0.01, live_days=days, interval_s=interval_s)
    assert len({fault.series for fault in fleet.faults}) == 4
    assert all(within(fleet.live, fault).any() for fault in fleet.faults)


def test_the_stuck_gauge_repeats_itself_and_moves_again_afterwards(fleet: Fleet) -> None:
    fault = fault_of(fleet, "stuck sensor")
    rows, stuck = pump(fleet.live, fault.series), within(fleet.live, fault)
    assert rows.loc[stuck, "pressure"].nunique() == 1
    assert rows.loc[stuck, "flow"].nunique() > 100
    assert rows.loc[~stuck, "pressure"].nunique() > 50


def test_the_leak_takes_pressure_that_the_flow_does_not_explain(fleet: Fleet) -> None:
    fault = fault_of(fleet, "leak")
    known = pump(fleet.history, fault.series)
    curve = np.polyfit(known["flow"] ** 2, known["pressure"], 1)
    rows, leaking = pump(fleet.live, fault.series), within(fleet.live, fault)
    missing = np.polyval(curve, rows["flow"] ** 2) - rows["pressure"]
    assert missing[leaking].iloc[-60:].mean() > 1.0
    assert abs(missing[~leaking].mean()) < 0.15


def test_the_worn_bearing_shakes_and_heats(fleet: Fleet) -> None:
    fault = fault_of(fleet, "bearing wear")
    rows, worn = pump(fleet.live, fault.series), within(fleet.live, fault)
    known = pump(fleet.history, fault.series)
    hours = known["time"].dt.hour.isin(rows.loc[worn, "time"].dt.hour.iloc[-60:])
    late = rows[worn].iloc[-60:]
    assert late["vibration"].mean() > 1.5 * known.loc[hours, "vibration"].mean()
    assert late["temperature"].mean() > known.loc[hours, "temperature"].mean() + 5.0


def test_the_spike_is_one_reading_above_all_that_the_pump_ever_sent(fleet: Fleet) -> None:
    """A check of single readings against the normal range would raise an alarm."""
    fault = fault_of(fleet, "spike")
    rows, spike = pump(fleet.live, fault.series), within(fleet.live, fault)
    assert spike.sum() == 1
    normal = pd.concat([pump(fleet.history, fault.series)["vibration"], rows.loc[~spike, "vibration"]])
    assert rows.loc[spike, "vibration"].item() > normal.max()


def test_the_written_history_is_the_generated_one(fleet: Fleet, tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    write_history(fleet, path)
    table = pq.read_table(path)
    assert table.column_names == ["time", "series", *fleet.sensors]
    assert table.num_rows == len(fleet.history)
    assert str(table.schema.field("time").type) == "timestamp[ns, tz=UTC]"
    assert table["vibration"].to_pylist() == fleet.history["vibration"].tolist()


def test_a_message_holds_the_values_of_its_row(fleet: Fleet) -> None:
    sent = list(messages(fleet))
    assert len(sent) == len(fleet.live)
    for at in (0, 4711, len(sent) - 1):
        key, value, millis = sent[at]
        row, decoded = fleet.live.iloc[at], json.loads(value)
        assert key.decode() == decoded["series"] == row["series"]
        assert pd.Timestamp(decoded["time"]) == row["time"] == pd.Timestamp(millis, unit="ms", tz="UTC")
        assert {name: decoded[name] for name in fleet.sensors} == row[list(fleet.sensors)].to_dict()
        assert set(decoded) == {"time", "series", *fleet.sensors}


@pytest.mark.parametrize(("pumps", "history_days", "live_days"), [(3, 1.0, 1.0), (4, 0.0, 1.0), (4, 1.0, 0.1)])
def test_a_fleet_too_small_for_its_faults_is_refused(pumps: int, history_days: float, live_days: float) -> None:
    with pytest.raises(ConfigError, match=f"a fleet of {pumps} pumps .* ask for 4 pumps or more"):
        generate(pumps=pumps, history_days=history_days, live_days=live_days)


LEAK = Fault("a", "leak", "", 100 * MINUTE, 200 * MINUTE, "alert")
SPIKE = Fault("b", "spike", "", 50 * MINUTE, 51 * MINUTE, "none")


def test_the_first_alert_within_a_fault_gives_the_delay_and_later_ones_are_not_false() -> None:
    alerts = [Alert("a", 150 * MINUTE, None), Alert("a", 112 * MINUTE, 130 * MINUTE)]
    found = compare([LEAK], alerts, grace_ns=10 * MINUTE)
    assert (found.found, found.expected, found.false_alerts) == (1, 1, [])
    assert found.faults[0].delay_s == 12 * 60
    assert found.faults[0].alerts == 2


@pytest.mark.parametrize(
    ("started", "belongs"),
    [(100, True), (99, False), (209, True), (210, False)],
)
def test_an_alert_belongs_to_a_fault_from_its_start_until_its_grace_is_over(started: int, belongs: bool) -> None:
    found = compare([LEAK], [Alert("a", started * MINUTE, None)], grace_ns=10 * MINUTE)
    assert found.found == belongs
    assert len(found.false_alerts) == (not belongs)


def test_an_alert_on_another_series_is_false_and_the_fault_missed() -> None:
    alert = Alert("c", 120 * MINUTE, None)
    found = compare([LEAK], [alert], grace_ns=0)
    assert found.false_alerts == [FalseAlertReport("c", "1970-01-01T02:00:00Z", None)]
    assert not found.faults[0].as_expected
    assert found.faults[0].delay_s is None


def test_a_spike_without_alert_is_as_expected_and_with_one_the_alert_is_false() -> None:
    quiet = compare([SPIKE], [], grace_ns=MINUTE)
    assert quiet.faults[0].as_expected
    alert = Alert("b", 51 * MINUTE, None)
    loud = compare([SPIKE], [alert], grace_ns=MINUTE)
    assert not loud.faults[0].as_expected
    assert loud.false_alerts == [FalseAlertReport("b", "1970-01-01T00:51:00Z", None)]
    assert (loud.found, loud.expected) == (0, 0)


def test_the_report_is_json_with_times_that_people_can_read() -> None:
    alerts = [Alert("a", 101 * MINUTE, None), Alert("z", 5 * MINUTE, None)]
    document = msgspec.to_builtins(compare([LEAK, SPIKE], alerts, grace_ns=MINUTE))
    assert document["faults"][0]["started_at"] == "1970-01-01T01:40:00Z"
    assert document["faults"][0]["delay_s"] == 60.0
    assert document["faults"][1] == {
        "series": "b", "kind": "spike", "detail": "", "started_at": "1970-01-01T00:50:00Z",
        "ended_at": "1970-01-01T00:51:00Z", "expected": "none", "as_expected": True, "alerts": 0, "delay_s": None,
    }  # fmt: skip
    assert document["false_alerts"] == [{"series": "z", "started_at": "1970-01-01T00:05:00Z", "ended_at": None}]
    assert (document["found"], document["expected"], document["grace_s"]) == (1, 1, 60.0)
