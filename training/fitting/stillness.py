"""The shortest paths of sensors in training, below which a sensor counts as still."""

import numpy as np

from stream.detect.forms.stillness import PART, SPANS
from stream.intake.columns import Bools, Float32s, Float64s, Int64s, UInt8s
from training.data.framing import FramedHistory
from training.data.split import Part

# A sensor is judged over at least so many times the longest time for which it stood still in training, and two steps.
TIMES, MORE = 3, 2
LEAST = 1e-4  # scaled units; a shorter path is no movement
PARTS = (Part.FIT, Part.STOP, Part.CALIBRATE)


def shortest_paths(
    framed: FramedHistory, part: UInt8s, frames: Float32s, masked: Bools | None, window: int, max_carry: int
) -> Float64s:
    """Computes the shortest path of each sensor over each of `SPANS`: float64 (2, F); 0: it is not judged.

    Args:
        frames: float32 (T, F), scaled; masked cells hold 0.
        masked: bool (T, F), or None.
        max_carry: frames for which a missing value is carried: a path that may be carried throughout is no stillness.
    """
    whole, later = (
        {span: _within(framed, part, parts, span + 1) for span in (1, *SPANS)} for parts in (PARTS, (Part.GATE,))
    )
    lowest = np.zeros((len(SPANS), frames.shape[1]))
    for f in range(frames.shape[1]):
        own = frames[:, f].astype(np.float64)
        if masked is not None:
            own[masked[:, f]] = np.nan
        step = np.abs(np.diff(own, prepend=own[:1]))
        known: Bools = (whole[1] | later[1]) & ~np.isnan(step)
        longest = _longest_run(known & (step == 0))
        total, gaps = np.cumsum(np.where(known, step, 0)), np.cumsum(~known, dtype=np.int64)
        for at, span in enumerate(SPANS):
            before, after = (_shortest(of[span], total, gaps, span) for of in (whole, later))
            is_long = span < window - 1 and span >= max(TIMES * longest + MORE, max_carry + MORE + 1)
            # A sensor that stops in the newest normal data will stop again.
            if is_long and LEAST < before < np.inf and after > PART * before:
                lowest[at, f] = before
    return lowest


def _shortest(ends: Bools, total: Float64s, gaps: Int64s, span: int) -> float:
    """Shortest path of `span` steps that end at one of `ends`, bool (T,); infinite without one.

    Args:
        total: float64 (T,), sum of the steps so far. gaps: int64 (T,), number of steps so far that are not known.
    """
    at = np.flatnonzero(ends)
    at = at[gaps[at] == gaps[at - span]]
    return float((total[at] - total[at - span]).min(initial=np.inf))


def _within(framed: FramedHistory, part: UInt8s, parts: tuple[Part, ...], frames: int) -> Bools:
    """Rows at which so many frames of one of the parts end, without a gap: bool (T,)."""
    within: Bools = np.any([framed.within(part, own, frames) for own in parts], axis=0)
    return within


def _longest_run(still: Bools) -> int:
    """Number of steps of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
