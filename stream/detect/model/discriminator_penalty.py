"""The penalty that the discriminator adds to the error of a window, computed on tiles, to the bit.

    error + reach * mean over sensors of min(MAX_PENALTY, max(0, (logit - floor) * slope))

On held-out normal data a sensor's logit is above its floor in one window of a hundred. Up to the floor the error stays
the same, to the bit. A logit as far above the floor as the floor is above the median adds one `reach`. The penalty ends
at MAX_PENALTY: an operating state that was not in training can raise a score, but not by much. The errors per sensor,
which alerts name, do not change.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from stream.detect.model.discriminator import load
from stream.detect.model.reduction import tree_sum
from stream.detect.model.tiles import pack, rows_equal
from stream.detect.policy import ModelSpec
from stream.intake.columns import Bools, Float32s, Float64s

MAX_PENALTY = 3.0  # in units of `reach`


class DiscriminatorPenalty:
    """The frozen form of a discriminator: packed weights and buffers for `rows` windows. For one thread at a time.

    All sensors and windows are the columns of one product. Members take turns, so that their residuals stay in cache.

    Raises:
        ShapeError: weights that are not those of `spec`.
    """

    def __init__(self, spec: ModelSpec, weights: Mapping[str, Tensor], rows: int) -> None:
        network = load(spec, weights)
        packed = network.state_dict()
        self._frames, self._sensors, self._rows = spec.error_frames, spec.sensors, rows
        self._first, self._second = pack(packed, "first", pad_inputs=False), pack(packed, "second")
        columns = spec.sensors * rows
        self._hidden, self._outputs = (torch.empty(bias.shape[1], columns) for _, bias in (self._first, self._second))
        self._logits = np.empty((spec.members, spec.sensors, rows), np.float32)
        self._inputs = torch.zeros(self._frames, columns)
        self._size = np.empty(self._inputs.shape, np.float32)
        self._per_unit = np.repeat(1 / network.unit.numpy(), rows, axis=1)  # (K, F * rows)
        self._floor, self._slope = network.floor.numpy()[:, :, None], network.slope.numpy()[:, :, None]
        self._reach = network.reach.double().numpy()[:, None]

    def of(self, reconstructed: Float32s, observed: Float32s, left_out: Bools | None) -> Float64s:
        """The penalties of the members.

        Args:
            reconstructed: float32 (K, frames * F, rows), frames being 1 or W.
            observed: float32 (frames * F, rows).
            left_out: bool (frames, F, rows); None: nothing is left out.

        Returns:
            float64 (K, rows), >= 0. A sensor that is left out throughout does not count; NaN where all are.
        """
        for member, own in enumerate(reconstructed):
            self._set_inputs(member, own, observed, left_out)
            self._run(member)
        excess = np.clip((self._logits - self._floor) * self._slope, 0, np.float32(MAX_PENALTY))  # (K, F, rows)
        counted = np.full(self._rows, self._sensors, np.float32)
        if left_out is not None:
            absent = left_out.all(axis=0)  # (F, rows)
            np.copyto(excess, 0, where=absent)
            counted -= absent.sum(axis=0, dtype=np.float32)
        with np.errstate(invalid="ignore"):  # no sensor counts: NaN
            penalty: Float64s = self._reach * (tree_sum(excess) / counted)
        return penalty

    def is_steady(self) -> bool:
        """True if the same residuals in every row give the same bits in every row, for a few random windows."""
        draw = torch.Generator().manual_seed(0)
        rows = self._inputs.view(-1, self._rows)  # (frames * F, rows)
        for _ in range(3):
            rows.copy_(torch.randn(len(rows), 1, generator=draw).expand_as(rows))
            for member in range(len(self._logits)):
                self._run(member)
            if not rows_equal(torch.from_numpy(self._logits)):
                return False
        return True

    def _set_inputs(self, member: int, own: Float32s, observed: Float32s, left_out: Bools | None) -> None:
        """Sets the inputs to r / (1 + |r|), r being one member's residuals in their usual units; 0 where left out."""
        residuals = self._inputs.numpy()  # (frames, F * rows)
        np.subtract(own, observed, out=residuals.reshape(observed.shape))
        if left_out is not None:
            np.copyto(residuals.reshape(left_out.shape), 0, where=left_out)
        residuals *= self._per_unit[member]
        size = np.abs(residuals, out=self._size)
        size += 1
        residuals /= size

    def _run(self, member: int) -> None:
        """Computes one member's logits of the inputs."""
        (first, first_bias), (second, second_bias) = self._first, self._second
        torch.addmm(first_bias[member], first[member], self._inputs, out=self._hidden).relu_()
        torch.addmm(second_bias[member], second[member], self._hidden, out=self._outputs)
        self._logits[member] = self._outputs[0].view(self._sensors, self._rows).numpy()
