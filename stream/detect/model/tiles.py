"""Frozen inference on tiles: a fixed number of windows, in a layout in which neighbours do not change a bit.

With windows as rows, x Aᵀ, the bits of a row depend on its place: BLAS kernels treat the edge of a block differently
(in a tenth of shapes, even in tiles of fixed size). With A xᵀ, windows are the *last* axis, which the kernel
vectorises, and each window goes through the same sequence of operations. All products here have that form: values are
(units, rows), with K members in front. `first_steady` checks this on the machine at hand.

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
TILE_ROWS = 256
# A smaller one is taken only if the machine's matrix products are not steady in the larger; a single row always is.
TILE_SIZES = (TILE_ROWS, 64, 16, 1)
Affine: TypeAlias = tuple[Tensor, Tensor]  # weight and bias


class Tile(ABC):
    """The frozen form of a model: buffers and packed weights for `rows` windows at a time. For one thread at a time.

    Attributes:
        windows: float32 (rows, W*F): the caller writes scaled windows here, flat, then calls `run`.
    """

    def __init__(self, spec: ModelSpec, rows: int) -> None:
        self.spec = spec
        self.windows = torch.zeros(rows, spec.window * spec.sensors)

    @abstractmethod
    def run(self) -> Tensor:
        """Reconstructs `windows`.

        Returns:
            float32 (K, F, rows) with error_span "newest", (K, W*F, rows) with "window"; overwritten by the next run.
        """


def first_steady(make: Callable[[int], Tile], sizes: Sequence[int]) -> Tile:
    """The first tile, in the order of `sizes`, in which a window has the same bits in every row.

    Raises:
        ShapeError: there is none; a tile of 1 always is one.
    """
    for rows in sizes:
        tile = make(rows)
        if is_steady(tile):
            return tile
    raise ShapeError(
        f"no tile of {list(sizes)} windows gives equal windows equal errors here; let 1 be among the sizes"
    )


def is_steady(tile: Tile) -> bool:
    """True if the same window in every row gives the same bits in every row, for a few random windows."""
    draw = torch.Generator().manual_seed(0)
    for _ in range(3):
        tile.windows.copy_(torch.randn(tile.windows.shape[1], generator=draw).expand_as(tile.windows))
        if not rows_equal(tile.run()):
            return False
    return True


def rows_equal(result: Tensor) -> bool:
    """True if all rows, the last axis, have the same bits."""
    return torch.equal(result, result[..., :1].expand_as(result))


def padded(units: int) -> int:
    """The number of units with padding."""
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
    """Aligned, padded copies of a layer: weight (K, outputs, inputs) and bias (K, outputs, 1).

    Args:
        newest: number of outputs, the last ones; None: all.
        out_groups, in_groups: units are padded within each group (a time step, a tap) of the layer's units.
        pad_inputs: False if the inputs are the values of the window.
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
    """An empty buffer for the outputs of the layer with this bias: (K, outputs, rows)."""
    return torch.empty(*bias.shape[:2], rows)


def product(layer: Affine, values: Tensor, out: Tensor) -> Tensor:
    """Weight (K, out, in) times values (K, in, rows), plus bias (K, out, 1)."""
    return torch.baddbmm(layer[1], layer[0], values, out=out)
