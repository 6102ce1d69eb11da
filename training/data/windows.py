"""Windows over scaled frames, copied when training asks for them: (N, W * F) never exists as a whole."""

import numpy as np
import torch
from torch import Tensor

from stream.detect.policy import ModelSpec
from stream.intake.columns import Bools, Float32s, Int64s


class Windows:
    """Gives windows of W consecutive rows.

    Args:
        frames: float32 (P, F), C-contiguous, scaled; masked cells hold 0.
        masked: bool (P, F), or None.
    """

    def __init__(self, frames: Float32s, masked: Bools | None, spec: ModelSpec) -> None:
        self._shape = (spec.window, spec.sensors)
        self._values = self._runs(torch.from_numpy(frames if frames.flags.writeable else frames.copy()))
        blank = masked is None or not masked.any()
        # 1 where a cell counts. None: all cells count.
        self._counted = None if blank else self._runs(torch.from_numpy(1.0 - np.asarray(masked, dtype=np.float32)))

    def at(self, ends: Tensor) -> tuple[Tensor, Tensor | None]:
        """Gives the windows whose newest frames are the rows `ends` (K, n).

        Returns:
            The windows, float32 (K, n, W, F), and 1 where a cell counts, of the same shape; None: all cells count.
        """
        starts = (ends - (self._shape[0] - 1)).flatten()
        shape = (*ends.shape, *self._shape)
        values = self._values.index_select(0, starts).view(shape)
        return values, None if self._counted is None else self._counted.index_select(0, starts).view(shape)

    def _runs(self, rows: Tensor) -> Tensor:
        window, sensors = self._shape
        return rows.as_strided((len(rows) - window + 1, window * sensors), (sensors, 1))


def evenly(ends: Int64s, most: int) -> Int64s:
    """Takes at most `most` of the windows, evenly spaced."""
    chosen: Int64s = ends[np.linspace(0, len(ends) - 1, min(len(ends), most)).astype(np.int64)]
    return chosen
