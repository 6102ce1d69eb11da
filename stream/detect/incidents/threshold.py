"""Thresholds: threshold[s] = scale[s] * q, calibrated on held-out normal data."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stream.detect.frames.scale import POOLED
from stream.errors import ShapeError
from stream.intake.columns import Float32s, Float64s, Int64s


@dataclass(frozen=True, slots=True)
class Promise:
    """The purpose that thresholds were calibrated for. No score depends on it.

    Attributes:
        calibrated_at: ns since 1970, time at which data last set them; None: unknown.
        alerts_per_week: incidents per series and week on normal data; None: unknown.
    """

    calibrated_at: int | None = None
    alerts_per_week: float | None = None


@dataclass(frozen=True)
class ThresholdTable:
    """Per series the mean level on normal data, and one quantile of level / scale for all.

    Attributes:
        names: R series; the row `POOLED` serves series that were not in training.
        scale: float64 (R,), in units of error, > 0.
        rows: int64 (R,), number of levels behind each scale.
        q: threshold / scale, > 0.
        trained: float64 (R,), the scale from training, which bounds every recalibration; None: it is `scale`.
        median: float64 (R,), median level of each series alone; NaN: it has no levels. None: unknown.
        usual: float32 (R, `BINS`), counts of the series' levels by height: what a learning threshold starts from.
            None: the bundle's thresholds do not learn.
    """

    names: tuple[str, ...]
    scale: Float64s
    rows: Int64s
    q: float
    trained: Float64s | None = None
    median: Float64s | None = None
    usual: Float32s | None = None

    def __post_init__(self) -> None:
        ok = POOLED in self.names and self.scale.shape == (len(self.names),)
        if not ok or not np.isfinite(self.scale).all() or not (self.scale > 0).all() or not 0 < self.q < np.inf:
            raise ShapeError(
                f"threshold table: {len(self.names)} series, scale {self.scale.shape}, q {self.q}; expected a pooled "
                "row, one scale per series, all finite and > 0: calibrate again"
            )

    def of(self, name: str) -> float:
        """The threshold of a series: the level that it may reach, > 0."""
        return float(self.scale[self._row_of.get(name, self._row_of[POOLED])] * self.q)

    def usual_of(self, name: str) -> Float32s:
        """The counts that the threshold of a series starts from, float32 (`BINS`,)."""
        assert self.usual is not None, "asked only where thresholds learn"
        counts: Float32s = self.usual[self._row_of.get(name, self._row_of[POOLED])]
        return counts

    def of_each(self, names: Iterable[str]) -> Float64s:
        """The threshold of each series, float64 (len(names),)."""
        return np.array([self.of(name) for name in names])

    def key(self, form: str) -> bytes:
        """Four bytes that other thresholds, or another form of what they learn, do not share."""
        assert self.usual is not None, "asked only where thresholds learn"
        facts = f"{self.names}{self.q}{form}".encode()
        return zlib.crc32(self.usual.tobytes(), zlib.crc32(self.scale.tobytes(), zlib.crc32(facts))).to_bytes(
            4, "little"
        )

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}
