"""How much the code of a variational model tells of a window, and when it tells nothing.

Where the divergence from the prior weighs too much, training finds it cheaper to ignore the code: every window is made
into the same one. Such a model passes for trained, and its errors are those of no model at all.
"""

import torch
from torch import Tensor

from stream.detect.model.kind import GenerativeAutoencoder, divergence
from stream.detect.policy import ModelSpec
from training.data.windows import Windows

# Nats of divergence, mean over windows: below that a dimension of the code tells next to nothing of a window.
COLLAPSED = 0.01
# Of the code's dimensions, so large a share (and one at least) must tell something.
LEAST_ALIVE = 0.25


@torch.no_grad()
def mean_divergence(model: GenerativeAutoencoder, windows: Windows, ends: Tensor) -> tuple[tuple[float, ...], ...]:
    """Per member, the divergence of each dimension, mean over the windows that end at the rows `ends` (n,)."""
    total = torch.zeros(model.spec.members, model.spec.latent)
    for here in ends.split(1024):  # type: ignore[no-untyped-call]
        seen, _ = windows.at(here.expand(len(total), -1))
        total += divergence(*model.posterior(seen)).sum(dim=1)
    return tuple(tuple(own) for own in (total / len(ends)).tolist())


def active_dimensions(dimensions: tuple[float, ...]) -> int:
    """How many dimensions of a code are not collapsed."""
    return sum(told >= COLLAPSED for told in dimensions)


def least_active_dimensions(spec: ModelSpec) -> int:
    """How many dimensions must not be collapsed."""
    return max(1, round(LEAST_ALIVE * spec.latent))
