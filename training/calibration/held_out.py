"""Levels of the parts that the weights have not seen, from the online detector, and what a threshold does on them."""

from dataclasses import dataclass

import numpy as np

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.policy import Rules
from stream.intake.columns import Bools, Float64s, UInt8s
from training.calibration.calibrate import Calibration
from training.calibration.levels import Levels, incidents
from training.data.framing import FramedHistory
from training.data.history import History
from training.data.split import Part
from training.gate.segments import support


@dataclass(frozen=True)
class Everywhere:
    """What the online detector makes of every frame of a history, in its order.

    Attributes:
        level: float64 (T,), NaN where there is none; vetoed: bool (T,).
    """

    level: Float64s
    vetoed: Bools


def everywhere(history: History, framed: FramedHistory, definition: Definition) -> Everywhere | None:
    """Sends all readings through the online detector; None where it frames them in another way than `framed`."""
    detector = Detector(definition, weighs_all=True)
    verdicts = (detector.push(batch.readings).verdicts for batch in history.batches)
    columns = zip(*((v.series, v.time, v.level, v.vetoed) for v in verdicts), strict=True)  # the rest is not kept
    slots, times, values, vetoes = (np.concatenate(column) for column in columns)
    order = np.lexsort((times, slots))
    if not np.array_equal(times[order], framed.time):
        return None
    return Everywhere(values[order], vetoes[order])


def held_out(framed: FramedHistory, part: UInt8s, wanted: Part, seen: Everywhere, definition: Definition) -> Levels:
    """Levels of a part: those whose whole support, W + M - 1 frames, is normal and of the part."""
    frames = support(definition.spec)
    inside = framed.within(part, wanted, frames) & np.isfinite(seen.level)
    return chosen_levels(framed, inside, seen, frames + 1)


def chosen_levels(framed: FramedHistory, inside: Bools, seen: Everywhere, block: int) -> Levels:
    """Levels of some frames, bool (T,), all of which have one."""
    return Levels(
        names=framed.names,
        series=framed.series[inside],
        time=framed.time[inside],
        level=seen.level[inside],
        step=framed.step[inside],
        block=block,
        vetoed=seen.vetoed[inside],
    )


def realised(levels: Levels, calibration: Calibration, rules: Rules) -> dict[str, float | None]:
    """What the threshold does on held-out data that nothing has seen: share above, incidents per series and week."""
    if not len(levels):
        return {"levels": 0, "weeks": 0.0, "share_above": None, "alerts_per_week": None}
    score = levels.level / calibration.table.of_each(levels.names)[levels.series]
    return {
        "levels": len(score),
        "weeks": levels.weeks,
        "share_above": float((score > 1).mean()),
        "alerts_per_week": incidents(levels, score, rules) / max(levels.weeks, 1e-12),
    }
