"""The model kind `variational`: a dense model whose code has a prior."""

from torch import Tensor

from stream.detect.model.dense import Dense, DenseTile
from stream.detect.model.kind import GenerativeAutoencoder, ModelKind
from stream.detect.model.layers import Layer
from stream.detect.policy import ModelSpec

MAX_LOG_VARIANCE = 10.0  # either way; its exponential must stay finite


class Variational(Dense, GenerativeAutoencoder):
    """A dense model with two layers that give the mean and the log variance of the code.

    A score takes the mean for the code, so the frozen form is that of a dense model. `beta` weighs the divergence of
    the code from its prior in training.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.log_variance = Layer(spec.members, spec.latent, spec.hidden)

    def posterior(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the code: (K, N, W, F) -> (K, N, latent) each."""
        hidden = self._hidden(windows)
        return self.code(hidden), self.log_variance(hidden).clamp(-MAX_LOG_VARIANCE, MAX_LOG_VARIANCE)


KIND = ModelKind("variational", Variational, DenseTile, usual_hidden=64)
