"""Real data: history in Parquet, trained, streamed through the real broker, equal to replay, compared with labels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from deploy.kafka.broker import Broker
from tests.real_data.cases import ANSWERS, Asset, Case, nab, skab, smd
from tests.real_data.experiment import Result, check_counts, check_same_alerts, experiment
from tests.real_data.judging import incidents_of, judge
from tests.real_data.ranking import frames_of
from tests.real_data.report import facts, tables
from tests.real_data.streaming import messages
from tests.support.processes import Launch, cold, warm
from training.data.spans import Span
from training.metrics.events import OPEN_END

SECOND = 1_000_000_000
# Alerts are compared here, not their worth: the command trains to the end.
SHORT = {"max_epochs": 5}


def of_smd(data: Path) -> Case:
    return smd(data, "machine-1-2")


@pytest.mark.parametrize(
    ("case", "sensors", "left_out", "launch"),
    [(of_smd, 38, {}, warm), (nab, 1, {"late": 11, "duplicate": 1}, cold), (skab, 8, {}, warm)],
    ids=["smd", "nab", "skab"],
)
def test_real_data_trained_and_streamed_through_the_broker_alert_as_in_replay(
    case: Any, sensors: int, left_out: dict[str, int], launch: Launch, data: Path, broker: Broker, tmp_path: Path
) -> None:
    """`experiment` asserts that every message has a disposition, every frame a verdict, every alert its counterpart."""
    result = experiment(case(data), 7.0, tmp_path, broker.bootstrap, SHORT, launch)
    trained, counts = result.trained, result.counts
    assert len(trained["sensors"]) == sensors
    assert not set(ANSWERS) & set(trained["sensors"])
    assert trained["data"]["labelled"] == 0, "no label is used in training"
    assert result.streamed.messages == sum(len(asset.live) for asset in result.case.assets)
    assert {fate: counts[fate] for fate in ("late", "duplicate") if counts[fate]} == left_out
    assert counts["scored"] > 0.9 * counts["used"]
    assert [alert for alert in result.streamed.alerts if alert["state"] == "opened"], "alerts appear"
    assert result.found.events == {"smd": 10, "nab": 5, "skab": 34}[result.case.name.partition(" ")[0]]
    check_report(result)


def check_report(result: Result) -> None:
    """Asserts that the report can be made."""
    assert json.loads(json.dumps(facts(result)))["messages"] == result.streamed.messages
    assert tables([result]).count(result.case.name) == 3


def a_table(time: list[int], value: list[float], label: list[int]) -> pa.Table:
    stamps = pa.array([second * 1000 for second in time], pa.timestamp("ms"))
    return pa.table({"timestamp": stamps, "s": pa.array(value, pa.float32()), "anomaly": pa.array(label, pa.int8())})


def an_asset(time: list[int], label: list[int], series: str = "a") -> Asset:
    return Asset(series, a_table([0, 1], [0.0, 2.0], [0, 0]), a_table(time, [float(t) for t in time], label))


def an_alert(alert_id: str, sequence: int, start: str, end: str | None) -> dict[str, Any]:
    stamp = "1970-01-01T00:00:{}Z"
    ended = None if end is None else stamp.format(end)
    return {
        "series": "a",
        "alert_id": alert_id,
        "sequence": sequence,
        "started_at": stamp.format(start),
        "ended_at": ended,
    }


def test_alerts_are_judged_against_the_labels_of_all_assets() -> None:
    """Rows 12 and 13 of a, with two frames of grace; an incident inside, one of the other series, and one too late."""
    assets = [an_asset([10, 11, 12, 13, 14, 15, 16, 17], [0, 0, 1, 1, 0, 0, 0, 0]), an_asset([10, 11], [0, 0], "b")]
    alerts = [an_alert("x", 0, "13.000", "14.000"), an_alert("y", 0, "13.000", None) | {"series": "b"}]
    found = judge(assets, [*alerts, an_alert("z", 0, "16.000", None)], grace_frames=2)
    assert (found.events, found.found, found.opened_inside, found.delays_s) == (1, 1, 1, (1.0,))
    assert (found.incidents, found.true, found.false) == (3, 1, 2)
    assert found.normal_days * 86_400 == pytest.approx(4 + 2)


def test_an_incident_is_what_was_told_of_it_last() -> None:
    alerts = [an_alert("x", 1, "05.000", "07.500"), an_alert("y", 0, "01.000", None), an_alert("x", 0, "05.000", None)]
    assert incidents_of(alerts) == [Span("a", SECOND, OPEN_END), Span("a", 5 * SECOND, 15 * SECOND // 2)]


def test_messages_hold_time_and_sensors_of_all_rows_in_turn_and_no_answers() -> None:
    case = Case("two", (an_asset([1, 2, 3], [0, 1, 0]), an_asset([7], [1], series="b")))
    got = [(key.decode(), json.loads(value)) for key, value in messages(case)]
    assert got == [
        ("a", {"timestamp": 1000, "s": 1.0}), ("b", {"timestamp": 7000, "s": 7.0}),
        ("a", {"timestamp": 2000, "s": 2.0}), ("a", {"timestamp": 3000, "s": 3.0}),
    ]  # fmt: skip


def test_a_frame_has_the_label_and_the_floor_of_the_first_row_of_its_time() -> None:
    """The history has mean 1 and deviation 1."""
    asset = an_asset([1, 4, 2, 4], [0, 0, 1, 1])
    verdicts = pd.DataFrame(
        {"series": ["a", "a", "b"], "time": [1 * SECOND, 4 * SECOND, SECOND], "score": [np.nan, 0.5, 9.0]}
    )
    frames = frames_of(asset, verdicts)
    assert frames["floor"].tolist() == [0.0, 3.0]
    assert frames["label"].tolist() == [False, False]
    assert frames["score"].isna().tolist() == [True, False]


def test_counts_that_do_not_add_up_are_noticed() -> None:
    good = {"received": 5, "used": 3, "late": 1, "duplicate": 1, "ignored": 0, "dead": 0, "unconfirmed": 0}
    good |= {"scored": 1, "warming": 2, "degraded": 0, "off": 0}
    check_counts(good, 5)
    for change in ({"received": 4}, {"late": 0}, {"scored": 2}, {"dead": 1, "late": 0}):
        with pytest.raises(AssertionError, match=r"^(sent 5|used 3|real readings)"):
            check_counts(good | change, 5)


@pytest.mark.parametrize("broken", [[0], [0, 1, 1], [0, 2], [0, 1, 2]])
def test_a_lost_repeated_changed_or_extra_alert_is_noticed(broken: list[int]) -> None:
    alerts = [{"alert_id": "x", "sequence": n, "score": 1.5} for n in range(3)]
    check_same_alerts(alerts[:2][::-1], alerts[:2])
    with pytest.raises(AssertionError, match="extra or twice"):
        check_same_alerts([alerts[n] for n in broken], alerts[:2])
    with pytest.raises(AssertionError, match="extra or twice"):
        check_same_alerts([alerts[0], alerts[1] | {"score": 1.5 + 2e-16}], alerts[:2])
