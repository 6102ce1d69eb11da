"""Information in the code of a variational model, and its collapse.

Where the divergence from the prior has too much weight, training learns to ignore the code. The model then reconstructs
the same window for every input. Its training looks successful, but its errors are useless.
"""

import torch
from torch import Tensor

from stream.detect.model.kind import GenerativeAutoencoder, divergence
from stream.detect.policy import ModelSpec
from training.data.windows import Windows

# Nats of divergence, mean over windows. Below this, a dimension of the code carries almost no information.
COLLAPSED = 0.01
# Share of the code's dimensions that must be active, and at least one.
LEAST_ACTIVE = 0.25


@torch.no_grad()
def mean_divergence(model: GenerativeAutoencoder, windows: Windows, ends: Tensor) -> tuple[tuple[float, ...], ...]:
    """Computes the divergence of each dimension of the code from the prior, per member, in nats.

    Args:
        ends: int64 (n,), rows at which the windows end that the mean is taken over.
    """
    total = torch.zeros(model.spec.members, model.spec.latent)
    for here in ends.split(1024):  # type: ignore[no-untyped-call]
        inputs, _ = windows.at(here.expand(len(total), -1))
        total += divergence(*model.posterior(inputs)).sum(dim=1)
    return tuple(tuple(own) for own in (total / len(ends)).tolist())


def active_dimensions(dimensions: tuple[float, ...]) -> int:
    """Counts the dimensions of a code that are not collapsed."""
    return sum(nats >= COLLAPSED for nats in dimensions)


def least_active_dimensions(spec: ModelSpec) -> int:
    """Number of dimensions that must be active."""
    return max(1, round(LEAST_ACTIVE * spec.latent))
