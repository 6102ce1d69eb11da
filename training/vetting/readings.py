"""Sentinels in the readings of a history whose frames are means of readings: no frame holds a code to the bit."""

from collections.abc import Mapping, Sequence

import numpy as np

from stream.intake.columns import Float64s, Int32s, Int64s, LongReadings
from stream.intake.tables.reader import Batch
from training.vetting.finding import Finding, VettedRows
from training.vetting.isolated import samples
from training.vetting.vet import sentinel_findings


@np.errstate(all="ignore")
def reading_sentinels(
    batches: Sequence[Batch], sensors: tuple[str, ...], settled: Mapping[str, Sequence[float]]
) -> tuple[Finding, ...]:
    """Lists the sentinels of each sensor in its readings; labelled readings are left out.

    Args:
        settled: `frames.sentinels`; these values are missing, and a sensor with an empty list has no sentinels.
    """
    names: dict[str, int] = {}
    numbers = [np.array([names.setdefault(name, len(names)) for name in b.columns.names], np.int32) for b in batches]
    findings: list[Finding] = []
    for sensor, name in enumerate(sensors):
        if name in settled and not settled[name]:
            continue
        parts = [_of_sensor(batch, number, sensor) for batch, number in zip(batches, numbers, strict=True)]
        series, time, values = (np.concatenate(each) for each in zip(*parts, strict=True))
        order = np.argsort(series, kind="stable")
        series, time, values = series[order], time[order], values[order]
        values = np.where(np.isin(values, np.array(settled.get(name, ()))), np.nan, values)
        findings += sentinel_findings(
            name, values, tuple(samples(values, series)), VettedRows(time, series, tuple(names))
        )
    return tuple(findings)


def _of_sensor(batch: Batch, number: Int32s, sensor: int) -> tuple[Int32s, Int64s, Float64s]:
    """Series, time and value of the readings of a sensor that are not labelled: three arrays (n,)."""
    columns = batch.columns
    normal = np.ones(len(batch), np.bool_) if batch.labels is None else ~batch.labels
    if isinstance(columns, LongReadings):
        normal &= columns.sensor == sensor
        values = columns.value[normal]
    else:
        values = columns.values[normal, sensor]
    return number[columns.series[normal]], columns.time[normal], values
