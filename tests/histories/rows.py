"""The rows of a drawn history, and the truth about them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tests.histories.kinds import Kind
from tests.histories.troubles import FEW, NESTED, troubled_rows

SENSORS = {
    "plain": ("flow", "pressure", "temp", "speed", "power"),
    "brackets": ("Flow [/h]", "Pressure [bar]", "[A] temp", "Speed (1/min)", "Power {kW}"),
    "dots": ("p.flow", "p.pressure", "p", "in.temp", "out.temp"),
    "unicode": ("Öl-Temperatur °C", "压力", "débit", "скорость", "μ power"),
    "hostile": (".flow", "[pressure]", "a\nb", " ", "null"),
    "markup": ("<b>flow</b>", "a & b", "[red]temp[/red]", "'quoted' \"x\"", "x: # y"),
}
ASSETS = {
    "text": ("pump-1", "pump-2", "pump-3", "pump-4"),
    "integers": ("101", "102", "103", "104"),
    "markup": ("pump [A]", "<i>B</i>", "Ölpumpe, 3", "a=b: #4"),
    "hostile": ("null", "nan", "0", " x "),
    "none": ("alone",),
}
SENTINEL = -9999.0
# Rows of each of the two labelled stretches, in the last part of the first series.
LABELLED = 25


@dataclass(frozen=True)
class Truth:
    """The facts that a reader must find.

    Attributes:
        rows: of all files.
        dead: the least and the most of them that have no time, none of these years, or no series.
        assets: rows of each series; empty where each file is one. copies: of each row, in other files.
        sensors: columns or names that are sensors.
        named: columns that hold numbers and are no sensors: a command must name them.
        label: column of the labels.
    """

    rows: int
    dead: tuple[int, int]
    assets: Mapping[str, int]
    copies: int
    sensors: tuple[str, ...]
    named: tuple[str, ...]
    label: str | None


def table(kind: Kind) -> tuple[pd.DataFrame, Truth]:
    """The rows of a history, in order of time within each series, with times in ns; and the truth about them."""
    random = np.random.default_rng([kind.seed, 1])
    sensors = SENSORS[kind.names][: kind.sensors]
    frames = [_series(kind, random, asset, sensors) for asset in ASSETS[kind.ids][: kind.series]]
    _spoil(kind, random, frames[0], sensors)
    troubled_rows(kind.trouble, random, frames, sensors)
    rows = pd.concat(frames, ignore_index=True)
    if kind.long:
        rows = rows.melt(["time", "machine"], sensors, var_name="sensor", value_name="value")
    again = rows.iloc[np.sort(random.choice(len(rows), min(kind.twice, len(rows)), replace=False))]
    rows = pd.concat([rows, again], ignore_index=True).sort_values(["machine", "time"], kind="stable")
    timed = np.ones(len(rows), bool)
    timed[random.choice(len(rows), min(kind.untimed, len(rows)), replace=False)] = False
    rows["timed"] = timed
    rows["named"] = np.arange(len(rows)) >= (FEW if kind.trouble == "unnamed" and kind.ids != "none" else 0)
    rows = _ordered(kind, random, rows)
    # In a CSV everything is text, so numbers are numbers.
    extra = {"counter": "energy", "constant": "setpoint", "text_numbers": "reserve"}.get(kind.extra)
    is_sensor = kind.extra != "text_numbers" or kind.files == "csv"
    counts = {} if kind.ids == "none" else {str(name): n for name, n in rows["machine"].value_counts().items()}
    named = (extra,) if extra and not is_sensor else ()
    label = None if kind.labels == "none" else "anomaly"
    found = (*sensors, extra) if extra and is_sensor else sensors
    if kind.trouble == "nested" and not kind.long:
        found = (*(f"{NESTED}.{name}" for name in sensors), *found[len(sensors) :])
    if kind.trouble == "odd_columns":
        found, named = (*found, "big"), (*named, "up")
    copies = 2 if kind.trouble == "exported_twice" else 1
    lost = copies * int((~(rows["timed"] & rows["named"])).sum())
    # Times of 1970 are none of these years only where they are numbers; one asset alone needs no name.
    old = copies * FEW * kind.sensors if kind.trouble == "old_times" else 0
    untimed = copies * int((~rows["timed"]).sum())
    dead = (untimed if kind.series == 1 else lost, lost + old)
    return rows, Truth(copies * len(rows), dead, counts, copies, found, named, label)


def _series(kind: Kind, random: np.random.Generator, asset: str, sensors: tuple[str, ...]) -> pd.DataFrame:
    ticks = np.arange(kind.rows)
    start = pd.Timestamp("2021-02-03" if kind.times == "date_ints" else "2025-02-03").value
    frame = pd.DataFrame({"time": start + ticks * kind.step_s * 10**9, "machine": asset})
    for place, name in enumerate(sensors):
        wave = np.sin(2 * np.pi * ticks / (97 + 40 * place)) + 0.2 * random.standard_normal(kind.rows)
        values = 10.0 * (place + 1) + wave
        values[random.random(kind.rows) < kind.nulls] = np.nan
        frame[name] = values
    if kind.extra == "text":
        frame["remark"] = "fine"
    elif kind.extra == "text_numbers":
        frame["reserve"] = [f"{x:.2f}" for x in random.standard_normal(kind.rows)]
    elif kind.extra == "counter":
        frame["energy"] = np.cumsum(np.abs(random.standard_normal(kind.rows)))
    elif kind.extra == "constant":
        frame["setpoint"] = 0.5
    if kind.labels != "none":
        frame["anomaly"] = 0
    for _ in range(kind.gaps):
        first = int(random.integers(50, kind.rows - 150))
        frame = frame.drop(index=range(first, first + int(random.integers(2, 60))), errors="ignore")
    return frame


def _spoil(kind: Kind, random: np.random.Generator, frame: pd.DataFrame, sensors: tuple[str, ...]) -> None:
    """Sentinels in the first sensor, and two labelled stretches in which it is off."""
    if kind.labels != "none":
        for first in (len(frame) - 120, len(frame) - 60):
            rows = frame.index[first : first + LABELLED]
            frame.loc[rows, "anomaly"] = 1
            frame.loc[rows, sensors[0]] += 6.0
    if kind.sentinels:
        frame.loc[random.choice(frame.index, kind.sentinels, replace=False), sensors[0]] = SENTINEL


def _ordered(kind: Kind, random: np.random.Generator, rows: pd.DataFrame) -> pd.DataFrame:
    if kind.order == "shuffled":
        return rows.iloc[random.permutation(len(rows))]
    if kind.order == "by_sensor" and kind.long:
        return rows.sort_values(["sensor", "machine", "time"], kind="stable")
    if kind.order in ("by_series", "by_sensor"):
        return rows
    return rows.sort_values("time", kind="stable", ascending=kind.order == "ascending")
