"""Graded synthetic anomalies in scaled, normal strips: each in one sensor (a swap: two), reaching the newest frame.

A strip is the frames that a level looks at, W + M - 1 of them, or a window alone. What the size of a kind means:

| kind | size | the sensor from the frame `begin` on |
|---|---|---|
| spike | standard deviations | off by the size in the one frame `begin` |
| level_shift | standard deviations | off by the size |
| drift | standard deviations | off by more and more, by the size in the newest frame |
| noise_burst | standard deviations | with white noise of that deviation added |
| freeze | frames | its newest `size` frames hold the value of the frame before, whatever `begin` says |
| phase_shift | frames | what it showed so many frames before |
| swap | share, (0, 1] | mixed with another one, which is mixed with it: 1 is swapped |
| broken_correlation | share, (0, 1] | mixed with itself at another time, of equal spread: 1 is replaced |

Sizes of one seed compare: sensors, signs, noise and other times are drawn alike for all of them, as long as every strip
can have them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from stream.errors import ShapeError
from stream.intake.columns import Bools, Int64s

Float32s = NDArray[np.float32]
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
class Injected:
    """The strips that could have the anomaly, with it. n = 0 is legal.

    Attributes:
        strips: float32 (n, L, F).
        rows: int64 (n,), which of the strips given each one was; ascending.
        touched: bool (n, F), sensors that differ from it.
        why_none: where n = 0, the reason; else None.
    """

    strips: Float32s
    rows: Int64s
    touched: Bools
    why_none: str | None


def inject(
    strips: Float32s,
    kind: Kind,
    size: float,
    seed: int,
    *,
    begin: int | None = None,
    clip: float = 10.0,
    allowed: Bools | None = None,
) -> Injected:
    """Puts one anomaly into each strip. Deterministic in all that is given.

    Args:
        strips: float32 (N, L, F), scaled, finite, normal; not changed. L >= 1. They are one another's other times:
            best far apart, in random order.
        size: > 0; see above.
        seed: draws sensors, signs, noise and other times.
        begin: frame in which it begins, 0 to L - 1. None: half-way, a spike in the newest frame.
        clip: values are limited to +-clip, as the detector limits them.
        allowed: bool (N, F), sensors that may be drawn, such as those not masked. None: all. One that stands still in
            all strips is never drawn: it has no deviation that a size could be in.

    Raises:
        ShapeError: an array of another shape or type, a `begin` outside the strip, or an impossible size.
    """
    _check(strips, kind, size, begin, allowed)
    count, frames, sensors = strips.shape
    if kind in ("freeze", "phase_shift") and size >= frames:
        return _none(strips, f"{size:g} frames need one more before them, and {frames} are all there are")
    if kind == "broken_correlation" and count == 1:
        return _none(strips, "one strip, and no other to take values from")
    draw = np.random.default_rng([seed, KINDS.index(kind)])
    free = np.ones((count, sensors), np.bool_) if allowed is None else allowed
    free = free & (strips != strips[:1, :1]).any(axis=(0, 1))
    partner = _partners(free, draw) if kind == "swap" else np.broadcast_to(np.arange(sensors), free.shape)
    begins = begin if begin is not None else frames - 1 if kind == "spike" else frames // 2
    made = np.clip(_MADE[kind](_Draft(strips, begins, size, partner, draw)), -clip, clip)  # (N, L, F)
    free = free & np.take_along_axis(free, partner, 1) & (made != strips).any(axis=1)
    rows = np.flatnonzero(free.any(axis=1))
    if not len(rows):
        return _none(strips, _why_none(kind, strips))
    drawn = np.where(free, draw.random(free.shape), -1.0).argmax(axis=1)[:, None]  # (N, 1)
    touched = np.zeros_like(free)
    for chosen in (drawn, np.take_along_axis(partner, drawn, 1)):
        np.put_along_axis(touched, chosen, True, 1)
    return Injected(np.where(touched[rows, None], made[rows], strips[rows]), rows, touched[rows], None)


@dataclass(frozen=True, slots=True)
class _Draft:
    """What an anomaly is made of, for all sensors at once: of each strip one of them is taken.

    Attributes:
        partner: int64 (N, F), the sensor to swap each one with.
    """

    strips: Float32s
    begin: int
    size: float
    partner: Int64s
    draw: np.random.Generator

    @property
    def sign(self) -> Float32s:
        """float32 (N, 1, F), 1 or -1."""
        count, _, sensors = self.strips.shape
        return self.draw.choice(np.array([-1.0, 1.0], np.float32), (count, 1, sensors))

    def after(self, values: Float32s) -> Float32s:
        """The strips, from `begin` on with these values (N, L, F)."""
        return np.concatenate([self.strips[:, : self.begin], values[:, self.begin :]], axis=1)


def _spike(of: _Draft) -> Float32s:
    made = of.strips.copy()
    made[:, of.begin] += np.float32(of.size) * of.sign[:, 0]
    return made


def _level_shift(of: _Draft) -> Float32s:
    return of.after(of.strips + np.float32(of.size) * of.sign)


def _drift(of: _Draft) -> Float32s:
    frames = of.strips.shape[1]
    rise = (np.arange(frames, dtype=np.float32) - of.begin + 1) / np.float32(frames - of.begin)
    return of.after(of.strips + np.float32(of.size) * of.sign * rise[:, None])


def _noise_burst(of: _Draft) -> Float32s:
    return of.after(of.strips + np.float32(of.size) * of.draw.standard_normal(of.strips.shape, np.float32))


def _freeze(of: _Draft) -> Float32s:
    made, still = of.strips.copy(), int(of.size)
    made[:, -still:] = made[:, -still - 1, None]
    return made


def _phase_shift(of: _Draft) -> Float32s:
    late, begin = int(of.size), max(of.begin, int(of.size))
    made = of.strips.copy()
    made[:, begin:] = of.strips[:, begin - late : -late]
    return made


def _swap(of: _Draft) -> Float32s:
    other, share = np.take_along_axis(of.strips, of.partner[:, None], 2), np.float32(of.size)
    return of.after((1 - share) * of.strips + share * other)


def _broken_correlation(of: _Draft) -> Float32s:
    count = len(of.strips)
    # Another strip for each one: a step of 1 to N - 1 around the circle of them all.
    other = (np.arange(count) + of.draw.integers(1, max(count, 2), count)) % max(count, 1)
    # Scaled values have mean 0: weights with squares that add up to 1 keep the spread of independent ones.
    share = np.float32(of.size)
    return of.after(np.sqrt(1 - share**2) * of.strips + share * of.strips[other])


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
    """int64 (N, F): sensors in pairs, free ones with free ones as far as they go; one left over is its own partner."""
    order = np.argsort(draw.random(free.shape) + ~free, axis=1)
    pairs = free.shape[1] // 2
    partner = np.tile(np.arange(free.shape[1]), (len(free), 1))
    first, second = order[:, : 2 * pairs : 2], order[:, 1 : 2 * pairs : 2]
    np.put_along_axis(partner, first, second, 1)
    np.put_along_axis(partner, second, first, 1)
    return partner


def _none(strips: Float32s, why: str) -> Injected:
    _, _, sensors = strips.shape
    return Injected(strips[:0].copy(), np.zeros(0, np.int64), np.zeros((0, sensors), np.bool_), why)


def _why_none(kind: Kind, strips: Float32s) -> str:
    count, frames, sensors = strips.shape
    if not count:
        return "no strips"
    if kind == "swap" and sensors == 1:
        return "one sensor, and no other to swap it with"
    return f"it changes no sensor that may be drawn in {count} strips of {frames} frames"


def _check(strips: Float32s, kind: Kind, size: float, begin: int | None, allowed: Bools | None) -> None:
    if strips.dtype != np.float32 or strips.ndim != 3 or 0 in strips.shape[1:]:
        raise ShapeError(f"strips: seen {strips.dtype} {strips.shape}, expected float32 (N, L, F), L and F at least 1")
    if allowed is not None and (allowed.dtype != np.bool_ or allowed.shape != (len(strips), strips.shape[2])):
        raise ShapeError(f"allowed: seen {allowed.dtype} {allowed.shape}, expected bool (N, F) of {strips.shape}")
    if begin is not None and not 0 <= begin < strips.shape[1]:
        raise ShapeError(f"begin: seen {begin}, expected a frame of {strips.shape[1]}, from 0 on")
    whole = kind not in ("freeze", "phase_shift") or float(size).is_integer()
    most = 1.0 if kind in ("swap", "broken_correlation") else np.inf
    if not 0.0 < size <= most or not np.isfinite(size) or not whole:
        unit = {np.inf: "a number of deviations", 1.0: "a share, at most 1"}[most] if whole else "whole frames"
        raise ShapeError(f"size of {kind}: seen {size:g}, expected {unit}, above 0")
