"""The model kind `linear`: one layer to the code and one back."""

from collections.abc import Mapping

import torch
from torch import Tensor

from stream.detect.model.kind import Autoencoder, ModelKind
from stream.detect.model.layers import Layer
from stream.detect.model.tiles import Tile, buffer, pack, product
from stream.detect.policy import ModelSpec


class Linear(Autoencoder):
    """W*F -> latent -> W*F, no hidden layer, no dropout: it can learn the principal subspace, and no more.

    Source: Baldi and Hornik 1989, "Neural networks and principal component analysis: learning from examples without
    local minima". Departs from it in biases, which take the windows' mean.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        size = spec.window * spec.sensors
        self.code = Layer(spec.members, spec.latent, size)
        self.output = Layer(spec.members, size, spec.latent)

    def forward(self, windows: Tensor) -> Tensor:
        """Reconstructs windows, (K, N, W, F) -> (K, N, W, F)."""
        frames: Tensor = self.output(self.code(windows.flatten(2)))  # (K, N, W * F)
        return frames.view(windows.shape)


class LinearTile(Tile):
    """The frozen form of `Linear`."""

    def __init__(self, spec: ModelSpec, weights: Mapping[str, Tensor], rows: int) -> None:
        super().__init__(spec, rows)
        self._outputs = spec.error_frames * spec.sensors
        code, code_bias = pack(weights, "code", pad_inputs=False)
        self._code, self._code_bias = code.flatten(0, 1), code_bias.flatten(0, 1)  # (K * latent, W * F)
        self._output = pack(weights, "output", newest=self._outputs)
        self._codes, self._result = buffer(code_bias, rows), buffer(self._output[1], rows)

    def run(self) -> Tensor:
        """Reconstructs `windows`; see `Tile.run`."""
        flat = self._codes.view(-1, len(self.windows))
        torch.addmm(self._code_bias, self._code, self.windows.t(), out=flat)
        return product(self._output, self._codes, self._result)[:, : self._outputs]


KIND = ModelKind("linear", Linear, LinearTile, usual_hidden=0)
