"""Levels of the parts that the weights have not seen, and the effect of a threshold on them."""

import numpy as np

from stream.detect.definition import Definition
from stream.detect.policy import Rules
from stream.intake.columns import Bools, UInt8s
from stream.registry.manifest_facts import GateFacts
from training.calibration.calibrate import Calibration
from training.calibration.levels import Levels, incidents
from training.data.framing import FramedHistory
from training.data.scored_history import FrameScores
from training.data.split import Part


def held_out_levels(
    framed: FramedHistory, parts: UInt8s, part: Part, scores: FrameScores, definition: Definition
) -> Levels:
    """Selects the levels of a part. All W + M - 1 frames of such a level are normal and not of another part.

    Args:
        parts: uint8 (T,), `Part` of each frame.
    """
    spec = definition.spec
    inside = framed.within(parts, part, spec.receptive_field) & np.isfinite(scores.level)
    return levels_at(framed, inside, scores, spec.block)


def levels_at(framed: FramedHistory, inside: Bools, scores: FrameScores, block: int) -> Levels:
    """Selects the levels of the frames `inside`, bool (T,). Each of them must have a level."""
    return Levels(
        names=framed.names,
        series=framed.series[inside],
        time=framed.time[inside],
        level=scores.level[inside],
        step=framed.step[inside],
        block=block,
        vetoed=scores.vetoed[inside],
    )


def threshold_effect(levels: Levels, calibration: Calibration, rules: Rules) -> GateFacts:
    """Measures a threshold on unseen data: share of levels above it, and incidents per series and week."""
    if not len(levels):
        return GateFacts(levels=0, weeks=0.0, share_above=None, alerts_per_week=None)
    score = levels.level / calibration.table.of_each(levels.names)[levels.series]
    return GateFacts(
        levels=len(score),
        weeks=levels.weeks,
        share_above=float((score > 1).mean()),
        alerts_per_week=incidents(levels, score, rules) / max(levels.weeks, 1e-12),
    )
