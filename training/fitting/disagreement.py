"""The usual disagreement of the members, on normal data that the weights have not seen."""

import numpy as np

from stream.detect.model.ensemble import Ensemble
from stream.intake.columns import Bools, Float32s, Int64s
from training.fitting.error_scale import AT_ONCE

# Share of held-out normal frames whose disagreement is more than usual.
UNUSUAL = 0.01


def usual_disagreement(ensemble: Ensemble, frames: Float32s, masked: Bools | None, ends: Int64s) -> float:
    """Computes the disagreement that a share `UNUSUAL` of the windows exceeds.

    A scored frame above it is marked as one that the members disagree about.

    Args:
        frames: float32 (P, F), C-contiguous, scaled; masked cells hold 0.
        masked: bool (P, F), or None.
        ends: int64 (N,), held-out normal windows, by the row of their newest frame; N >= 1.

    Returns:
        The disagreement, in units of error; 0 where there is one member.
    """
    if ensemble.spec.members == 1:
        return 0.0
    parts = [ends[first : first + AT_ONCE] for first in range(0, len(ends), AT_ONCE)]
    disagreement = np.concatenate([ensemble.errors(frames, part, masked).disagreement for part in parts])
    return float(np.quantile(disagreement[np.isfinite(disagreement)], 1.0 - UNUSUAL))
