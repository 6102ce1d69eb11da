"""A generated fleet of pumps for `narrows demo`: a normal history, then a live part with faults at known times.

Pure: equal arguments give equal fleets, and pump k is the same in a fleet of any size.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pandas as pd

from stream.errors import ConfigError
from stream.intake.columns import Float64s, Int64s
from training.demo import pumps as pump_model

SECOND_NS = 1_000_000_000
START_NS = 1_772_409_600 * SECOND_NS  # Monday 2026-03-02 00:00 UTC: fixed, so that alert ids repeat
FEWEST_PUMPS = 4  # one per fault
FEWEST_LIVE = 200  # rows: room for the faults

Kind = Literal["leak", "stuck sensor", "bearing wear", "spike"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault injected into the live part: start_ns <= time < end_ns.

    Attributes:
        detail: the fault in words, one line.
        expected: "alert" where a good detector alerts on it.
    """

    series: str
    kind: Kind
    detail: str
    start_ns: int
    end_ns: int
    expected: Literal["alert", "none"]


@dataclass(frozen=True, slots=True)
class Fleet:
    """S pumps with a normal history and a live part that follows without a gap and holds the faults.

    Attributes:
        units: sensor -> unit.
        history, live: columns time (UTC, ns), series, then the sensors. Rows are in time order, and the pumps of one
            instant follow each other, as a gateway sends them.
        faults: by start time; no two on one pump.
    """

    sensors: tuple[str, ...]
    units: Mapping[str, str]
    series: tuple[str, ...]
    interval_ns: int
    history: pd.DataFrame
    live: pd.DataFrame
    faults: tuple[Fault, ...]


def generate(
    pumps: int = 12,
    history_days: float = 5.0,
    live_days: float = 1.0,
    interval_s: int = 60,
    seed: int = 0,
) -> Fleet:
    """Generates the fleet; by default 7,200 rows of history and 1,440 live ones per pump.

    Raises:
        ConfigError: fewer than 4 pumps, no history, or too few live readings to place the faults.
    """
    before, after = (round(days * 86400 / interval_s) for days in (history_days, live_days))
    if pumps < FEWEST_PUMPS or before < 1 or after < FEWEST_LIVE:
        raise ConfigError(
            f"a fleet of {pumps} pumps with {before} history and {after} live readings each; ask for "
            f"{FEWEST_PUMPS} pumps or more (one per fault), some history and {FEWEST_LIVE} live readings or more"
        )
    series = tuple(f"pump-{number:02d}" for number in range(1, pumps + 1))
    seconds = np.arange(before + after, dtype=np.int64) * interval_s  # (T,)
    times, hours = START_NS + seconds * SECOND_NS, seconds / 3600.0
    drawn = pump_model.draw(pumps, len(times), interval_s, seed)
    faults = _place(series, times[before:], _jump(drawn, hours, before), interval_s * SECOND_NS)
    leak, wear = (_severity(kind, times, series, faults) for kind in ("leak", "bearing wear"))
    values = pump_model.sensed(drawn, hours, interval_s, leak, wear)
    _spoil(values, times, series, faults)
    values = pump_model.transmitted(values)
    return Fleet(
        sensors=pump_model.SENSORS,
        units=pump_model.UNITS,
        series=series,
        interval_ns=interval_s * SECOND_NS,
        history=_table(times[:before], series, values[:before]),
        live=_table(times[before:], series, values[before:]),
        faults=faults,
    )


def write_history(fleet: Fleet, path: Path) -> None:
    """Writes the history as one wide Parquet file: time, series, sensors."""
    fleet.history.to_parquet(path, index=False)


def messages(fleet: Fleet) -> Iterator[tuple[bytes, bytes, int]]:
    """Messages of the live part in time order: key (the series), JSON value, timestamp in ms."""
    encode = msgspec.json.encode
    millis = (fleet.live["time"].astype("int64") // 1_000_000).tolist()
    stamps = fleet.live["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").tolist()
    rows = fleet.live[list(fleet.sensors)].to_numpy().tolist()
    for series, stamp, milli, row in zip(fleet.live["series"].tolist(), stamps, millis, rows, strict=True):
        value = {"time": stamp, "series": series, **dict(zip(fleet.sensors, row, strict=True))}
        yield series.encode(), encode(value), milli


def _chosen(pumps: int) -> tuple[int, ...]:
    """Pumps with the leak, the stuck sensor, the worn bearing and the spike: four different ones."""
    return tuple(int(share * pumps) for share in (0.2, 0.45, 0.7, 0.9))


def _jump(drawn: pump_model.Pumps, hours: Float64s, before: int) -> int:
    """Live row of the spike.

    It is at the least demand, where vibration is high: there a small jump exceeds everything that the pump ever sent.
    It is away from rough running, so that the jump alone raises the level.
    """
    pump = _chosen(drawn.phase.shape[0])[-1]
    demand = pump_model.daily_demand(drawn, hours)[before:, pump]
    rough = np.convolve(pump_model.rough_running(drawn)[before:, pump], np.full(61, 1 / 61), "same")
    first, last = round(0.05 * len(demand)), round(0.25 * len(demand))
    return first + int((demand + rough)[first:last].argmin())


def _place(series: tuple[str, ...], times: Int64s, jump: int, step_ns: int) -> tuple[Fault, ...]:
    """Places the faults at shares of the live `times`. The spike is one reading, live row `jump`."""

    def fault(pump: int, kind: Kind, detail: str, first: int, rows: int) -> Fault:
        start = int(times[first])
        return Fault(series[pump], kind, detail, start, start + rows * step_ns, "none" if kind == "spike" else "alert")

    def at(share: float) -> int:
        return round(share * len(times))

    leaky, stuck, worn, spiky = _chosen(len(series))
    faults = (
        fault(leaky, "leak", "flow rises, pressure falls, worse and worse", at(0.10), at(0.25)),
        fault(stuck, "stuck sensor", "pressure keeps its last value", at(0.14), at(0.66)),
        fault(worn, "bearing wear", "vibration and temperature climb", at(0.45), at(0.40)),
        fault(spiky, "spike", "vibration jumps for one reading", jump, 1),
    )
    return tuple(sorted(faults, key=lambda fault: fault.start_ns))


def _inside(fault: Fault, times: Int64s) -> Int64s:
    """Rows of `times` within the fault."""
    return np.flatnonzero((times >= fault.start_ns) & (times < fault.end_ns))


def _severity(kind: Kind, times: Int64s, series: tuple[str, ...], faults: tuple[Fault, ...]) -> Float64s:
    """(T, S): 0 outside faults of this kind, rising to 1 over the first 40 % of each."""
    severity = np.zeros((len(times), len(series)))
    for fault in faults:
        if fault.kind == kind:
            rows = _inside(fault, times)
            severity[rows, series.index(fault.series)] = np.linspace(0.0, 2.5, len(rows)).clip(max=1.0)
    return severity


def _spoil(values: Float64s, times: Int64s, series: tuple[str, ...], faults: tuple[Fault, ...]) -> None:
    """Writes faults of the gauges, not of the pumps, into `values` (T, S, F)."""
    for fault in faults:
        rows, pump = _inside(fault, times), series.index(fault.series)
        if fault.kind == "stuck sensor":
            values[rows, pump, pump_model.PRESSURE] = values[rows[0], pump, pump_model.PRESSURE]
        elif fault.kind == "spike":
            values[rows, pump, pump_model.VIBRATION] = 1.04 * values[: rows[0], pump, pump_model.VIBRATION].max()


def _table(times: Int64s, series: tuple[str, ...], values: Float64s) -> pd.DataFrame:
    """(T, S, F) as T * S rows in time order."""
    flat = values.reshape(-1, values.shape[2])  # (T * S, F)
    columns: dict[str, object] = {
        "time": pd.to_datetime(np.repeat(times, len(series)), utc=True),
        "series": np.tile(np.array(series, dtype=object), len(times)),
    }
    columns |= {name: flat[:, sensor] for sensor, name in enumerate(pump_model.SENSORS)}
    return pd.DataFrame(columns)
