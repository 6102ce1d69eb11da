"""Frozen inference on tiles: a fixed number of windows, in the layout in which no window sees its neighbours.

The bits of a matrix product's row depend on where the row lies: BLAS kernels treat the edge of a block differently
(a tenth of shapes, x Aᵀ with the windows as rows, even in tiles of fixed size). Laid out the other way, A xᵀ, windows
are the *last* axis, the one that the kernel vectorises, and each runs through the same sequence of operations. All
products here are of that form: values are (units, rows), K members in front. `steady` checks it on the machine at hand.

Units are padded with zeros to multiples of 8: with other counts the bits would depend on the number of threads.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import pad

from stream.detect.policy import ModelSpec
from stream.errors import ShapeError

UNITS = 8  # see above
Affine: TypeAlias = tuple[Tensor, Tensor]  # weight and bias


class Tile(ABC):
    """Buffers and packed weights for `rows` windows at a time. Not for several threads at once.

    Attributes:
        windows: float32 (rows, W*F): the caller writes scaled windows here, flat, then calls `run`.
        frames_out: frames of a window that are reconstructed, the newest ones: those that the error spans.
    """

    def __init__(self, spec: ModelSpec, rows: int) -> None:
        self.spec = spec
        self.windows = torch.zeros(rows, spec.window * spec.sensors)
        # The newest frame of a window is its last F values; nothing before need be computed for its error.
        self.frames_out = 1 if spec.error_span == "newest" else spec.window

    @abstractmethod
    def run(self) -> Tensor:
        """Reconstructs `windows`.

        Returns:
            float32 (K, F, rows) with error_span "newest", (K, W*F, rows) with "window"; overwritten by the next run.
        """


def steady(make: Callable[[int], Tile], sizes: Sequence[int]) -> Tile:
    """The first tile, in the order of `sizes`, in which equal windows get equal bits wherever they lie.

    Raises:
        ShapeError: none does; a size of 1 always does.
    """
    for rows in sizes:
        tile = make(rows)
        if is_steady(tile):
            return tile
    raise ShapeError(
        f"no tile of {list(sizes)} windows gives equal windows equal errors here; let 1 be among the sizes"
    )


def is_steady(tile: Tile) -> bool:
    """Whether the same window in every row gives the same bits in every row, for a few drawn windows."""
    draw = torch.Generator().manual_seed(0)
    for _ in range(3):
        tile.windows.copy_(torch.randn(tile.windows.shape[1], generator=draw).expand_as(tile.windows))
        if not rows_equal(tile.run()):
            return False
    return True


def rows_equal(result: Tensor) -> bool:
    """Whether all rows, the last axis, have the same bits."""
    return torch.equal(result, result[..., :1].expand_as(result))


def padded(units: int) -> int:
    return -(-units // UNITS) * UNITS


def pack(
    weights: Mapping[str, Tensor],
    name: str,
    *,
    newest: int | None = None,
    out_groups: int = 1,
    in_groups: int = 1,
    pad_inputs: bool = True,
) -> Affine:
    """Own, aligned, padded copies of a layer: weight (K, outputs, inputs) and bias (K, outputs, 1).

    Args:
        newest: only so many outputs, the last ones; all by default.
        out_groups, in_groups: units are padded within each group (a time step, a tap) of the layer's units.
        pad_inputs: False where the inputs are the window's own values.
    """
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    if newest is not None:
        weight, bias = weight[:, -newest:], bias[:, -newest:]
    members, outputs, inputs = weight.shape
    outs, ins = outputs // out_groups, inputs // in_groups
    more = (0, padded(ins) - ins if pad_inputs else 0, 0, 0, 0, padded(outs) - outs)
    grouped = pad(weight.reshape(members, out_groups, outs, in_groups, ins), more)
    biases = pad(bias.reshape(members, out_groups, outs), (0, padded(outs) - outs))
    return grouped.flatten(3).flatten(1, 2).clone(), biases.flatten(1).unsqueeze(2).clone()


def buffer(bias: Tensor, rows: int) -> Tensor:
    """A buffer for the outputs of the layer with this bias: (K, outputs, rows)."""
    return torch.empty(*bias.shape[:2], rows)


def product(layer: Affine, values: Tensor, out: Tensor) -> Tensor:
    """weight (K, out, in) times values (K, in, rows), plus bias (K, out, 1)."""
    return torch.baddbmm(layer[1], layer[0], values, out=out)
