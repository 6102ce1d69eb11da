"""Alerts and scores at a terminal: lines, tables, plots."""

import io
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rich.console import Console, RenderableType

from stream.cli.reports.alerts import alert_line, incidents_table, score_plot
from stream.events.alert import Alert

MINUTE = 60_000_000_000


def event(**changes: Any) -> Alert:
    pressure = {"name": "pressure", "share": 0.63, "observed": 4.912, "expected": 5.6, "direction": "low"}
    flow = {"name": "flow", "share": 0.2, "observed": None, "expected": 98.14, "direction": "unknown"}
    fields = {
        "schema_version": 1, "alert_id": "1", "sequence": 0, "state": "opened", "reason": None, "series": "pump-03",
        "detector": "pumps", "started_at": "2026-03-07T05:14:00Z", "observed_at": "2026-03-07T05:14:01Z",
        "ended_at": None, "duration_s": 0.0, "severity": "high", "score": 3.217, "peak_score": 5.5, "level": 3.217,
        "threshold": 1.0, "disagreement": 0.0, "sensors": [pressure, flow], "model_version": "v", "imputed": 0,
        "source": {"topic": "in", "partition": 0, "offset": 7}, "cause": "model", "scored": True,
        "disagreement_unusual": False,
    }  # fmt: skip
    return msgspec.convert(fields | changes, Alert)


def printed(what: RenderableType, width: int = 120, terminal: bool = False) -> str:
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=terminal, color_system="standard" if terminal else None).print(what)
    return file.getvalue()


def test_an_opening_line_says_when_whose_how_bad_and_which_sensors() -> None:
    assert printed(alert_line(event())) == (
        "2026-03-07 05:14:00  OPENED    pump-03  high  score 3.22  "
        "pressure low 4.91 (expected 5.6); flow missing (expected 98.1)\n"
    )


def test_where_no_sensor_stands_out_the_line_says_so() -> None:
    hidden = {"name": "flow", "share": 0.1, "observed": 4.0, "expected": 4.5, "direction": "low", "visible": False}
    line = printed(alert_line(event(sensors=[hidden])))
    assert line.endswith("score 3.22  flow low 4 (expected 4.5; no sensor stands out)\n")


def test_an_updating_line_carries_the_time_of_the_update_not_of_the_start() -> None:
    line = alert_line(event(state="updated", duration_s=3660.0)).plain
    assert line.startswith("2026-03-07 06:15:00  UPDATED   pump-03  high  score 3.22, peak 5.5, for 1 h 1 min")


def test_a_resolving_line_says_how_bad_it_got_how_long_it_took_and_why_it_ended() -> None:
    over = event(state="resolved", reason="recovered", ended_at="2026-03-07T08:00:00.5Z", duration_s=9960.5)
    assert alert_line(over).plain == (
        "2026-03-07 08:00:00  RESOLVED  pump-03  high  peak 5.5, after 2 h 46 min, recovered"
    )


def test_times_with_nanoseconds_are_shown_to_the_second() -> None:
    assert alert_line(event(started_at="2026-03-07T05:14:59.123456789Z")).plain.startswith("2026-03-07 05:14:59 ")


def test_a_value_outside_its_range_is_shown_with_its_limit_and_no_score_is_made_up() -> None:
    pressure = {"name": "pressure", "share": 0.0, "observed": -3.0, "expected": 0.0, "direction": "low"}
    unscored = {"score": 0.0, "peak_score": 0.0, "sensors": [pressure | {"outside": True}], "cause": "range"}
    bare = event(**unscored, scored=False)
    assert alert_line(bare).plain.endswith("pump-03  high  not scored  pressure low -3 (limit 0)")
    end = {"state": "resolved", "reason": "silent", "ended_at": "2026-03-07T05:15:00Z", "duration_s": 60.0}
    over = msgspec.structs.replace(bare, **end)
    assert alert_line(over).plain.endswith("peak none, after 1 min, silent")
    assert "none" in printed(incidents_table([bare]))


def test_only_as_many_sensors_are_named_as_asked_for() -> None:
    assert "flow" not in alert_line(event(), sensors=1).plain
    assert alert_line(event(), sensors=0).plain.endswith("score 3.22")


@pytest.mark.parametrize("name", ["\x1b[2Jpump", "pump\nOPENED", "pump\x07", "\u202epump"])
def test_a_series_name_cannot_write_escape_sequences_or_lines_to_the_terminal(name: str) -> None:
    for shown in (printed(alert_line(event(series=name))), printed(incidents_table([event(series=name)]))):
        assert "pump" in shown
        assert all(character.isprintable() for character in shown.replace("\n", ""))
    assert len(printed(alert_line(event(series=name)), width=200).splitlines()) == 1


def test_a_series_name_is_never_read_as_markup() -> None:
    assert "[red]x[/red]" in printed(alert_line(event(series="[red]x[/red]")))
    assert "[/nonsense]" in printed(incidents_table([event(series="[/nonsense]")]))


def test_colours_are_there_on_a_terminal_and_only_there() -> None:
    for what in (alert_line(event()), incidents_table([event()]), score_plot(np.arange(3), np.array([0.5, 2, 1]))):
        assert "\x1b[" in printed(what, terminal=True)
        assert "\x1b" not in printed(what)


def test_the_table_holds_each_incident_once_in_its_newest_state_in_order_of_start() -> None:
    events = [
        event(alert_id="late", series="pump-09", started_at="2026-03-07T09:00:00Z"),
        event(alert_id="early", sequence=1, state="resolved", reason="recovered", ended_at="2026-03-07T06:00:00Z"),
        event(alert_id="early", sequence=0),
    ]
    lines = printed(incidents_table(events)).splitlines()
    assert lines[0].startswith("2 incidents")
    rows = [line for line in lines if "pump-" in line]
    assert ["resolved" in row for row in rows] == [True, False]
    assert "pump-09" in rows[1]
    assert "pressure low 63%" in rows[0]


def test_no_events_make_an_empty_table() -> None:
    assert printed(incidents_table([])).startswith("0 incidents")


def test_the_plot_has_its_size_its_threshold_and_its_ends_in_time() -> None:
    times = np.arange(600) * MINUTE
    lines = score_plot(times, np.full(600, 0.4), width=60, height=8).plain.splitlines()
    assert len(lines) == 8 + 1
    assert {len(line) for line in lines} == {60}
    threshold = next(line for line in lines if line.startswith("    1 "))
    assert set(threshold[7:]) == {"╌"}
    assert lines[-1].split() == ["1970-01-01", "00:00", "1970-01-01", "09:59"]


def test_a_column_reaches_above_the_threshold_row_only_where_a_score_exceeds_1() -> None:
    times = np.arange(100) * MINUTE
    scores = np.full(100, 0.5)
    scores[50] = 3.0
    lines = score_plot(times, scores, width=107, height=9).plain.splitlines()
    threshold = next(row for row, line in enumerate(lines) if line.startswith("    1 "))
    above = ["".join(column) for column in zip(*(line[7:] for line in lines[:threshold]), strict=True)]
    assert [at for at, column in enumerate(above) if column.strip()] == [50]


def test_a_short_peak_is_not_lost_among_many_scores() -> None:
    scores = np.full(100_000, 0.1)
    scores[77_777] = 5.0
    assert "█" in score_plot(np.arange(100_000) * MINUTE, scores, width=40, height=5).plain.splitlines()[0]


def test_a_time_without_scores_stays_empty() -> None:
    scores = np.full(100, 0.9)
    scores[40:60] = np.nan
    bottom = score_plot(np.arange(100) * MINUTE, scores, width=107, height=6).plain.splitlines()[-2][7:]
    assert [character != " " for character in bottom] == np.isfinite(scores).tolist()


def test_scores_far_beyond_the_threshold_leave_room_below_it() -> None:
    scores = np.array([0.5, 1000.0])
    lines = score_plot(np.array([0, 1]), scores, width=20, height=8).plain.splitlines()
    threshold = next(row for row, line in enumerate(lines) if line.startswith("    1 "))
    assert 1 <= 7 - threshold <= 4
    assert lines[7].startswith("  0.1 ")


@pytest.mark.parametrize("scores", [np.zeros(0), np.full(5, np.nan)])
def test_nothing_scored_is_said_in_words(scores: Any) -> None:
    times = np.arange(len(scores), dtype=np.int64)
    assert score_plot(times, scores).plain == "no scores"


@given(scores=arrays(np.float64, st.integers(1, 200), elements=st.floats(0, 1e9) | st.just(np.nan)), data=st.data())
def test_any_scores_can_be_drawn_at_any_size(scores: Any, data: st.DataObject) -> None:
    width, height = data.draw(st.integers(20, 90)), data.draw(st.integers(3, 15))
    times = np.arange(len(scores)) * MINUTE
    for ascii_only in (False, True):
        plot = score_plot(times, scores, width, height, ascii_only).plain
        assert not ascii_only or plot.isascii()
