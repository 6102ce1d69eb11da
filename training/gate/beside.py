"""Compares a model with simple detectors, by the share of the same synthetic anomalies that each of them finds.

All detectors score the same held-out segments, each with its threshold where the same share of the normal segments is
above. The threshold of the bundle has no influence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Comparison:
    """Shares found of all synthetic anomalies, and how much more the best simple detector finds than the model.

    Attributes:
        found: by the model.
        simple: by each simple detector.
        low, high: interval of 98 % of the difference between the best of them and the model.
    """

    found: float
    simple: dict[str, float]
    low: float
    high: float

    @property
    def best(self) -> str:
        """The simple detector that finds most."""
        return max(self.simple, key=self.simple.__getitem__)

    @property
    def said(self) -> str:
        """The shares in words."""
        return (
            f"finds {self.found:.0%} of synthetic anomalies of all sizes where {self.best} finds "
            f"{self.simple[self.best]:.0%}, each with {ABOVE:.0%} of normal strips above"
        )

    def facts(self) -> BesideFacts:
        """Facts for the manifest."""
        return BesideFacts(self.found, self.simple, ABOVE, (self.low, self.high))


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
        fit = scaled(framed.values[rows], scales.mean[of], scales.scale[of], definition.policy.clip)
        self._detectors: Sequence[Score] = (
            [FLOORS[name](fit.astype(np.float64)) for name in SIMPLE] if len(rows) else ()
        )
        self._smoothing = definition.spec.smoothing
        normal = segments.scaled(definition)
        self._normal = self._scores(normal, segments.scores(definition, normal))  # (D, n), the model first
        self._anomalous: list[Float64s] = []  # (D, n), NaN where the segment has no such anomaly

    def add(self, rows: Int64s, values: Float32s, scores: Float64s) -> None:
        """Scores segments with an anomaly, float32 (m, L, F), made from those at `rows`; by the model `scores`."""
        found = np.full(self._normal.shape, np.nan)
        found[:, rows] = self._scores(values, scores)
        self._anomalous.append(found)

    def compared(self, seed: int) -> Comparison | None:
        """Compares the shares found; the interval is by resampled segments. None: there is nothing to compare."""
        if not self._detectors or not self._anomalous:
            return None
        anomalous, count = np.stack(self._anomalous), self._normal.shape[1]
        draws: Int64s = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
        found, *again = (self._found(anomalous, one) for one in (np.arange(count), *draws))
        best, resampled = 1 + int(found[1:].argmax()), np.array(again)
        low, high = np.quantile(resampled[:, best] - resampled[:, 0], [1.0 - CONFIDENCE, CONFIDENCE])
        return Comparison(float(found[0]), dict(zip(SIMPLE, found[1:].tolist(), strict=True)), float(low), float(high))

    def _found(self, anomalous: Float64s, segments: Int64s) -> Float64s:
        """Share found by each detector, float64 (D,), of all anomalies (A, D, n) in these segments."""
        normal = np.sort(self._normal[:, segments], axis=1)
        threshold = normal[:, len(segments) - 1 - int(ABOVE * len(segments))]
        scores = anomalous[:, :, segments]
        there = ~np.isnan(scores)
        found: Float64s = (scores > threshold[:, None]).sum(axis=(0, 2)) / np.maximum(there.sum(axis=(0, 2)), 1)
        return found

    def _scores(self, values: Float32s, scores: Float64s) -> Float64s:
        """Scores of all detectors, float64 (D, m): of the simple ones the mean over the M newest frames."""
        newest = values[:, -self._smoothing :].astype(np.float64)
        rows = newest.reshape(-1, newest.shape[2])
        return np.stack([scores, *(one(rows).reshape(newest.shape[:2]).mean(axis=1) for one in self._detectors)])
