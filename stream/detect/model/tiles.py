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

from stream.detect.model.autoencoders import TAPS, conv_steps
from stream.detect.policy import ModelSpec
from stream.errors import ShapeError

UNITS = 8  # see above
Affine: TypeAlias = tuple[Tensor, Tensor]  # weight and bias


class Tile(ABC):
    """Buffers and packed weights for `rows` windows at a time. Not for several threads at once.

    Attributes:
        windows: float32 (rows, W*F): the caller writes scaled windows here, flat, then calls `run`.
    """

    def __init__(self, spec: ModelSpec, rows: int) -> None:
        self.spec = spec
        self.windows = torch.zeros(rows, spec.window * spec.sensors)
        # The newest frame of a window is its last F values; nothing before need be computed for its error.
        self._frames_out = 1 if spec.error_span == "newest" else spec.window

    @abstractmethod
    def run(self) -> Tensor:
        """Reconstructs `windows`.

        Returns:
            float32 (K, F, rows) with error_span "newest", (K, W*F, rows) with "window"; overwritten by the next run.
        """


class DenseTile(Tile):
    """Dense, and variational with the mean for a code."""

    def __init__(self, spec: ModelSpec, weights: Mapping[str, Tensor], rows: int) -> None:
        super().__init__(spec, rows)
        self._outputs = self._frames_out * spec.sensors
        encode, encode_bias = pack(weights, "encode", pad_inputs=False)
        self._encode, self._encode_bias = encode.flatten(0, 1), encode_bias.flatten(0, 1)  # (K * hidden, W * F)
        self._code, self._decode = pack(weights, "code"), pack(weights, "decode")
        self._output = pack(weights, "output", newest=self._outputs)
        self._hidden, self._decoded = _room(encode_bias, rows), _room(self._decode[1], rows)
        self._codes, self._result = _room(self._code[1], rows), _room(self._output[1], rows)

    def run(self) -> Tensor:
        flat = self._hidden.view(-1, len(self.windows))
        torch.addmm(self._encode_bias, self._encode, self.windows.t(), out=flat).relu_()  # one product for all K
        _product(self._code, self._hidden, self._codes)
        _product(self._decode, self._codes, self._decoded).relu_()
        return _product(self._output, self._decoded, self._result)[:, : self._outputs]


class LinearTile(Tile):
    def __init__(self, spec: ModelSpec, weights: Mapping[str, Tensor], rows: int) -> None:
        super().__init__(spec, rows)
        self._outputs = self._frames_out * spec.sensors
        code, code_bias = pack(weights, "code", pad_inputs=False)
        self._code, self._code_bias = code.flatten(0, 1), code_bias.flatten(0, 1)  # (K * latent, W * F)
        self._output = pack(weights, "output", newest=self._outputs)
        self._codes, self._result = _room(code_bias, rows), _room(self._output[1], rows)

    def run(self) -> Tensor:
        flat = self._codes.view(-1, len(self.windows))
        torch.addmm(self._code_bias, self._code, self.windows.t(), out=flat)
        return _product(self._output, self._codes, self._result)[:, : self._outputs]


class ConvTile(Tile):
    """Values are (steps, channels, rows): four neighbouring steps lie as one matrix, so patches need no copy.

    Buffers have a step of zeros at each end, written once: the padding of the convolutions.
    """

    def __init__(self, spec: ModelSpec, weights: Mapping[str, Tensor], rows: int) -> None:
        super().__init__(spec, rows)
        self._steps = steps = conv_steps(spec.window)
        self._layers = {
            "narrow1": pack(weights, "narrow1", pad_inputs=False),
            "narrow2": pack(weights, "narrow2", in_groups=TAPS),
            "code": pack(weights, "code", in_groups=steps),
            "spread": pack(weights, "spread", out_groups=steps),
        }
        for name in ("widen1_even", "widen1_odd", "output_even", "output_odd"):
            self._layers[name] = pack(weights, name, in_groups=2)
        self._channels = _padded(spec.hidden)
        self._input = torch.zeros(rows, (TAPS * steps + 2) * spec.sensors)
        last = self._input.shape[1] - spec.sensors
        self._frames = self._input[:, last - spec.window * spec.sensors : last]
        self._first = torch.zeros(2 * steps + 2, self._channels, rows)
        self._second = torch.empty(steps, self._channels, rows)
        self._result = torch.empty(spec.members, self._frames_out * spec.sensors, rows)

    def run(self) -> Tensor:
        self._frames.copy_(self.windows)
        decode = self._newest if self._frames_out == 1 else self._window
        for member in range(self.spec.members):
            self._result[member] = decode(member, self._encode(member))
        return self._result

    def _layer(self, name: str, member: int) -> Affine:
        weight, bias = self._layers[name]
        return weight[member], bias[member]

    def _encode(self, member: int) -> Tensor:
        """(latent, rows)"""
        steps, sensors, channels, (rows, width) = self._steps, self.spec.sensors, self._channels, self._input.shape
        patches = self._input.as_strided((2 * steps, TAPS * sensors, rows), (2 * sensors, 1, width))
        _each_step(self._layer("narrow1", member), patches, self._first[1:-1]).relu_()
        patches = self._first.as_strided((steps, TAPS * channels, rows), (2 * channels * rows, rows, 1))
        second = _each_step(self._layer("narrow2", member), patches, self._second).relu_()
        weight, bias = self._layer("code", member)
        return torch.addmm(bias, weight, second.view(-1, rows))

    def _newest(self, member: int, codes: Tensor) -> Tensor:
        """(F, rows): the last step of a layer depends on the last step of the layer before alone."""
        channels = self._channels
        weight, bias = self._layer("spread", member)
        last = torch.addmm(bias[-channels:], weight[-channels:], codes).relu_()
        weight, bias = self._layer("widen1_odd", member)
        last = torch.addmm(bias, weight[:, :channels], last).relu_()
        weight, bias = self._layer("output_odd", member)
        return torch.addmm(bias, weight[:, :channels], last)[: self.spec.sensors]

    def _window(self, member: int, codes: Tensor) -> Tensor:
        """(W*F, rows)"""
        weight, bias = self._layer("spread", member)
        spread = torch.addmm(bias, weight, codes).relu_().view(self._steps, self._channels, -1)
        wide = self._widen("widen1", member, spread).relu_()  # (2S, C, rows)
        frames = self._widen("output", member, wide)  # (4S, F, rows)
        return frames[-self.spec.window :, : self.spec.sensors].flatten(0, 1)

    def _widen(self, name: str, member: int, steps: Tensor) -> Tensor:
        """A transposed convolution: (S, inputs, rows) -> (2S, outputs, rows)."""
        length, inputs, rows = steps.shape
        framed = pad(steps, (0, 0, 0, 0, 1, 1))
        pairs = framed.as_strided((length + 1, 2 * inputs, rows), (inputs * rows, rows, 1))
        even = _each_step(self._layer(f"{name}_even", member), pairs[:-1])
        odd = _each_step(self._layer(f"{name}_odd", member), pairs[1:])
        return torch.stack((even, odd), dim=1).flatten(0, 1)


def tile_of(spec: ModelSpec, weights: Mapping[str, Tensor], rows: int) -> Tile:
    """The tile of the spec's kind; weights as `Autoencoder.weights` gives them."""
    if spec.kind == "conv":
        return ConvTile(spec, weights, rows)
    return LinearTile(spec, weights, rows) if spec.kind == "linear" else DenseTile(spec, weights, rows)


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
        if not alike(tile.run()):
            return False
    return True


def alike(result: Tensor) -> bool:
    """Whether all rows, the last axis, have the same bits."""
    return torch.equal(result, result[..., :1].expand_as(result))


def _padded(units: int) -> int:
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
    more = (0, _padded(ins) - ins if pad_inputs else 0, 0, 0, 0, _padded(outs) - outs)
    grouped = pad(weight.reshape(members, out_groups, outs, in_groups, ins), more)
    biases = pad(bias.reshape(members, out_groups, outs), (0, _padded(outs) - outs))
    return grouped.flatten(3).flatten(1, 2).clone(), biases.flatten(1).unsqueeze(2).clone()


def _room(bias: Tensor, rows: int) -> Tensor:
    """A buffer for the outputs of the layer with this bias: (K, outputs, rows)."""
    return torch.empty(*bias.shape[:2], rows)


def _product(layer: Affine, values: Tensor, out: Tensor) -> Tensor:
    """weight (K, out, in) times values (K, in, rows), plus bias (K, out, 1)."""
    return torch.baddbmm(layer[1], layer[0], values, out=out)


def _each_step(layer: Affine, values: Tensor, out: Tensor | None = None) -> Tensor:
    """One member's weight (out, in) at every step of values (steps, in, rows)."""
    weight, bias = layer
    steps = len(values)
    return torch.baddbmm(bias.expand(steps, -1, -1), weight.expand(steps, -1, -1), values, out=out)
