"""How far the members usually disagree on normal data that the weights have not seen."""

import numpy as np
from numpy.typing import NDArray

from stream.detect.model.ensemble import Ensemble
from stream.intake.columns import Bools, Int64s
from training.fitting.error_scale import AT_ONCE

# Share of held-out normal frames about which the members disagree more than is called usual.
UNUSUAL = 0.01


def usual_disagreement(ensemble: Ensemble, frames: NDArray[np.float32], masked: Bools | None, ends: Int64s) -> float:
    """What the disagreement exceeds in a share `UNUSUAL` of the windows; 0 where there is one member.

    Args:
        frames: float32 (P, F), C-contiguous, scaled; masked cells hold 0.
        masked: bool (P, F), or None.
        ends: int64 (N,), held-out normal windows, by the row of their newest frame; N >= 1.
    """
    if ensemble.spec.members == 1:
        return 0.0
    parts = [ends[first : first + AT_ONCE] for first in range(0, len(ends), AT_ONCE)]
    found = np.concatenate([ensemble.errors(frames, part, masked).disagreement for part in parts])
    return float(np.quantile(found[np.isfinite(found)], 1.0 - UNUSUAL))
