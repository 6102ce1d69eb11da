"""Checks sensors before training: finds those that mislead a model, and odd values of good ones, with the reason."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from stream.errors import DataError
from stream.intake.columns import Float64s, Int32s, Int64s
from training.vetting.copies import copies
from training.vetting.distribution import clipped, quantised, resting, wild
from training.vetting.finding import MISLEADING, Finding, Kind, Seen, VettedRows
from training.vetting.growth import misleading
from training.vetting.isolated import Sample, samples
from training.vetting.jumps import jumps
from training.vetting.sentinels import sentinels_of, setting


# Values near the end of a float64 have no squares: what cannot be computed of them is not found.
@np.errstate(all="ignore")
def vet(
    values: Float64s,
    time: Int64s,
    names: tuple[str, ...],
    series: Int32s | None = None,
    series_names: tuple[str, ...] = ("",),
    settled: Mapping[str, Sequence[float]] | None = None,
) -> tuple[Finding, ...]:
    """Lists sensors that mislead a model, and sensors with odd values.

    A sensor that only grows leaves the range of training as soon as training is over. A copy counts twice in every
    error. A sentinel, a wild value or a jump spoils the scale, the model and the threshold.
    Takes time O(T F log T), and O(T F²) for copies, in one matrix product.

    Args:
        values: float64 (T, F); a value that is not finite is missing.
        time: int64 (T,), ns, ascending within a series.
        names: the F sensors.
        series: int32 (T,), the rows of a series together; None for a single series.
        series_names: of the indices in `series`.
        settled: `frames.sentinels`: a sensor with an empty list has none.

    Returns:
        Findings in the order of the sensors. A sensor that misleads has no finding about its distribution.

    Raises:
        DataError: there are no rows, or sizes do not fit.
    """
    if values.ndim != 2 or values.shape != (len(time), len(names)) or not len(time):
        raise DataError(f"values {values.shape} for {len(time)} rows and {len(names)} sensors; there must be some rows")
    series = np.zeros(len(time), np.int32) if series is None else series
    settled = settled or {}
    rows, seconds = VettedRows(time, series, series_names), (time - time[0]) / 1e9
    findings: list[list[Finding]] = []
    for sensor, name in enumerate(names):
        column = np.ascontiguousarray(values[:, sensor])
        found = misleading(name, (column, np.isfinite(column)), seconds, series)
        findings.append([] if found is None else [found])
        if found is None or found.kind != Kind.FLAT:
            real = name in settled and not settled[name]
            of = tuple(samples(column, series))
            findings[-1] += [] if real else sentinel_findings(name, column, of, rows)
            findings[-1] += [] if found is not None else _odd(name, of, rows, real, findings[-1])
    vary = [sensor for sensor, of in enumerate(findings) if not any(one.kind in MISLEADING for one in of)]
    for sensor, copy in copies(values, names, vary).items():
        if copy.kind == Kind.NEAR_COPY and any(one.kind == Kind.SENTINEL for one in findings[sensor]):
            continue  # two sensors of one logger have the same sentinels
        refused = [one for one in findings[sensor] if one.refused]
        findings[sensor] = [copy, *(refused if copy.kind == Kind.DUPLICATE else findings[sensor])]
    return tuple(chain.from_iterable(findings))


def refuse(findings: Sequence[Finding], settled: Mapping[str, Sequence[float]], source: str) -> None:
    """Refuses a history in which sensors have values that cannot be measurements.

    Args:
        settled: `frames.sentinels`, which the proposal keeps.
        source: of the history.

    Raises:
        DataError: names all such sensors, values and first rows, and the setting to write.
    """
    refused = [finding for finding in findings if finding.refused]
    if not refused:
        return
    proposed = {name: list(values) for name, values in settled.items()}
    for finding in refused:
        proposed[finding.sensor] = [*proposed.get(finding.sensor, ()), *finding.values]
    real: dict[str, tuple[float, ...]] = {finding.sensor: () for finding in refused}
    each = "".join(f"\n  {finding.text}" for finding in refused)
    raise DataError(
        f"{source}: values that are no measurements, which would hide the faults of their sensors; set "
        f"`{setting(proposed)}` to read them as missing, or `{setting(real)}` if all values are real:{each}"
    )


def sentinel_findings(name: str, column: Float64s, of: Sequence[Sample], rows: VettedRows) -> list[Finding]:
    """The sentinels of a sensor, with the series and rows that hold them."""
    findings = []
    for one in sentinels_of(name, column, of):
        parts = [
            Seen(Kind.SENTINEL, int(index), one.reason, one.rows[rows.series[one.rows] == index])
            for index in np.unique(rows.series[one.rows])
        ]
        findings.append(rows.finding(name, parts, value=one.value, refused=one.clear))
    return findings


def _odd(name: str, of: Sequence[Sample], rows: VettedRows, real: bool, known: Sequence[Finding]) -> list[Finding]:
    """One finding of each kind about the distribution of a sensor, over all series that have it."""
    sentinels = np.array([value for finding in known for value in finding.values])
    seen: dict[Kind, list[Seen]] = {}
    for sample in of:
        odd = () if real else wild(sample, sentinels)
        for one in chain(odd, jumps(sample), quantised(sample), clipped(sample), resting(sample)):
            seen.setdefault(one.kind, []).append(one)
    return [rows.finding(name, parts) for parts in seen.values()]
