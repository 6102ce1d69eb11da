"""Alerts and scores for people at a terminal. Rich drops the colours by itself where there is no terminal.

Names in alerts may come from anybody: they are shown without control characters, and never read as markup.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
from rich.table import Table
from rich.text import Text

from stream.events.alert import Alert, NamedSensor
from stream.events.incident_view import newest
from stream.intake.columns import Float64s, Int64s
from stream.messages import counted, printable
from stream.terminal import console, duration, framed_table, plain_table

_BLOCKS = " ▁▂▃▄▅▆▇█"
_ASCII = " ...:::##"
_SEVERITY = {"low": "yellow", "medium": "dark_orange", "high": "red", "critical": "bold white on red"}
_STATE = {"opened": "bold red", "updated": "yellow", "resolved": "green"}
_CALM, _EXCEEDING = "cyan", "bold red"
# Above this peak the axis is logarithmic: on a linear one the threshold would be lost in the lowest row.
_LINEAR_UP_TO = 6.0


def alert_line(event: Alert, sensors: int = 2) -> Text:
    """Writes an event on one line: time, state, series, severity, and the `sensors` with the largest share."""
    state, severity = event.state, event.severity
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{_moment(event):%Y-%m-%d %H:%M:%S}  ", "dim")
    line.append(f"{state.upper():<8}  ", _STATE.get(state, ""))
    line.append(f"{printable(event.series)}  ", "bold")
    line.append(severity, _SEVERITY.get(severity, ""))
    if state == "resolved":
        return line.append(f"  peak {_peak(event)}, after {duration(event.duration_s)}, {event.reason}")
    line.append(f"  score {_number(event.score)}" if event.scored else "  not scored")
    if state == "updated":
        line.append(f", peak {_peak(event)}, for {duration(event.duration_s)}")
    named = "; ".join(_reading(sensor) for sensor in event.sensors[:sensors])
    return line.append(f"  {named}") if named else line


def incidents_table(events: Iterable[Alert]) -> Table:
    """Makes a table of incidents by start time: a row for each, in its newest state, with three sensors."""
    incidents = newest(events).values()
    headings = ("series", "state", "severity", "started", "lasted", "peak", "sensors")
    table = framed_table(counted(len(incidents), "incident"), headings, right=("lasted", "peak"))
    for event in sorted(incidents, key=lambda event: (event.started_at, event.series)):
        shares = (f"{printable(s.name)} {s.direction} {s.share:.0%}" for s in event.sensors[:3])
        table.add_row(
            Text(printable(event.series), "bold"),
            Text(event.state, _STATE.get(event.state, "")),
            Text(event.severity, _SEVERITY.get(event.severity, "")),
            Text(f"{parse_time(event.started_at):%Y-%m-%d %H:%M}"),
            Text(duration(event.duration_s)),
            Text(_peak(event)),
            Text(", ".join(shares)),
        )
    return table


def worst_first(incidents: Iterable[Alert]) -> list[Alert]:
    """Incidents by severity, then by their peak score; those of one height by start time."""
    order = list(_SEVERITY)
    return sorted(incidents, key=lambda one: (-order.index(one.severity), -one.peak_score, one.started_at))


def open_incidents_table(incidents: Sequence[Alert], now: datetime) -> Table:
    """Makes a table of open incidents, the worst first: each by its newest event, and the age of that event."""
    detectors = len({event.detector for event in incidents}) > 1
    headings = ("severity", "series", *(("detector",) if detectors else ()), "started", "lasted", "peak", "last event")
    table = plain_table((*headings, "sensors"), right=("lasted", "peak", "last event"))
    for event in worst_first(incidents):
        table.add_row(
            Text(event.severity, _SEVERITY.get(event.severity, "")),
            Text(printable(event.series), "bold"),
            *((Text(printable(event.detector)),) if detectors else ()),
            Text(f"{parse_time(event.started_at):%Y-%m-%d %H:%M}", no_wrap=True),
            Text(duration(event.duration_s), no_wrap=True),
            Text(_peak(event)),
            Text(f"{duration((now - parse_time(event.observed_at)).total_seconds())} ago", no_wrap=True),
            Text("; ".join(_reading(sensor) for sensor in event.sensors[:2])),
        )
    return table


def show_incidents(alerts: Iterable[Alert]) -> None:
    """Prints the table of incidents on stdout."""
    console().print(incidents_table(alerts))


def score_plot(times: Int64s, scores: Float64s, width: int = 78, height: int = 10, ascii_only: bool = False) -> Text:
    """Draws scores over time as columns of blocks, with a line at the threshold, 1.

    Each column is the highest score of its share of the time; without a score it stays empty. The axis is
    logarithmic where scores reach far beyond the threshold.

    Args:
        times: int64 (P,), ns UTC, ascending. scores: float64 (P,), NaN where there is none.
        width, height: characters, labels included; height is that of the columns.
        ascii_only: for a terminal that has no block characters.
    """
    if not np.isfinite(scores).any():
        return Text("no scores")
    columns = _column_peaks(times, scores, max(width - 7, 1))  # (columns,)
    heights, ticks = _scaled(columns, height)
    at_threshold = ticks["1"]
    plot = Text(no_wrap=True)
    for row in range(height - 1, -1, -1):
        label = next((label for label, tick in ticks.items() if tick == row), "")
        plot.append(f"{label:>5} ", "dim").append("|" if ascii_only else "│", "dim")
        empty = ("-" if ascii_only else "╌") if row == at_threshold else " "
        cells = (
            _cell(int(tall) - 8 * row, value, empty, ascii_only) for tall, value in zip(heights, columns, strict=True)
        )
        _append_runs(plot, cells)
        plot.append("\n")
    return plot.append(_time_axis(times, len(columns)), "dim")


def _peak(event: Alert) -> str:
    return _number(event.peak_score) if event.scored else "none"


def _reading(sensor: NamedSensor) -> str:
    """Writes a sensor as in: pressure low 4.91 (expected 5.6), or pressure low -3 (limit 0)."""
    hidden = "" if sensor.visible else "; no sensor stands out"
    observed = "missing" if sensor.observed is None else _number(sensor.observed)
    direction = "" if sensor.direction == "unknown" else f" {sensor.direction}"
    expected = "limit" if sensor.outside else "expected"
    return f"{printable(sensor.name)}{direction} {observed} ({expected} {_number(sensor.expected)}{hidden})"


def _moment(event: Alert) -> datetime:
    """Event time of the record: its end, or its start plus its duration so far."""
    if event.ended_at is not None:
        return parse_time(event.ended_at)
    return parse_time(event.started_at) + timedelta(seconds=event.duration_s)


def parse_time(stamp: str) -> datetime:
    """Parses RFC 3339; digits beyond the microsecond are cut off."""
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]}+00:00" if fraction else f"{whole}+00:00")


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _column_peaks(times: Int64s, scores: Float64s, width: int) -> Float64s:
    """Highest score in each of `width` equal shares of the time, (width,); NaN where there is none."""
    share = (times - times[0]) / max(int(times[-1] - times[0]), 1)
    column = np.minimum((share * width).astype(np.int64), width - 1)
    peaks = np.full(width, np.nan)
    np.fmax.at(peaks, column, scores)
    return peaks


def _cell(eighths: int, score: float, empty: str, ascii_only: bool) -> tuple[str, str]:
    """Returns a character of which `eighths` are filled, and its style."""
    if eighths <= 0:
        return empty, "dim"
    return (_ASCII if ascii_only else _BLOCKS)[min(eighths, 8)], _EXCEEDING if score > 1.0 else _CALM


def _append_runs(line: Text, cells: Iterable[tuple[str, str]]) -> None:
    """Appends cells of one style in one piece: an escape sequence for each would be ten times the text."""
    for style, run in groupby(cells, key=lambda cell: cell[1]):
        line.append("".join(character for character, _ in run), style)


def _scaled(columns: Float64s, height: int) -> tuple[Int64s, dict[str, int]]:
    """Returns the height of each column in eighths of a row, (columns,), and the row of each label on the axis.

    A column without a score has height 0.
    """
    top = max(float(np.nanmax(columns)), 1.25)
    logarithmic = top > _LINEAR_UP_TO
    bottom = 0.1 if logarithmic else 0.0

    def part(value: Float64s) -> Float64s:
        if logarithmic:
            return np.asarray(np.log(np.maximum(value, bottom) / bottom) / np.log(top / bottom))
        return value / top

    eighths = np.where(np.isnan(columns), 0.0, np.maximum(np.ceil(part(np.nan_to_num(columns)) * height * 8), 1.0))
    threshold = min(int(part(np.array(1.0)) * height), height - 1)
    ticks = {"1": threshold}
    for label, row in ((_number(top), height - 1), (_number(bottom), 0)):
        if row != threshold:
            ticks[label] = row
    return eighths.astype(np.int64), ticks


def _time_axis(times: Int64s, width: int) -> str:
    """Writes the first and the last time below the ends of the axis."""
    stamps = [np.datetime_as_string(np.datetime64(int(t), "ns"), unit="m").replace("T", " ") for t in times[[0, -1]]]
    first, last = (str(stamp) for stamp in stamps)
    return " " * 7 + first + last.rjust(max(width - len(first), len(last) + 1))
