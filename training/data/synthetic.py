"""Synthetic anomalies of graded size in scaled, normal segments.

A segment is a run of frames: the W + M - 1 frames behind one level, or one window. An anomaly is in one sensor (a swap:
in two) and lasts to the newest frame. Kinds and sizes:

| kind | size | the sensor from the frame `begin` on |
|---|---|---|
| spike | standard deviations | off by the size in the one frame `begin` |
| level_shift | standard deviations | off by the size |
| drift | standard deviations | off by a growing amount, by the size in the newest frame |
| noise_burst | standard deviations | with white noise of that deviation added |
| freeze | frames | its newest `size` frames hold the value of the frame before; `begin` has no effect |
| phase_shift | frames | delayed by the size |
| swap | share, (0, 1] | mixed with another sensor, and the other with it; 1: swapped |
| broken_correlation | share, (0, 1] | mixed with itself at another time, of equal spread; 1: replaced |

Sizes with the same seed can be compared: sensors, signs, noise and other times are the same for all sizes, as long as
every segment can have the anomaly.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from stream.errors import ShapeError
from stream.intake.columns import Bools, Float32s, Int64s

Kind = Literal[
    "spike", "level_shift", "drift", "noise_burst", "freeze", "phase_shift", "swap", "broken_correlation"
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
DEVIATIONS, FRAMES, SHARES = (0.5, 1.0, 2.0, 4.0, 8.0), (2.0, 4.0, 8.0, 16.0, 32.0), (0.25, 0.5, 0.75, 1.0)
SIZES: dict[Kind, tuple[float, ...]] = {
    "spike": DEVIATIONS,
    "level_shift": DEVIATIONS,
    "drift": DEVIATIONS,
    "noise_burst": DEVIATIONS,
    "freeze": FRAMES,
    "phase_shift": FRAMES,
    "swap": SHARES,
    "broken_correlation": SHARES,
}
UNITS: dict[Kind, str] = {
    kind: {DEVIATIONS: "deviations", FRAMES: "frames", SHARES: "share"}[sizes] for kind, sizes in SIZES.items()
}


@dataclass(frozen=True, slots=True)
class AnomalousSegments:
    """n segments with an anomaly. n = 0 is legal.

    Attributes:
        segments: float32 (n, L, F).
        rows: int64 (n,), index of the normal segment that each one was made from; ascending.
        touched: bool (n, F), sensors that differ from the normal segment.
        why_none: the reason where n = 0, else None.
    """

    segments: Float32s
    rows: Int64s
    touched: Bools
    why_none: str | None


def inject(
    segments: Float32s,
    kind: Kind,
    size: float,
    seed: int,
    *,
    begin: int | None = None,
    clip: float = 10.0,
    allowed: Bools | None = None,
) -> AnomalousSegments:
    """Puts one anomaly into each segment that can have it. The same arguments give the same result.

    Args:
        segments: float32 (N, L, F), L >= 1; scaled, finite, normal; not changed. `broken_correlation` takes values from
            other segments: best far apart in time, in random order.
        size: > 0, in the unit of the kind.
        seed: draws sensors, signs, noise and other times.
        begin: frame in which it begins, 0 to L - 1. None: in the middle; a spike: in the newest frame.
        clip: values are limited to +-clip, as in the detector.
        allowed: bool (N, F), sensors that may be drawn, such as those not masked. None: all. A sensor that is constant
            over all segments is never drawn: it has no deviation to measure a size in.

    Raises:
        ShapeError: an array has another shape or type, `begin` is outside the segment, or the size is impossible.
    """
    _check(segments, kind, size, begin, allowed)
    count, frames, sensors = segments.shape
    if kind in ("freeze", "phase_shift") and size >= frames:
        return _none(segments, f"{size:g} frames need one more before them, and {frames} are all there are")
    if kind == "broken_correlation" and count == 1:
        return _none(segments, "one segment, and no other to take values from")
    draw = np.random.default_rng([seed, KINDS.index(kind)])
    free = np.ones((count, sensors), np.bool_) if allowed is None else allowed
    free = free & (segments != segments[:1, :1]).any(axis=(0, 1))
    partner = _partners(free, draw) if kind == "swap" else np.broadcast_to(np.arange(sensors), free.shape)
    begins = begin if begin is not None else frames - 1 if kind == "spike" else frames // 2
    made = np.clip(_MADE[kind](_Draft(segments, begins, size, partner, draw)), -clip, clip)  # (N, L, F)
    free = free & np.take_along_axis(free, partner, 1) & (made != segments).any(axis=1)
    rows = np.flatnonzero(free.any(axis=1))
    if not len(rows):
        return _none(segments, _why_none(kind, segments))
    drawn = np.where(free, draw.random(free.shape), -1.0).argmax(axis=1)[:, None]  # (N, 1)
    touched = np.zeros_like(free)
    for chosen in (drawn, np.take_along_axis(partner, drawn, 1)):
        np.put_along_axis(touched, chosen, True, 1)
    return AnomalousSegments(np.where(touched[rows, None], made[rows], segments[rows]), rows, touched[rows], None)


@dataclass(frozen=True, slots=True)
class _Draft:
    """Ingredients of an anomaly for all sensors at once. Of each segment, one sensor is used.

    Attributes:
        partner: int64 (N, F), the sensor that each sensor is swapped with.
    """

    segments: Float32s
    begin: int
    size: float
    partner: Int64s
    draw: np.random.Generator

    @property
    def sign(self) -> Float32s:
        """float32 (N, 1, F), 1 or -1."""
        count, _, sensors = self.segments.shape
        return self.draw.choice(np.array([-1.0, 1.0], np.float32), (count, 1, sensors))

    def after(self, values: Float32s) -> Float32s:
        """The segments with these values (N, L, F) from `begin` on."""
        return np.concatenate([self.segments[:, : self.begin], values[:, self.begin :]], axis=1)


def _spike(draft: _Draft) -> Float32s:
    made = draft.segments.copy()
    made[:, draft.begin] += np.float32(draft.size) * draft.sign[:, 0]
    return made


def _level_shift(draft: _Draft) -> Float32s:
    return draft.after(draft.segments + np.float32(draft.size) * draft.sign)


def _drift(draft: _Draft) -> Float32s:
    frames = draft.segments.shape[1]
    rise = (np.arange(frames, dtype=np.float32) - draft.begin + 1) / np.float32(frames - draft.begin)
    return draft.after(draft.segments + np.float32(draft.size) * draft.sign * rise[:, None])


def _noise_burst(draft: _Draft) -> Float32s:
    return draft.after(
        draft.segments + np.float32(draft.size) * draft.draw.standard_normal(draft.segments.shape, np.float32)
    )


def _freeze(draft: _Draft) -> Float32s:
    made, still = draft.segments.copy(), int(draft.size)
    made[:, -still:] = made[:, -still - 1, None]
    return made


def _phase_shift(draft: _Draft) -> Float32s:
    late, begin = int(draft.size), max(draft.begin, int(draft.size))
    made = draft.segments.copy()
    made[:, begin:] = draft.segments[:, begin - late : -late]
    return made


def _swap(draft: _Draft) -> Float32s:
    other, share = np.take_along_axis(draft.segments, draft.partner[:, None], 2), np.float32(draft.size)
    return draft.after((1 - share) * draft.segments + share * other)


def _broken_correlation(draft: _Draft) -> Float32s:
    count = len(draft.segments)
    # Another segment for each segment: 1 to N - 1 places further, round the end.
    other = (np.arange(count) + draft.draw.integers(1, max(count, 2), count)) % max(count, 1)
    # Scaled values have mean 0. Weights whose squares add up to 1 keep the variance of independent values.
    share = np.float32(draft.size)
    return draft.after(np.sqrt(1 - share**2) * draft.segments + share * draft.segments[other])


_MADE: dict[Kind, Callable[[_Draft], Float32s]] = {
    "spike": _spike,
    "level_shift": _level_shift,
    "drift": _drift,
    "noise_burst": _noise_burst,
    "freeze": _freeze,
    "phase_shift": _phase_shift,
    "swap": _swap,
    "broken_correlation": _broken_correlation,
}


def _partners(free: Bools, draw: np.random.Generator) -> Int64s:
    """int64 (N, F): a partner for each sensor. Free sensors pair with free ones; one left over is its own partner."""
    order = np.argsort(draw.random(free.shape) + ~free, axis=1)
    pairs = free.shape[1] // 2
    partner = np.tile(np.arange(free.shape[1]), (len(free), 1))
    first, second = order[:, : 2 * pairs : 2], order[:, 1 : 2 * pairs : 2]
    np.put_along_axis(partner, first, second, 1)
    np.put_along_axis(partner, second, first, 1)
    return partner


def _none(segments: Float32s, why: str) -> AnomalousSegments:
    _, _, sensors = segments.shape
    return AnomalousSegments(segments[:0].copy(), np.zeros(0, np.int64), np.zeros((0, sensors), np.bool_), why)


def _why_none(kind: Kind, segments: Float32s) -> str:
    count, frames, sensors = segments.shape
    if not count:
        return "no segments"
    if kind == "swap" and sensors == 1:
        return "one sensor, and no other to swap it with"
    return f"it changes no sensor that may be drawn in {count} segments of {frames} frames"


def _check(segments: Float32s, kind: Kind, size: float, begin: int | None, allowed: Bools | None) -> None:
    if segments.dtype != np.float32 or segments.ndim != 3 or 0 in segments.shape[1:]:
        raise ShapeError(
            f"segments: seen {segments.dtype} {segments.shape}, expected float32 (N, L, F), L and F at least 1"
        )
    if allowed is not None and (allowed.dtype != np.bool_ or allowed.shape != (len(segments), segments.shape[2])):
        raise ShapeError(f"allowed: seen {allowed.dtype} {allowed.shape}, expected bool (N, F) of {segments.shape}")
    if begin is not None and not 0 <= begin < segments.shape[1]:
        raise ShapeError(f"begin: seen {begin}, expected a frame of {segments.shape[1]}, from 0 on")
    whole = kind not in ("freeze", "phase_shift") or float(size).is_integer()
    most = 1.0 if kind in ("swap", "broken_correlation") else np.inf
    if not 0.0 < size <= most or not np.isfinite(size) or not whole:
        unit = {np.inf: "a number of deviations", 1.0: "a share, at most 1"}[most] if whole else "whole frames"
        raise ShapeError(f"size of {kind}: seen {size:g}, expected {unit}, above 0")
