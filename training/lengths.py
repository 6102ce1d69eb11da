"""W and M, where they are left open: the longest that the history supports."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stream.detect.frames.frames import Fitness
from stream.detect.model.autoencoders import kind_of
from stream.detect.slots import Segments
from stream.errors import DataError
from stream.intake.columns import UInt8s
from stream.settings.detection import ModelSettings, ThresholdSettings
from training.calibration.calibrate import least_blocks
from training.calibration.levels import WEEK
from training.calibration.tail import blocks
from training.data.framing import FramedHistory
from training.data.split import Part, Shares, split
from training.defaults import SMOOTHING, WINDOW
from training.fitting.fit import least_windows


@dataclass(frozen=True, slots=True)
class Cut:
    """W, M and the parts of a history that is cut for them.

    Attributes:
        part: uint8 (T,), the `Part` of each row.
        why_shorter: the reason why W is shorter than with more history; None where it is not.
    """

    window: int
    smoothing: int
    part: UInt8s
    why_shorter: str | None


def cut(framed: FramedHistory, model: ModelSettings, threshold: ThresholdSettings, shares: Shares) -> Cut:
    """Cuts the history into parts for W and M. Left open, these are `WINDOW` and `SMOOTHING`, or shorter.

    W is halved until the parts hold enough windows to fit and to stop, and enough levels for the promise. If no length
    suffices, the longest is taken, and fitting or calibration says what is missing.

    Raises:
        DataError: a part has no row.
    """
    lengths = list(_lengths(model, framed.values.shape[1]))
    for window, smoothing in lengths:
        try:
            part = _parts(framed, window, smoothing, shares)
        except DataError:
            continue
        if _enough(framed, part, window, smoothing, threshold):
            return Cut(window, smoothing, part, None if window == lengths[0][0] else _too_short(framed, lengths[0][0]))
    window, smoothing = lengths[0]
    return Cut(window, smoothing, _parts(framed, window, smoothing, shares), None)


def _too_short(framed: FramedHistory, longest: int) -> str:
    degraded = int((framed.fitness == Fitness.DEGRADED).sum())
    lost = f" ({degraded:,} of {len(framed):,} are degraded)" if degraded else ""
    return (
        f"{int(framed.normal.sum()):,} usable frames{lost} are too few for windows of {longest}, which see more of "
        "what belongs together; give longer history, or set `model.window`"
    )


def _lengths(model: ModelSettings, sensors: int) -> Iterator[tuple[int, int]]:
    """W and M to try, the longest first. A window has more values than the code, and more than one."""
    longest = WINDOW if model.window is None else model.window
    shortest = longest if model.window is not None else kind_of(model.kind).min_window
    smoothing = SMOOTHING if model.smoothing is None else model.smoothing
    yield longest, smoothing
    for halvings in range(1, longest.bit_length()):
        window = longest >> halvings
        if window >= shortest and window * sensors > (1 if model.latent is None else model.latent):
            yield window, smoothing if model.smoothing is not None else min(smoothing, window)


def _parts(framed: FramedHistory, window: int, smoothing: int, shares: Shares) -> UInt8s:
    return split(framed.series, framed.time, framed.normal, shares, window + smoothing - 1)


def _enough(framed: FramedHistory, part: UInt8s, window: int, smoothing: int, threshold: ThresholdSettings) -> bool:
    """True where each part holds as much as it needs."""
    levels = np.flatnonzero(framed.within(part, Part.CALIBRATE, window + smoothing - 1))
    series = framed.series[levels].astype(np.int64)
    place = np.arange(len(levels)) - Segments(framed.series[levels]).start_of_row
    independent = len(np.unique(blocks(series, place, window + smoothing)))
    weeks = float(framed.step[levels].sum(dtype=np.float64) / WEEK)
    least_fit, least_stop = least_windows(window)
    return (
        int(framed.within(part, Part.FIT, window).sum()) >= least_fit
        and int(framed.within(part, Part.STOP, window).sum()) >= least_stop
        and independent >= least_blocks(threshold, weeks)
    )
