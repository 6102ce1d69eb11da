"""Small seeded cases for the metrics, with the figures of the reference implementations."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """Scores and labels of one series, from a seed."""

    name: str
    frames: int
    events: tuple[tuple[int, int], ...]
    score: Callable[[np.random.Generator, Bools], Floats]
    seed: int = 7

    def make(self) -> tuple[Floats, Bools]:
        labels = np.zeros(self.frames, np.bool_)
        for first, end in self.events:
            labels[first:end] = True
        return self.score(np.random.default_rng(self.seed), labels), labels


def noise(draw: np.random.Generator, labels: Bools) -> Floats:
    return draw.random(len(labels))


def _raised(draw: np.random.Generator, labels: Bools) -> Floats:
    """Higher inside events, on the whole."""
    return draw.random(len(labels)) + 0.6 * labels


def _late(draw: np.random.Generator, labels: Bools) -> Floats:
    """The raised score comes seven frames late."""
    return np.roll(_raised(draw, labels), 7)


def _rounded(draw: np.random.Generator, labels: Bools) -> Floats:
    """Five levels: nearly all scores are tied."""
    tied: Floats = np.rint(3 * _raised(draw, labels)).astype(np.float64) / 3
    return tied


def _burst(draw: np.random.Generator, labels: Bools) -> Floats:
    """Most scores are 0."""
    return np.where(draw.random(len(labels)) < 0.03, _raised(draw, labels), 0.0)


def _perfect(draw: np.random.Generator, labels: Bools) -> Floats:
    return labels.astype(np.float64)


def _inverted(draw: np.random.Generator, labels: Bools) -> Floats:
    return (~labels).astype(np.float64)


def constant(draw: np.random.Generator, labels: Bools) -> Floats:
    return np.full(len(labels), 0.25)


COMB = tuple((first, first + 1) for first in range(40, 460, 6))
SEVERAL = ((100, 130), (300, 301), (420, 480), (700, 760))
EDGES = ((0, 15), (585, 600))

# A case, a buffer, VUS-ROC and VUS-PR by `RangeAUC_volume_opt` of TSB-AD 1.5 (numpy 1.26.4).
VUS_CASES = [
    (Case("one event", 400, ((200, 240),), _raised), 20, 0.9265128770234935, 0.77460031178323),
    (Case("several events, buffers that meet", 900, SEVERAL, _raised), 125, 0.9712620831007764, 0.9112701770977012),
    (Case("late", 900, SEVERAL, _late), 40, 0.9218990673582615, 0.8133545626104297),
    (Case("noise", 900, SEVERAL, noise), 31, 0.612841532786526, 0.2211675127266068),
    (Case("events at both edges", 600, EDGES, _raised), 50, 0.9752055279273445, 0.8453877232172217),
    (Case("tied scores", 600, ((50, 90), (95, 100), (400, 450)), _rounded), 24, 0.9084673870810882, 0.691669307145429),
    (Case("mostly zeros", 700, ((10, 30), (320, 420)), _burst), 60, 0.5220960019526596, 0.2488444656887834),
    (Case("constant scores", 300, ((100, 120),), constant), 16, 0.5057189308011435, 0.08766980824082614),
    (
        Case("fewer frames than thresholds", 40, ((10, 14), (30, 33)), _raised),
        9,
        0.9018197892151786,
        0.6991073562026302,
    ),
    (Case("a comb of single frames", 500, COMB, _raised), 37, 0.9854500901872328, 0.9497820559856748),
    (Case("no buffer", 500, ((100, 150), (160, 170)), _raised), 0, 0.947935606060606, 0.8495682270793953),
    (Case("a buffer of one", 500, ((100, 150), (160, 170)), _raised), 1, 0.947935606060606, 0.8495682270793953),
    (
        Case("a buffer longer than the series", 80, ((20, 30), (50, 52)), _raised),
        200,
        0.9917777063067347,
        0.9752227863427011,
    ),
    (Case("nearly all labelled", 300, ((0, 140), (142, 299)), noise), 12, 0.8700645829987578, 0.9982613853113536),
    (Case("perfect", 400, ((50, 80), (200, 260)), _perfect), 30, 1.0, 1.0),
    (Case("inverted", 400, ((50, 80), (200, 260)), _inverted), 30, 0.15073097758531145, 0.24027834358021535),
]
