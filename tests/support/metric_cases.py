"""Small seeded cases for the metrics, and what the reference implementations said of them. Only numpy is needed."""

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


def _noise(draw: np.random.Generator, labels: Bools) -> Floats:
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


def _constant(draw: np.random.Generator, labels: Bools) -> Floats:
    return np.full(len(labels), 0.25)


def _unit(draw: np.random.Generator, labels: Bools) -> Floats:
    """A little higher inside events, within [0, 1]."""
    return (draw.random(len(labels)) + 0.05 * labels) / 1.05


def _unit_tied(draw: np.random.Generator, labels: Bools) -> Floats:
    """The same in tenths."""
    tied: Floats = np.rint(10 * _unit(draw, labels)).astype(np.float64) / 10
    return tied


COMB = tuple((first, first + 1) for first in range(40, 460, 6))
SEVERAL = ((100, 130), (300, 301), (420, 480), (700, 760))
EDGES = ((0, 15), (585, 600))

# A case, a buffer, VUS-ROC and VUS-PR by `RangeAUC_volume_opt` of TSB-AD 1.5 (numpy 1.26.4).
VUS_CASES = [
    (Case("one event", 400, ((200, 240),), _raised), 20, 0.9265128770234935, 0.77460031178323),
    (Case("several events, buffers that meet", 900, SEVERAL, _raised), 125, 0.9712620831007764, 0.9112701770977012),
    (Case("late", 900, SEVERAL, _late), 40, 0.9218990673582615, 0.8133545626104297),
    (Case("noise", 900, SEVERAL, _noise), 31, 0.612841532786526, 0.2211675127266068),
    (Case("events at both edges", 600, EDGES, _raised), 50, 0.9752055279273445, 0.8453877232172217),
    (Case("tied scores", 600, ((50, 90), (95, 100), (400, 450)), _rounded), 24, 0.9084673870810882, 0.691669307145429),
    (Case("mostly zeros", 700, ((10, 30), (320, 420)), _burst), 60, 0.5220960019526596, 0.2488444656887834),
    (Case("constant scores", 300, ((100, 120),), _constant), 16, 0.5057189308011435, 0.08766980824082614),
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
    (Case("nearly all labelled", 300, ((0, 140), (142, 299)), _noise), 12, 0.8700645829987578, 0.9982613853113536),
    (Case("perfect", 400, ((50, 80), (200, 260)), _perfect), 30, 1.0, 1.0),
    (Case("inverted", 400, ((50, 80), (200, 260)), _inverted), 30, 0.15073097758531145, 0.24027834358021535),
]

# Series, a threshold, then by profile (standard, low FP, low FN) the score of the threshold, and the best threshold and
# its score, all before normalisation: `Sweeper` of NAB, commit ea702d7. Above all scores its threshold is 1.1.
NAB_CASES = [
    (
        "one window",
        (Case("a", 600, ((300, 360),), _unit),),
        0.97,
        (0.9437422611978669, 0.9437422611978669, 0.9437422611978669),
        (
            (0.9932846273796248, 0.9437422611978669),
            (0.9932846273796248, 0.9437422611978669),
            (0.9932846273796248, 0.9437422611978669),
        ),
    ),
    (
        "a series without windows",
        (Case("a", 500, ((200, 250), (400, 450)), _unit), Case("b", 300, (), _unit, 8)),
        0.95,
        (1.654368622459605, 1.3310117216428423, 1.654368622459605),
        (
            (0.9619723019296915, 1.9777255232763675),
            (0.9619723019296915, 1.9777255232763675),
            (0.9619723019296915, 1.9777255232763675),
        ),
    ),
    (
        "tied scores",
        (Case("a", 500, ((200, 250), (300, 302)), _unit_tied), Case("b", 400, ((390, 400),), _unit_tied, 8)),
        0.5,
        (-37.66554103907082, -78.33108207814163, -37.66554103907082),
        ((1.0, 0.428357165055159), (1.0, 0.0983571650551589), (1.0, -0.571642834944841)),
    ),
    (
        "a window that begins in probation",
        (Case("a", 400, ((50, 90), (95, 130), (200, 210)), _unit),),
        0.98,
        (-3.0, -3.0, -6.0),
        (
            (0.9619723019296915, 2.5215748675172147),
            (0.9619723019296915, 2.5215748675172147),
            (0.9619723019296915, 2.5215748675172147),
        ),
    ),
    (
        "a window within probation",
        (Case("a", 400, ((10, 40), (200, 240)), _unit),),
        0.5,
        (-14.287928656816922, -29.575857313633843, -14.287928656816922),
        (
            (0.9619723019296915, 0.9813229125002689),
            (0.9619723019296915, 0.9813229125002689),
            (0.9619723019296915, 0.9813229125002689),
        ),
    ),
    (
        "probation of 750 rows at most",
        (Case("a", 6000, ((1000, 1300), (3000, 3300)), _unit),),
        0.997,
        (1.3556955248517704, 1.3556955248517704, 1.3556955248517704),
        (
            (0.955139374134597, 1.9872042611739102),
            (0.955139374134597, 1.9872042611739102),
            (0.955139374134597, 1.9872042611739102),
        ),
    ),
    (
        "nothing found",
        (Case("a", 600, ((300, 360),), _unit),),
        1.05,
        (-1.0, -1.0, -2.0),
        (
            (0.9932846273796248, 0.9437422611978669),
            (0.9932846273796248, 0.9437422611978669),
            (0.9932846273796248, 0.9437422611978669),
        ),
    ),
    (
        "constant scores",
        (Case("a", 300, ((100, 120),), _constant),),
        0.25,
        (-24.324322341883228, -49.648644683766456, -24.324322341883228),
        ((np.inf, -1.0), (np.inf, -1.0), (np.inf, -2.0)),
    ),
    (
        "noise",
        (Case("a", 900, ((200, 245), (600, 645)), _noise), Case("b", 900, ((700, 790),), _noise, 8)),
        0.99,
        (-3.2210406641288323, -4.865064910434393, -5.221040664128832),
        ((0.9939082861075176, -2.3463470702907254), (np.inf, -3.0), (0.9392198314329572, -4.19347699058843)),
    ),
]
