"""Levels of the parts that the weights have not seen, from the online detector, and what a threshold does on them."""

import numpy as np

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.policy import Rules
from stream.intake.columns import UInt8s
from training.calibrate import Calibration
from training.framing import FramedHistory
from training.history import History
from training.levels import Levels, incidents
from training.split import Part


def held_out_levels(history: History, framed: FramedHistory, part: UInt8s, draft: Definition) -> dict[Part, Levels]:
    """Levels of the calibrate and gate parts, from the online detector over all readings.

    A level counts where its whole support, W + M - 1 frames, is normal and of the part.
    """
    detector = Detector(draft, weighs_all=True)
    verdicts = (detector.push(batch.readings).verdicts for batch in history.batches)
    columns = zip(*((v.series, v.time, v.level, v.vetoed) for v in verdicts), strict=True)  # the rest is not kept
    slots, times, values, vetoes = (np.concatenate(column) for column in columns)
    order = np.lexsort((times, slots))
    assert np.array_equal(times[order], framed.time), "the detector must frame as the framing did"
    level, vetoed = values[order], vetoes[order]
    support = draft.spec.window + draft.spec.smoothing - 1
    chosen: dict[Part, Levels] = {}
    for p in (Part.CALIBRATE, Part.GATE):
        inside = framed.within(part, p, support) & np.isfinite(level)
        chosen[p] = Levels(
            names=framed.names,
            series=framed.series[inside],
            time=framed.time[inside],
            level=level[inside],
            step=framed.step[inside],
            block=support + 1,
            vetoed=vetoed[inside],
        )
    return chosen


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
