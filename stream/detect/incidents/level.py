"""The smoothed statistic: the mean of the errors that exist among a series' last M frames."""

import numpy as np

from stream.intake.columns import Float64s, Int64s


def levels(errors: Float64s, at: Int64s, run: Int64s, window: int, smoothing: int) -> Float64s:
    """The level of each frame, NaN where fewer than half of its M errors exist.

    Summed afresh, oldest first, never by add and subtract: a spike that has left leaves nothing behind, and the
    result does not depend on how the frames were batched.

    Args:
        errors: float64 (E,), errors of consecutive frames of each series, M - 1 earlier ones before the first;
            NaN where a frame has none.
        at: int64 (n,), where the frames to judge stand in `errors`.
        run: int64 (n,), frames since the last gap, the frame itself counted: errors exist from the W-th on.
        window, smoothing: W, M.

    Returns:
        float64 (n,), in units of error.
    """
    total = np.zeros(len(at))
    count = np.zeros(len(at), np.int64)
    for age in range(smoothing - 1, -1, -1):
        error = errors[at - age]
        exists = (run - age >= window) & ~np.isnan(error)
        total += np.where(exists, error, 0.0)
        count += exists
    enough = count >= (smoothing + 1) // 2
    level: Float64s = np.divide(total, count, out=np.full(len(at), np.nan), where=enough)
    return level
