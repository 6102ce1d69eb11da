"""Frames in which too many sensors have no value. Where most are so, no model of them is worth a fit."""

from pathlib import Path

import numpy as np

from stream.detect.frames.frames import Fitness
from stream.detect.policy import FramePolicy
from stream.errors import DataError
from stream.events.account import missing_sensors
from stream.intake.columns import Bools, Float64s, Int64s
from stream.intake.sampling_advice import MOST_NAMED, SamplingAdvice
from stream.messages import some
from training.data.framing import FramedHistory

# Share of frames, off ones apart. A detector that is blind more than half of the time is none.
MOST_DEGRADED = 0.5
# With the setting that the message names, at most this share stays degraded.
LEFT_DEGRADED = 0.1


def refuse_degraded(
    data: Path, framed: FramedHistory, sensors: tuple[str, ...], policy: FramePolicy, advice: SamplingAdvice | None
) -> None:
    """Refuses a history of which most frames could never be scored.

    Args:
        advice: the settings that bring readings of unlike steps together; None: their steps are alike.

    Raises:
        DataError: more than half of the frames are degraded, off ones apart. It counts them by series, and names the
            sensors without a value and the setting that helps.
    """
    degraded, on = framed.fitness == Fitness.DEGRADED, framed.fitness != Fitness.OFF
    if degraded.sum() <= MOST_DEGRADED * on.sum():
        return
    masked = np.isnan(framed.values[on]).mean(axis=0)
    raise DataError(
        f"{data}: {int(degraded.sum()):,} of {int(on.sum()):,} frames could not be scored, because "
        f"{missing_sensors(policy, sensors, masked.tolist())}; by series: {_by_series(framed, degraded, on)}; "
        f"{_remedy(np.isnan(framed.values[on]).sum(axis=1), masked, sensors, advice)}"
    )


def _by_series(framed: FramedHistory, degraded: Bools, on: Bools) -> str:
    of = framed.series
    counts = [np.bincount(of[rows], minlength=len(framed.names)) for rows in (degraded, on)]
    worst = [at for at in np.argsort(-counts[0], kind="stable").tolist() if counts[0][at]]
    return some([f"{framed.names[at]!r} {counts[0][at]:,} of {counts[1][at]:,}" for at in worst], MOST_NAMED)


def _remedy(missing: Int64s, masked: Float64s, sensors: tuple[str, ...], advice: SamplingAdvice | None) -> str:
    """The setting that helps; `missing`, int64 (T,), sensors without a value; `masked`, (F,), share of each sensor."""
    if advice is not None:
        return f"{advice.reason}: set {advice.settings}"
    kept = [name for name, share in zip(sensors, masked.tolist(), strict=True) if share <= LEFT_DEGRADED]
    enough = int(np.quantile(missing, 1 - LEFT_DEGRADED))
    choices = [f"`input.sensors: [{', '.join(kept)}]`, the sensors that have values"] if kept else []
    choices += [f"`frames.max_missing: {enough}`"] if enough < len(sensors) else []
    choices += ["`frames.max_carry` higher, so that a value serves for longer"] if not choices else []
    return f"set {', or '.join(choices)}"
