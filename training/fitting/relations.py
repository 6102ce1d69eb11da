"""The relations between sensors: a ridge of each sensor from the others, and the limit of what it leaves."""

import numpy as np
from torch import Tensor

from stream.detect.forms.relations import half_of, halves, relations_weights
from stream.detect.policy import ModelSpec
from stream.intake.columns import Bools, Float32s, Float64s, UInt8s
from training.data.framing import FramedHistory
from training.data.split import Part

RIDGES = 10.0 ** np.arange(-3, 4)
# Windows that a ridge is fitted on at most, evenly spread; each part has so many at least.
MOST, FEWEST = 12_000, 30
# With more sensors, the map and its inverse would be too large.
MOST_SENSORS = 512
# Fewer blocks of held-out data do not tell a limit.
BLOCKS = 100
# A sensor that moves less, in scaled units, is not judged; no limit of a sensor is lower.
MOVES, LOWEST = 0.02, 0.1
# The unit of what is left of a sensor is its quantile of this order, where it is largest.
TAIL = 0.999
# The limit is this times the largest value in held-out data before the gate part.
MARGIN = 1.5


def fit_relations(
    framed: FramedHistory, part: UInt8s, frames: Float32s, masked: Bools | None, spec: ModelSpec
) -> dict[str, Tensor]:
    """Fits the weights of `Relations`; none where no sensor moves, or newer normal data do not keep to the limit.

    Args:
        part: uint8 (T,), `Part`.
        frames: float32 (T, F), scaled; masked cells hold 0. masked: bool (T, F), or None.
    """
    half, sensors = half_of(spec.window), spec.sensors
    hole = np.zeros(len(frames), np.bool_) if masked is None else masked.any(axis=1)
    holes = np.cumsum(np.append(np.zeros(2 * half, np.int64), hole))
    ends = {
        of: np.flatnonzero(framed.within(part, of, 2 * half) & (holes[2 * half :] == holes[: -2 * half]))
        for of in Part
        if of != Part.NONE
    }
    held_out = ends[Part.STOP], ends[Part.CALIBRATE], ends[Part.GATE]
    used = [ends[of] for of in (Part.FIT, Part.STOP, Part.CALIBRATE)]
    is_short = min(map(len, used)) < FEWEST or sum(map(len, held_out)) < BLOCKS * spec.block
    if half < 2 or sensors > MOST_SENSORS or is_short:
        return {}
    fit, stop, _ = sums = [halves(frames, of, half).astype(np.float64) / half for of in used]
    moves = fit[:, :sensors].std(axis=0) > MOVES
    if not moves.any():
        return {}
    mean = fit.mean(axis=0)
    predicted = _ridges(fit[:: len(fit) // MOST + 1] - mean, stop - mean, sensors)
    left = [_left(of - mean, predicted) for of in sums]
    unit = np.maximum(np.max([np.quantile(np.abs(of), TAIL, axis=0) for of in left], axis=0), LOWEST)
    unit[~moves] = np.inf
    limit = MARGIN * max(_far(of, unit, moves).max() for of in left[1:])
    newer = _left(halves(frames, ends[Part.GATE], half).astype(np.float64) / half - mean, predicted)
    if (_far(newer, unit, moves) > limit).any():
        return {}
    return relations_weights(predicted, mean * half, unit * limit * np.sqrt(moves.sum()) * half)


def _ridges(fit: Float64s, stop: Float64s, sensors: int) -> Float64s:
    """The map from means (2 F,) to each sensor's newest mean, (2 F, F): of each, the ridge that predicts `stop` best.

    Args:
        fit, stop: float64 (n, 2 F), means over halves of windows, less the means of all.
    """
    scatter, inside = fit.T @ fit / len(fit), np.arange(sensors)
    best, least = np.zeros((2 * sensors, sensors)), np.full(sensors, np.inf)
    for ridge in RIDGES:
        # Each variable given all others, by the inverse of their scatter.
        inverse = np.linalg.inv(scatter + ridge * np.eye(2 * sensors))
        made = -inverse[:, :sensors] / np.diag(inverse)[:sensors]
        made[inside, inside] = 0.0
        error = np.square(_left(stop, made)).mean(axis=0)
        better = error < least
        best[:, better], least[better] = made[:, better], error[better]
    return best


def _left(means: Float64s, predicted: Float64s) -> Float64s:
    """The part of each sensor's newest mean that is not predicted, (n, F)."""
    left: Float64s = means[:, : predicted.shape[1]] - means @ predicted
    return left


def _far(left: Float64s, unit: Float64s, moves: Bools) -> Float64s:
    """Root of the mean square of what is left of the sensors that move, in their units: (n,)."""
    far: Float64s = np.sqrt(np.square(left / unit).sum(axis=1) / moves.sum())
    return far
