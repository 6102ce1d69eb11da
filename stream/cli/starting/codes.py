"""Guesses the values of a history that mean no value, such as -9999."""

from collections.abc import Iterator, Sequence

import numpy as np

from stream.intake.columns import Float64s, Int32s, LongReadings, Readings
from stream.settings.starter import Guess

# Values to look at, over all sensors: more of them would not fit into memory where sensors are many.
_ENOUGH = 20_000_000


def sentinel_guesses(batches: Sequence[Readings | LongReadings], sensors: Sequence[str]) -> Iterator[Guess]:
    """Guesses `frames.sentinels`: repeated values that no measurement has. Other odd values are left to vetting."""
    from training.vetting.sentinels import likely_sentinels

    values, series = _rows(batches, max(1, _ENOUGH // max(1, len(sensors))), len(sensors))
    order = np.argsort(series, kind="stable")
    found = [one for one in likely_sentinels(values[order], sensors, series[order]) if one.clear]
    by_sensor: dict[str, list[float]] = {}
    for one in found:
        by_sensor.setdefault(one.sensor, []).append(int(one.value) if one.value == round(one.value) else one.value)
    if by_sensor:
        yield Guess("frames.sentinels", by_sensor, "; ".join(f"{one.sensor}: {one.reason}" for one in found))


def _rows(batches: Sequence[Readings | LongReadings], most: int, sensors: int) -> tuple[Float64s, Int32s]:
    """Values (T, F) and series (T,) of the first `most` readings."""
    number: dict[str, int] = {}
    values, series, left = [np.zeros((0, sensors))], [np.zeros(0, np.int32)], most
    for batch in batches:
        if left <= 0:
            break
        first = np.arange(len(batch)) < left
        dense = batch.dense() if isinstance(batch, LongReadings) else batch
        of = np.array([number.setdefault(name, len(number)) for name in dense.names], np.int32)
        values.append(dense.values[first])
        series.append(of[dense.series[first]])
        left -= len(batch)
    return np.concatenate(values), np.concatenate(series)
