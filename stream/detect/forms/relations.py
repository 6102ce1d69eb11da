"""Relations: the view of a sensor that no longer goes with the others, though each is where it has been before.

Each sensor's mean over the newest half of a window is predicted from the other sensors' means, and from all means over
the half before, by a linear map. The root of the mean square of what is left, in units of what is usual for each
sensor, says how far the sensors are from going together. It sees slow and small changes, as it predicts means.

Source: each sensor given all others is the graphical model of Gaussian data; Idé et al. 2009, "Proximity-based anomaly
detection using sparse structure learning", equations 11 and 12. Departs from it by a ridge instead of the lasso, by
means over half a window, and by the half before.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from stream.detect.forms.odd_sensors import LEAST, MOST, OddSensors
from stream.detect.model.layers import check_weights
from stream.detect.model.reduction import tree_sum
from stream.detect.model.tiles import TILE_SIZES, Tile, buffer, first_steady, pack, product
from stream.detect.policy import RELATION, ModelSpec
from stream.intake.columns import Bools, Float32s, Float64s, Int64s

PREFIX = "relations."  # of the names of its weights, which lie beside those of the autoencoder


def half_of(window: int) -> int:
    """The frames of each of the two means, a power of two: at most half a window."""
    return 1 << max((window // 2).bit_length() - 1, 0)


def halves(frames: Float32s, ends: Int64s, half: int) -> Float32s:
    """Sums over the newest `half` frames of windows, and over those before: float32 (n, 2 F).

    Always in the same order: a window's sums do not depend on its neighbours, to the bit.

    Args:
        frames: float32 (P, F). ends: int64 (n,), each in [2 half - 1, P).
    """
    sums, span = frames, 1
    while span < half:
        longer = sums.copy()
        longer[span:] += sums[:-span]
        sums, span = longer, 2 * span
    return np.concatenate([sums.take(ends, axis=0), sums.take(ends - half, axis=0)], axis=1)


class Relations:
    """Finds windows whose sensors do not go together, to the bit whatever the other windows are.

    Args:
        spec: of the autoencoder; W and F count.
        weights: as `weights` gives them. `relations.weight`, float32 (1, F, 2 F), and `relations.bias`, (1, F): from
            the sums of a window to what is left of each sensor. The sum of its squares is 1 at the limit.

    Raises:
        ShapeError: a name is missing or unknown, a shape differs, or a value is not finite.
    """

    def __init__(self, spec: ModelSpec, weights: Mapping[str, Tensor]) -> None:
        expected = {"weight": torch.zeros(1, spec.sensors, 2 * spec.sensors), "bias": torch.zeros(1, spec.sensors)}
        named = {name.removeprefix(PREFIX): value for name, value in weights.items()}
        self.weights = {PREFIX + name: value for name, value in check_weights("relations", named, expected).items()}
        self._half = half_of(spec.window)
        self._tile = first_steady(lambda rows: _Product(spec, self.weights, rows), TILE_SIZES)

    def of(self, frames: Float32s, ends: Int64s, masked: Bools | None = None) -> OddSensors:
        """Finds the sensors that do not go with the others in N windows.

        Args:
            frames, ends, masked: as in `Ensemble.errors`. A window with a masked cell is not judged.
        """
        if masked is not None and masked.any():
            holes = np.cumsum(np.append(False, masked.any(axis=1)))
            whole = np.flatnonzero(holes[ends + 1] == holes[ends + 1 - 2 * self._half])
        else:
            whole = np.arange(len(ends))
        left = self._left(halves(frames, ends[whole], self._half))  # (F, n)
        squares = left * left
        far = tree_sum(squares[None].copy())[0]
        odd = np.flatnonzero(far > 1)
        score = MOST - (MOST - LEAST) / np.sqrt(far[odd].astype(np.float64))
        parts = squares[:, odd] / squares[:, odd].max(axis=0, initial=0)  # (F, odd)
        sensors, of = np.nonzero(parts)
        view = np.full(len(of), RELATION, np.int8)
        return OddSensors(whole[odd[of]], sensors, score[of] * parts[sensors, of], view)

    @torch.inference_mode()
    def _left(self, sums: Float32s) -> Float32s:
        """The part of each sensor that is not predicted, float32 (F, n), tile by tile."""
        rows, count = len(self._tile.windows), len(sums)
        left = np.empty((sums.shape[1] // 2, -(-count // rows) * rows), np.float32)
        for first in range(0, count, rows):
            here = sums[first : first + rows]
            self._tile.windows[: len(here)] = torch.from_numpy(here)
            left[:, first : first + rows] = self._tile.run().numpy()[0]
        return left[:, :count]


class _Product(Tile):
    """The linear map of the sums of `rows` windows."""

    def __init__(self, spec: ModelSpec, weights: Mapping[str, Tensor], rows: int) -> None:
        super().__init__(spec, rows)
        self.windows = torch.zeros(rows, 2 * spec.sensors)
        self._layer = pack(weights, PREFIX.rstrip("."), pad_inputs=False)
        self._out = buffer(self._layer[1], rows)

    def run(self) -> Tensor:
        """The part of each sensor of `windows` that is not predicted: (1, F, rows)."""
        return product(self._layer, self.windows.t()[None], self._out)[:, : self.spec.sensors]


def relations_weights(predicted: Float64s, mean: Float64s, limit: Float64s) -> dict[str, Tensor]:
    """The weights of `Relations`.

    Args:
        predicted: float64 (2 F, F), the map from sums to the sum of each sensor's newest half; 0 for its own.
        mean: float64 (2 F,), of the sums.
        limit: float64 (F,), what may be left of each sensor, divided by the root of the number of sensors; infinite:
            it is not judged.
    """
    sensors = len(limit)
    weight = (np.eye(2 * sensors, sensors) - predicted).T / limit[:, None]
    bias = -weight @ mean
    made = {"weight": weight[None], "bias": bias[None]}
    return {PREFIX + name: torch.from_numpy(np.ascontiguousarray(value, np.float32)) for name, value in made.items()}
