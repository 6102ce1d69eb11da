"""The protocol of a model kind: a trainable form, a frozen form, and the sizes that go with them.

A model is K independent members of one shape. Their weights are stacked, so that one batched product serves all of
them; member k depends on seed k alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stream.detect.model.layers import random_like
from stream.detect.model.tiles import Tile
from stream.detect.policy import ModelSpec


class Autoencoder(nn.Module, ABC):
    """The trainable form: K members of one shape. Dropout acts in the encoder only, and in training only.

    Attributes:
        draws: one generator per member, for dropout: a member depends on its own seed alone.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.draws: Sequence[torch.Generator] = ()

    @abstractmethod
    def forward(self, windows: Tensor) -> Tensor:
        """Reconstructs.

        Args:
            windows: float32 (K, N, W, F), scaled, finite; member k sees windows[k].

        Returns:
            float32 (K, N, W, F), scaled units, unbounded.
        """

    def training_pass(self, windows: Tensor, draws: Sequence[torch.Generator]) -> tuple[Tensor, Tensor | None]:
        """The reconstruction that training compares with clean windows, and a penalty.

        Args:
            windows: float32 (K, N, W, F), some cells blanked.
            draws: one generator per member, for a code that is drawn.

        Returns:
            float32 (K, N, W, F), and a penalty (K,), which training multiplies by `beta` / (W * F); None: no penalty.
        """
        return self(windows), None

    def weights(self) -> dict[str, Tensor]:
        """Copies of all weights, float32, leading axis K: "<layer>.weight" (K, outputs, inputs), "<layer>.bias"."""
        return {name: value.detach().clone() for name, value in self.state_dict().items()}

    def _drop(self, values: Tensor) -> Tensor:
        """Drops a share of the values (K, ...) in training and scales up the others to make up for it."""
        share = self.spec.dropout
        if not self.training or not share:
            return values
        return values * ((random_like(values, self.draws, Tensor.uniform_) >= share) / (1.0 - share))


class GenerativeAutoencoder(Autoencoder):
    """An autoencoder whose code has a prior, a standard normal, from which new windows can be drawn.

    Training draws the code from its posterior, and the penalty is the divergence of the posterior from the prior.
    `forward` takes the mean of the posterior, so a score is deterministic.

    Source: Kingma and Welling 2014, "Auto-encoding variational Bayes", section 3 and appendix C.2.
    """

    @abstractmethod
    def posterior(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the code: (K, N, W, F) -> (K, N, latent) each."""

    @abstractmethod
    def decoded(self, codes: Tensor) -> Tensor:
        """(K, N, latent) -> (K, N, W, F), scaled units."""

    def training_pass(self, windows: Tensor, draws: Sequence[torch.Generator]) -> tuple[Tensor, Tensor | None]:
        """The reconstruction of drawn codes, and a penalty in nats, the mean over the windows."""
        mean, log_variance = self.posterior(windows)
        codes = mean + (log_variance / 2).exp() * random_like(mean, draws, Tensor.normal_)  # (K, N, latent)
        return self.decoded(codes), divergence(mean, log_variance).sum(dim=2).mean(dim=1)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of each dimension of a code from the prior, a standard normal; nats, >= 0.

    Source: Kingma and Welling 2014, "Auto-encoding variational Bayes", appendix B.
    """
    return (mean.square() + log_variance.exp() - 1.0 - log_variance) / 2.0


@dataclass(frozen=True, slots=True)
class ModelKind:
    """One kind of model, as `stream.detect.model.autoencoders.KINDS` lists it.

    Attributes:
        name: its name in settings (`model.kind`) and manifests.
        trainable: gives the form that training fits, with weights of 0, for a spec.
        frozen: gives the form that scores, for a spec, the weights of the trainable form, and a number of windows.
        usual_hidden: units of the hidden layer where the settings leave them open. 0: there is no hidden layer;
            then nothing is dropped or blanked in training either.
        min_window: the shortest W.
    """

    name: str
    trainable: Callable[[ModelSpec], Autoencoder]
    frozen: Callable[[ModelSpec, Mapping[str, Tensor], int], Tile]
    usual_hidden: int
    min_window: int = 1
