"""The model kind `dense`: fully connected layers."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import relu

from stream.detect.model.kind import Autoencoder, ModelKind
from stream.detect.model.layers import Layer
from stream.detect.model.tiles import Tile, buffer, pack, product
from stream.detect.policy import ModelSpec


class Dense(Autoencoder):
    """W*F -> hidden -> latent -> hidden -> W*F, ReLU on the hidden layers, linear code and output."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        size = spec.window * spec.sensors
        self.encode = Layer(spec.members, spec.hidden, size)
        self.code = Layer(spec.members, spec.latent, spec.hidden)
        self.decode = Layer(spec.members, spec.hidden, spec.latent)
        self.output = Layer(spec.members, size, spec.hidden)

    def forward(self, windows: Tensor) -> Tensor:
        """Reconstructs windows, (K, N, W, F) -> (K, N, W, F)."""
        return self.decoded(self.code(self._hidden(windows)))

    def decoded(self, codes: Tensor) -> Tensor:
        """(K, N, latent) -> (K, N, W, F), scaled units."""
        frames: Tensor = self.output(relu(self.decode(codes)))  # (K, N, W * F)
        return frames.view(*codes.shape[:2], self.spec.window, self.spec.sensors)

    def _hidden(self, windows: Tensor) -> Tensor:
        return self._drop(relu(self.encode(windows.flatten(2))))  # (K, N, hidden)


class DenseTile(Tile):
    """The frozen form of `Dense`."""

    def __init__(self, spec: ModelSpec, weights: Mapping[str, Tensor], rows: int) -> None:
        super().__init__(spec, rows)
        self._outputs = spec.error_frames * spec.sensors
        encode, encode_bias = pack(weights, "encode", pad_inputs=False)
        self._encode, self._encode_bias = encode.flatten(0, 1), encode_bias.flatten(0, 1)  # (K * hidden, W * F)
        self._code, self._decode = pack(weights, "code"), pack(weights, "decode")
        self._output = pack(weights, "output", newest=self._outputs)
        self._hidden, self._decoded = buffer(encode_bias, rows), buffer(self._decode[1], rows)
        self._codes, self._result = buffer(self._code[1], rows), buffer(self._output[1], rows)

    def run(self) -> Tensor:
        """Reconstructs `windows`; see `Tile.run`."""
        flat = self._hidden.view(-1, len(self.windows))
        torch.addmm(self._encode_bias, self._encode, self.windows.t(), out=flat).relu_()  # one product for all K
        product(self._code, self._hidden, self._codes)
        product(self._decode, self._codes, self._decoded).relu_()
        return product(self._output, self._decoded, self._result)[:, : self._outputs]


KIND = ModelKind("dense", Dense, DenseTile, usual_hidden=64)
