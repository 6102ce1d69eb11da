"""Period of a signal: the lag of its strongest autocorrelation."""

import numpy as np

from stream.intake.columns import Float64s

ROWS = 20_000
LAGS = 400
SHORTEST, LONGEST = 6, 303
NOT_FOUND = 125


def strongest_period(values: Float64s) -> int:
    """Lag of the highest local maximum of the autocorrelation, in rows; 125 where there is none.

    Only the first 20,000 rows and lags up to 400 are used. A highest maximum below 6 or above 303 rows counts as none.

    Args:
        values: float64 (T,); missing values (NaN) are left out.

    Source: `find_length_rank` of TSB-AD 1.5 (Liu and Paparrizos, NeurIPS 2024), with equal results. There the buffer
    of range-aware metrics is this period of the first channel.
    """
    known = values[np.isfinite(values)][:ROWS]
    correlation = _autocorrelation(known)[SHORTEST // 2 :]  # from lag 3 on
    inner = correlation[1:-1]
    peaks = np.flatnonzero((inner > correlation[:-2]) & (inner > correlation[2:])) + 1
    if not len(peaks):
        return NOT_FOUND
    period = int(peaks[np.argmax(correlation[peaks])]) + SHORTEST // 2
    return period if SHORTEST <= period <= LONGEST else NOT_FOUND


def _autocorrelation(values: Float64s) -> Float64s:
    """float64 (min(T, 401),) by lag, the biased estimate: divided by T at every lag. Zeros for a constant."""
    count = len(values)
    if not count or values.min() == values.max():
        return np.zeros(min(count, LAGS + 1))
    spectrum = np.fft.rfft(values - values.mean(), 2 * count)
    products = np.fft.irfft(np.abs(spectrum) ** 2, 2 * count)[: min(count, LAGS + 1)]
    correlation: Float64s = products / products[0]
    return correlation
