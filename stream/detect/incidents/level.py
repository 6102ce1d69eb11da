"""The level, the smoothed statistic: the mean of the errors that exist among a series' last M frames."""

import numpy as np

from stream.detect.definition import Definition
from stream.detect.frames.history import History
from stream.detect.policy import ModelSpec
from stream.detect.slots import Segments, grown
from stream.intake.columns import Float64s, Int64s


class ErrorHistory:
    """The last M - 1 errors of each series, oldest first: the level of the next frame needs them.

    The errors follow from the frame history, so a snapshot does not hold them.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._errors = np.zeros((0, spec.smoothing - 1), np.float64)

    def resize(self, capacity: int) -> None:
        """Makes room for `capacity` slots."""
        self._errors = grown(self._errors, capacity, np.nan)

    def clear(self, slots: int | Int64s) -> None:
        """Empties one slot or some."""
        self._errors[slots] = np.nan

    def push(self, error: Float64s, run: Int64s, segments: Segments) -> Float64s:
        """The level of each frame of a batch, float64 (n,), as `levels` gives it.

        Args:
            error: float64 (n,), sorted by series, then time; NaN where a frame has none.
            run: int64 (n,), frames since the last gap, the frame itself counted.
            segments: the runs of each series.
        """
        back = self._spec.smoothing - 1
        at = np.arange(len(error), dtype=np.int64) + (segments.of_row + 1) * back
        old = (segments.start + np.arange(len(segments.start)) * back)[:, None] + np.arange(back)  # (G, M - 1)
        joined = np.empty(len(error) + old.size)
        joined[at], joined[old] = error, self._errors[segments.series]
        self.remember(error, segments)
        return levels(joined, at, run, self._spec.window, self._spec.smoothing)

    def derive(self, slots: Int64s, history: History, definition: Definition) -> None:
        """Computes the errors of `slots` from their kept frames, to the same bits."""
        self.clear(slots)
        if self._spec.smoothing == 1 or not len(slots):
            return
        kept, of = history.window_frames(slots)
        assert kept.masked is not None
        whole = kept.masked[kept.at].sum(axis=1) <= definition.policy.max_missing
        due = whole & (kept.run >= self._spec.window)
        errors = np.full(len(of), np.nan)
        errors[due] = definition.ensemble.errors(kept.scaled, kept.at[due], kept.masked).error
        self.remember(errors, Segments(of.astype(np.int32)))

    def remember(self, error: Float64s, segments: Segments) -> None:
        """Keeps the newest errors of each series; `error` and `segments` as in `push`."""
        back = self._errors.shape[1]
        if not back:
            return
        place = segments.end[:, None] - back + np.arange(back)  # (G, M - 1): rows of this batch, or before its start
        older = np.minimum(np.arange(back) + segments.length[:, None], back - 1)
        kept = np.take_along_axis(self._errors[segments.series], older, axis=1)
        new = place >= segments.start[:, None]
        self._errors[segments.series] = np.where(new, error[np.maximum(place, 0)], kept)


def levels(errors: Float64s, at: Int64s, run: Int64s, window: int, smoothing: int) -> Float64s:
    """Mean of the M newest errors of each frame, NaN where fewer than half of them exist.

    Each sum starts anew, oldest error first; nothing is added and subtracted later. So a spike leaves no trace once it
    is out of the M errors, and batch boundaries do not change the result.

    Args:
        errors: float64 (E,), errors of consecutive frames of each series, M - 1 earlier ones before the first;
            NaN where a frame has none.
        at: int64 (n,), rows of the frames in `errors`.
        run: int64 (n,), frames since the last gap, the frame itself counted; errors exist from the W-th on.
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
