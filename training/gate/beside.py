"""Compares a model with simple detectors, by the share of the same synthetic anomalies that each of them finds.

All detectors score the same held-out segments, each with its threshold where the same share of the normal segments is
above. The threshold of the bundle has no influence.
"""

from collections.abc import Sequence

import numpy as np

from stream.detect.definition import Definition
from stream.detect.frames.scale import scaled
from stream.intake.columns import Float32s, Float64s, Int64s, UInt8s
from stream.registry.capacity_facts import BesideFacts
from training.data.framing import FramedHistory
from training.data.windows import evenly
from training.gate.segments import HeldOutSegments
from training.metrics.floors import FLOORS, Score

SIMPLE = ("max abs z", "PCA", "isolation forest")
# Share of the normal segments above each threshold.
ABOVE = 0.05
# More rows to fit on only cost time.
MOST_ROWS = 1 << 14
RESAMPLES, CONFIDENCE = 300, 0.99
# A simple detector finds clearly more where it finds so much more of all synthetic anomalies. They are in one sensor
# at a time, and flatter what looks at single sensors: on telemetry, principal components find 20 points more of them
# than models that rank the real anomalies better.
CLEARLY = 0.2


class SimpleDetectors:
    """Scores of simple detectors beside those of the model, on segments with and without anomalies.

    Args:
        part: uint8 (T,), `Part`s of the frames. The detectors are fitted on those that the weights were fitted on, all
            series together, in the units of each.
        segments: without anomalies, at least one.
    """

    def __init__(self, framed: FramedHistory, part: UInt8s, definition: Definition, segments: HeldOutSegments) -> None:
        rows = evenly(np.flatnonzero(framed.fitted(part)), MOST_ROWS)
        of = np.array([definition.scales.row(name) for name in framed.names])[framed.series[rows]]
        scales = definition.scales
        fit = scaled(framed.values[rows], scales.mean[of], scales.scale[of], definition.policy)
        self._detectors: Sequence[Score] = (
            [FLOORS[name](fit.astype(np.float64)) for name in SIMPLE] if len(rows) else ()
        )
        self._smoothing, normal = definition.spec.smoothing, segments.scaled(definition)
        everyone = np.arange(len(segments))
        # For each anomaly: the segments that have it, their M newest frames, and the scores of the model. First: none.
        self._tried = [(everyone, normal[:, -self._smoothing :], segments.scores(definition, normal))]

    def add(self, rows: Int64s, values: Float32s, scores: Float64s) -> None:
        """Takes segments with an anomaly, float32 (m, L, F), made from those at `rows`; the model gives `scores`."""
        # A copy, as a view would keep all frames in memory.
        self._tried.append((rows, values[:, -self._smoothing :].copy(), scores))

    def compared(self, seed: int) -> BesideFacts | None:
        """Compares the shares found; the interval is by resampled segments. None: there is nothing to compare."""
        if not self._detectors or len(self._tried) == 1:
            return None
        scores, count = self._scores(), len(self._tried[0][0])
        draws: Int64s = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
        found, *again = (_found(scores, one) for one in (np.arange(count), *draws))
        best, resampled = 1 + int(found[1:].argmax()), np.array(again)
        more = np.quantile(resampled[:, best] - resampled[:, 0], [1.0 - CONFIDENCE, CONFIDENCE])
        simple = dict(zip(SIMPLE, found[1:].tolist(), strict=True))
        return BesideFacts(float(found[0]), simple, ABOVE, (float(more[0]), float(more[1])))

    def _scores(self) -> Float64s:
        """Scores of all detectors, float64 (A, D, n), the model first: of each anomaly and segment, NaN where none is.

        Those of the simple ones are the mean over the M newest frames.
        """
        frames = np.concatenate([newest for _, newest, _ in self._tried]).astype(np.float64)  # (m, M, F)
        flat = frames.reshape(-1, frames.shape[2])
        simple = np.stack([one(flat).reshape(frames.shape[:2]).mean(axis=1) for one in self._detectors])  # (D - 1, m)
        scores = np.full((len(self._tried), 1 + len(simple), len(self._tried[0][0])), np.nan)
        ends = np.cumsum([len(rows) for rows, _, _ in self._tried])
        for of, (rows, _, model), end in zip(scores, self._tried, ends.tolist(), strict=True):
            of[:, rows] = np.concatenate([model[None], simple[:, end - len(rows) : end]])
        return scores


def _found(scores: Float64s, segments: Int64s) -> Float64s:
    """Share found by each detector, float64 (D,), of all anomalies in these segments; `scores` as of `_scores`."""
    chosen = scores[:, :, segments]
    threshold = np.sort(chosen[0], axis=1)[:, len(segments) - 1 - int(ABOVE * len(segments))]
    anomalous = chosen[1:]
    there = ~np.isnan(anomalous)
    found: Float64s = (anomalous > threshold[:, None]).sum(axis=(0, 2)) / np.maximum(there.sum(axis=(0, 2)), 1)
    return found
