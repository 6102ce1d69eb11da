"""The model kind `conv`: convolutions along time."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import pad, relu

from stream.detect.model.kind import Autoencoder, ModelKind
from stream.detect.model.layers import Layer
from stream.detect.model.tiles import Affine, Tile, pack, padded
from stream.detect.policy import ModelSpec

TAPS = 4  # frames under a convolution's kernel; its stride is 2


class Conv(Autoencoder):
    """Two convolutions over time (kernel 4, stride 2), a linear code, two transposed ones back.

    A window is padded with zeros in front to a multiple of 4, and cropped again, so the newest frame is the last step
    of each layer. A convolution is a product with patches; a transposed one has two phases, each a product with pairs
    of neighbours. It is the same arithmetic in a form in which one batched product serves all members.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        members, channels, flat = spec.members, spec.hidden, conv_steps(spec.window) * spec.hidden
        self.narrow1 = Layer(members, channels, TAPS * spec.sensors)
        self.narrow2 = Layer(members, channels, TAPS * channels)
        self.code = Layer(members, spec.latent, flat)
        self.spread = Layer(members, flat, spec.latent)
        self.widen1_even = Layer(members, channels, 2 * channels)
        self.widen1_odd = Layer(members, channels, 2 * channels)
        self.output_even = Layer(members, spec.sensors, 2 * channels)
        self.output_odd = Layer(members, spec.sensors, 2 * channels)

    def forward(self, windows: Tensor) -> Tensor:
        """Reconstructs windows, (K, N, W, F) -> (K, N, W, F)."""
        members, count, window, _ = windows.shape
        padded = pad(windows, (0, 0, TAPS * conv_steps(window) - window, 0))  # (K, N, 4S, F)
        hidden = self._drop(relu(_narrow(padded, self.narrow1)))  # (K, N, 2S, C)
        hidden = self._drop(relu(_narrow(hidden, self.narrow2)))  # (K, N, S, C)
        codes = self.code(hidden.flatten(2))  # (K, N, latent)
        spread = relu(self.spread(codes)).view(members, count, -1, self.spec.hidden)  # (K, N, S, C)
        wide = relu(_widen(spread, self.widen1_even, self.widen1_odd))  # (K, N, 2S, C)
        return _widen(wide, self.output_even, self.output_odd)[:, :, -window:]  # (K, N, W, F)


class ConvTile(Tile):
    """The frozen form of `Conv`.

    Values are (steps, channels, rows): four neighbouring steps are one matrix in memory, so patches need no copy.
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
        self._channels = padded(spec.hidden)
        self._input = torch.zeros(rows, (TAPS * steps + 2) * spec.sensors)
        last = self._input.shape[1] - spec.sensors
        self._frames = self._input[:, last - spec.window * spec.sensors : last]
        self._first = torch.zeros(2 * steps + 2, self._channels, rows)
        self._second = torch.empty(steps, self._channels, rows)
        self._result = torch.empty(spec.members, spec.error_frames * spec.sensors, rows)

    def run(self) -> Tensor:
        """Reconstructs `windows`; see `Tile.run`."""
        self._frames.copy_(self.windows)
        decode = self._newest if self.spec.error_frames == 1 else self._window
        for member in range(self.spec.members):
            self._result[member] = decode(member, self._encode(member))
        return self._result

    def _layer(self, name: str, member: int) -> Affine:
        weight, bias = self._layers[name]
        return weight[member], bias[member]

    def _encode(self, member: int) -> Tensor:
        """Codes of one member, (latent, rows)."""
        steps, sensors, channels, (rows, width) = self._steps, self.spec.sensors, self._channels, self._input.shape
        patches = self._input.as_strided((2 * steps, TAPS * sensors, rows), (2 * sensors, 1, width))
        _each_step(self._layer("narrow1", member), patches, self._first[1:-1]).relu_()
        patches = self._first.as_strided((steps, TAPS * channels, rows), (2 * channels * rows, rows, 1))
        second = _each_step(self._layer("narrow2", member), patches, self._second).relu_()
        weight, bias = self._layer("code", member)
        return torch.addmm(bias, weight, second.view(-1, rows))

    def _newest(self, member: int, codes: Tensor) -> Tensor:
        """The newest frame, (F, rows): the last step of a layer depends only on the last step of the layer before."""
        channels = self._channels
        weight, bias = self._layer("spread", member)
        last = torch.addmm(bias[-channels:], weight[-channels:], codes).relu_()
        weight, bias = self._layer("widen1_odd", member)
        last = torch.addmm(bias, weight[:, :channels], last).relu_()
        weight, bias = self._layer("output_odd", member)
        return torch.addmm(bias, weight[:, :channels], last)[: self.spec.sensors]

    def _window(self, member: int, codes: Tensor) -> Tensor:
        """The whole window, (W*F, rows)."""
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


def conv_steps(window: int) -> int:
    """S, the time steps of a window of W frames after both convolutions: ceil(W / 4)."""
    return -(-window // TAPS)


def _narrow(steps: Tensor, layer: Layer) -> Tensor:
    """(K, N, 2S, inputs) -> (K, N, S, outputs): kernel 4, stride 2, one zero step of padding at each end."""
    members, count, length, _ = steps.shape
    patches = pad(steps, (0, 0, 1, 1)).unfold(2, TAPS, 2).transpose(3, 4)  # (K, N, S, 4, inputs)
    steps_out: Tensor = layer(patches.reshape(members, count * length // 2, -1))  # (K, N * S, outputs)
    return steps_out.view(members, count, length // 2, -1)


def _widen(steps: Tensor, even: Layer, odd: Layer) -> Tensor:
    """(K, N, S, inputs) -> (K, N, 2S, outputs): step 2i depends on i-1 and i, step 2i+1 on i and i+1."""
    members, count, length, _ = steps.shape
    pairs = pad(steps, (0, 0, 1, 1)).unfold(2, 2, 1).transpose(3, 4).flatten(3)  # (K, N, S + 1, 2 * inputs)
    before = even(pairs[:, :, :-1].reshape(members, count * length, -1))  # (K, N * S, outputs)
    after = odd(pairs[:, :, 1:].reshape(members, count * length, -1))
    return torch.stack((before, after), dim=2).view(members, count, 2 * length, -1)


def _each_step(layer: Affine, values: Tensor, out: Tensor | None = None) -> Tensor:
    """Applies one member's layer (out, in) to every step of values (steps, in, rows)."""
    weight, bias = layer
    steps = len(values)
    return torch.baddbmm(bias.expand(steps, -1, -1), weight.expand(steps, -1, -1), values, out=out)


KIND = ModelKind("conv", Conv, ConvTile, usual_hidden=32, min_window=TAPS)
