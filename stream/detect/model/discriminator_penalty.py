"""What the discriminator's opinion adds to the error of a window, on the tiles and to the bit, as `tiles` has it.

    error + reach * mean over sensors of min(MOST, max(0, (logit - floor) * slope))

On held-out normal data a sensor's logit is above its floor in one window of a hundred: where the discriminator is
unsure the error stays what it is, to the bit. A logit as far above the floor as the floor is above the median counts as
an error that is as far out. It grows in both, and no further than MOST: an operating state that the discriminator has
never seen can raise a score, but not by much; and the error of each sensor, which alerts name, is left alone.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from stream.detect.model.discriminator import frames_seen, load
from stream.detect.model.reduction import Bools, Float32s, Float64s, tree_sum
from stream.detect.model.tiles import pack, rows_equal
from stream.detect.policy import ModelSpec

MOST = 3.0


class DiscriminatorPenalty:
    """Packed weights and buffers for `rows` windows at a time. Not for several threads at once.

    All sensors and windows are the columns of one product; members take turns, so that one's residuals stay in cache.
    """

    def __init__(self, spec: ModelSpec, weights: Mapping[str, Tensor], rows: int) -> None:
        """
        Raises:
            ShapeError: weights that are not those of `spec`.
        """
        made = load(spec, weights)
        packed = made.state_dict()
        self._frames, self._sensors, self._rows = frames_seen(spec), spec.sensors, rows
        self._first, self._second = pack(packed, "first", pad_inputs=False), pack(packed, "second")
        columns = spec.sensors * rows
        self._hidden, self._judged = (torch.empty(bias.shape[1], columns) for _, bias in (self._first, self._second))
        self._logits = np.empty((spec.members, spec.sensors, rows), np.float32)
        self._seen = torch.zeros(self._frames, columns)
        self._size = np.empty(self._seen.shape, np.float32)
        self._per_unit = np.repeat(1 / made.unit.numpy(), rows, axis=1)  # (K, F * rows)
        self._floor, self._slope = made.floor.numpy()[:, :, None], made.slope.numpy()[:, :, None]
        self._reach = made.reach.double().numpy()[:, None]

    def of(self, made: Float32s, seen: Float32s, left_out: Bools | None) -> Float64s:
        """What is added to the errors of the members.

        Args:
            made, seen: float32 (K, frames * F, rows) and (frames * F, rows); 1 frame, or W.
            left_out: bool (frames, F, rows), or None.

        Returns:
            float64 (K, rows), >= 0; a sensor that is left out throughout has no say. NaN where every one is.
        """
        for member, own in enumerate(made):
            self._look(member, own, seen, left_out)
            self._judge(member)
        odd = np.clip((self._logits - self._floor) * self._slope, 0, np.float32(MOST))  # (K, F, rows)
        counted = np.full(self._rows, self._sensors, np.float32)
        if left_out is not None:
            blind = left_out.all(axis=0)  # (F, rows)
            np.copyto(odd, 0, where=blind)
            counted -= blind.sum(axis=0, dtype=np.float32)
        with np.errstate(invalid="ignore"):  # nothing is seen: NaN
            doubt: Float64s = self._reach * (tree_sum(odd) / counted)
        return doubt

    def is_steady(self) -> bool:
        """Whether the same residuals in every row give the same bits in every row, for a few drawn windows."""
        draw = torch.Generator().manual_seed(0)
        rows = self._seen.view(-1, self._rows)  # (frames * F, rows)
        for _ in range(3):
            rows.copy_(torch.randn(len(rows), 1, generator=draw).expand_as(rows))
            for member in range(len(self._logits)):
                self._judge(member)
            if not rows_equal(torch.from_numpy(self._logits)):
                return False
        return True

    def _look(self, member: int, made: Float32s, seen: Float32s, left_out: Bools | None) -> None:
        """Puts a member's residuals r, in units of what is usual, into the buffer: r / (1 + |r|), 0 where left out."""
        residuals = self._seen.numpy()  # (frames, F * rows)
        np.subtract(made, seen, out=residuals.reshape(seen.shape))
        if left_out is not None:
            np.copyto(residuals.reshape(left_out.shape), 0, where=left_out)
        residuals *= self._per_unit[member]
        size = np.abs(residuals, out=self._size)
        size += 1
        residuals /= size

    def _judge(self, member: int) -> None:
        """The logits of what is in the buffer, as this member sees it."""
        (first, first_bias), (second, second_bias) = self._first, self._second
        torch.addmm(first_bias[member], first[member], self._seen, out=self._hidden).relu_()
        torch.addmm(second_bias[member], second[member], self._hidden, out=self._judged)
        self._logits[member] = self._judged[0].view(self._sensors, self._rows).numpy()
