"""Parts of all models: a layer of K members, random numbers of each member, and a check of weights."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from stream.errors import ShapeError


class Layer(nn.Module):
    """A linear layer of K members, y = x Aᵀ + b: weight (K, outputs, inputs), bias (K, outputs)."""

    def __init__(self, members: int, outputs: int, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(members, outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(members, outputs))

    def forward(self, rows: Tensor) -> Tensor:
        """(K, n, inputs) -> (K, n, outputs)."""
        return torch.baddbmm(self.bias.unsqueeze(1), rows, self.weight.transpose(1, 2))

    def draw(self, member: int, source: torch.Generator) -> None:
        """Sets one member's weights to random numbers, uniform within ±1/sqrt(inputs)."""
        bound = 1.0 / math.sqrt(self.weight.shape[2])
        with torch.no_grad():
            for values in (self.weight[member], self.bias[member]):
                values.copy_(torch.empty(values.shape).uniform_(-bound, bound, generator=source))


def random_like(like: Tensor, draws: Sequence[torch.Generator], fill: Callable[..., Tensor]) -> Tensor:
    """Random numbers of the shape of `like` (K, ...), from one generator per member."""
    numbers = torch.empty_like(like, requires_grad=False)
    for member, draw in zip(numbers, draws, strict=True):
        fill(member, generator=draw)
    return numbers


def check_weights(of: str, weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Checks names, shapes, types and values of weights, and returns them.

    Args:
        of: name of the network, for the error text.
        expected: weights of that network; only names, shapes and types count.

    Raises:
        ShapeError: a name is missing or unknown, a shape or type differs, or a value is not finite.
    """
    if set(weights) != set(expected):
        missing, unknown = sorted(set(expected) - set(weights)), sorted(set(weights) - set(expected))
        raise ShapeError(f"weights of a {of}: missing {missing}, unknown {unknown}")
    for name, value in weights.items():
        _check_weight(name, value, expected[name])
    return dict(weights)


def _check_weight(name: str, value: Tensor, expected: Tensor) -> None:
    if value.shape != expected.shape or value.dtype != expected.dtype:
        raise ShapeError(
            f"weight {name!r}: seen {value.dtype} {tuple(value.shape)}, "
            f"expected {expected.dtype} {tuple(expected.shape)}"
        )
    if not bool(torch.isfinite(value).all()):
        raise ShapeError(f"weight {name!r}: {int((~torch.isfinite(value)).sum())} values are not finite")
