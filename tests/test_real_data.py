"""Real data: history in Parquet, trained, streamed through the real broker, equal to replay, compared with labels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from deploy.kafka.broker import Broker
from tests.real_data.cases import ANSWERS, Asset, Case, labels_of, nab, skab, smd
from tests.real_data.experiment import Result, check_counts, check_same_alerts, experiment
from tests.real_data.judging import OPEN_END, Span, compare, events_of, incidents_of
from tests.real_data.ranking import frames_of, max_abs_z
from tests.real_data.report import facts, tables
from tests.real_data.streaming import messages

SECOND = 1_000_000_000
# Alerts are compared here, not their worth: the command trains to the end.
SHORT = {"max_epochs": 5}


def of_smd(data: Path) -> Case:
    return smd(data, "machine-1-2")


@pytest.mark.parametrize(
    ("case", "sensors", "left_out"),
    [(of_smd, 38, {}), (nab, 1, {"late": 11, "duplicate": 1}), (skab, 8, {})],
    ids=["smd", "nab", "skab"],
)
def test_real_data_trained_and_streamed_through_the_broker_alert_as_in_replay(
    case: Any, sensors: int, left_out: dict[str, int], data: Path, broker: Broker, tmp_path: Path
) -> None:
    """`experiment` asserts it: every message has a disposition, every frame a verdict, every alert its twin."""
    result = experiment(case(data), 7.0, tmp_path, broker.bootstrap, SHORT)
    trained, counts = result.trained, result.counts
    assert len(trained["sensors"]) == sensors
    assert not set(ANSWERS) & set(trained["sensors"])
    assert trained["data"]["labelled"] == 0, "no label is used in training"
    assert result.streamed.messages == sum(len(asset.live) for asset in result.case.assets)
    assert {fate: counts[fate] for fate in ("late", "duplicate") if counts[fate]} == left_out
    assert counts["scored"] > 0.9 * counts["used"]
    assert [alert for alert in result.streamed.alerts if alert["state"] == "opened"], "alerts appear"
    assert result.found.events == {"smd": 10, "nab": 5, "skab": 34}[result.case.name.partition(" ")[0]]
    reported(result)


def reported(result: Result) -> None:
    """The report can be made of it."""
    assert json.loads(json.dumps(facts(result)))["messages"] == result.streamed.messages
    assert tables([result]).count(result.case.name) == 3


def a_table(time: list[int], value: list[float], label: list[int]) -> pa.Table:
    stamps = pa.array([second * 1000 for second in time], pa.timestamp("ms"))
    return pa.table({"timestamp": stamps, "s": pa.array(value, pa.float32()), "anomaly": pa.array(label, pa.int8())})


def an_asset(time: list[int], label: list[int], series: str = "a") -> Asset:
    return Asset(series, a_table([0, 1], [0.0, 2.0], [0, 0]), a_table(time, [float(t) for t in time], label))


def spans(*pairs: tuple[float, float], series: str = "a") -> list[Span]:
    return [Span(series, int(start * SECOND), int(end * SECOND)) for start, end in pairs]


def test_an_event_lasts_from_its_first_row_until_its_last_one_has_left_windows_and_levels() -> None:
    """Rows 3 and 4, 8, and the last: with one frame and three of grace after the last row of each."""
    asset = an_asset([10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20], [0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1])
    assert events_of(asset, 3) == spans((13, 18), (18, 22), (20, 24))
    assert events_of(an_asset([1, 2, 3], [0, 0, 0]), 3) == []
    assert events_of(an_asset([1, 2, 3], [1, 1, 1]), 0) == spans((1, 4))


def test_an_event_is_found_where_an_incident_overlaps_it_and_others_are_false() -> None:
    events = spans((10, 20), (50, 60), (80, 90))
    incidents = spans((20, 30), (45, 52), (55, 56), (89, 95), (95, 99))
    found = compare(events, incidents, normal_days=4.0)
    assert (found.events, found.found, found.incidents, found.false) == (3, 2, 5, 2)
    assert (found.opened_inside, found.delays_s, found.median_delay_s) == (2, (5.0, 9.0), 7.0)
    assert found.false_per_day == 0.5


def test_an_incident_that_was_open_before_an_event_overlaps_it_but_has_no_delay() -> None:
    found = compare(spans((10, 20)), spans((5, 15)), 1.0)
    assert (found.found, found.opened_inside, found.median_delay_s) == (1, 0, None)


def test_incidents_and_events_of_different_series_have_nothing_to_do_with_each_other() -> None:
    found = compare(spans((10, 20)), spans((10, 20), series="b"), 1.0)
    assert (found.found, found.false) == (0, 1)


def test_an_incident_is_what_was_told_of_it_last() -> None:
    def told(alert_id: str, sequence: int, start: str, end: str | None) -> dict[str, Any]:
        stamp = "1970-01-01T00:00:{}Z"
        ended = None if end is None else stamp.format(end)
        return {
            "series": "a",
            "alert_id": alert_id,
            "sequence": sequence,
            "started_at": stamp.format(start),
            "ended_at": ended,
        }

    alerts = [told("x", 1, "05.000", "07.500"), told("y", 0, "01.000", None), told("x", 0, "05.000", None)]
    assert incidents_of(alerts) == [Span("a", SECOND, OPEN_END), *spans((5, 7.5))]


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


def test_the_floor_is_the_one_published_with_the_data(data: Path) -> None:
    """The mean over SKAB's files of "max abs z-score", as its README has it: 0.761 and 0.787."""
    floors = [(labels_of(asset.live), max_abs_z(asset)) for asset in skab(data).assets]
    each = [(roc_auc_score(label, z), average_precision_score(label, z)) for label, z in floors]
    assert np.mean(each, axis=0).round(3).tolist() == [0.761, 0.787]


def test_counts_that_do_not_add_up_are_noticed() -> None:
    good = {"received": 5, "used": 3, "late": 1, "duplicate": 1, "ignored": 0, "dead": 0}
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
