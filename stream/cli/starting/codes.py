"""Guesses the values of a history that mean no value, such as -9999."""

from collections.abc import Iterator, Sequence

import numpy as np

from stream.intake.columns import Float64s, Int32s
from stream.intake.tables.reader import Batch
from stream.settings.starter import Guess

# Values to look at, over all sensors: more of them would not fit into memory where sensors are many.
_ENOUGH = 20_000_000
# Larger numbers are easier to read with an exponent.
_WHOLE = 1e15


def sentinel_guesses(batches: Sequence[Batch], sensors: Sequence[str]) -> Iterator[Guess]:
    """Guesses `frames.sentinels`: repeated values that no measurement has. Other odd values are left to vetting.

    Labelled rows are left out, as in training: their values are odd in other ways.
    """
    from training.vetting.sentinels import likely_sentinels

    values, series = _rows(batches, max(1, _ENOUGH // max(1, len(sensors))), len(sensors))
    order = np.argsort(series, kind="stable")
    found = [one for one in likely_sentinels(values[order], sensors, series[order]) if one.clear]
    by_sensor: dict[str, list[float]] = {}
    for one in found:
        by_sensor.setdefault(one.sensor, []).append(
            int(one.value) if one.value == round(one.value) and abs(one.value) < _WHOLE else one.value
        )
    if by_sensor:
        yield Guess("frames.sentinels", by_sensor, "; ".join(f"{one.sensor}: {one.reason}" for one in found))


def _rows(batches: Sequence[Batch], most: int, sensors: int) -> tuple[Float64s, Int32s]:
    """Values (T, F) and series (T,) of the first `most` readings without a label."""
    number: dict[str, int] = {}
    values, series, left = [np.zeros((0, sensors))], [np.zeros(0, np.int32)], most
    for batch in batches:
        if left <= 0:
            break
        kept = np.arange(len(batch)) < left
        if batch.labels is not None:
            kept &= ~batch.labels
        readings = batch.readings
        of = np.array([number.setdefault(name, len(number)) for name in readings.names], np.int32)
        values.append(readings.values[kept])
        series.append(of[readings.series[kept]])
        left -= len(batch)
    return np.concatenate(values), np.concatenate(series)
