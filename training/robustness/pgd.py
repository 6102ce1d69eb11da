"""Projected gradient descent on a level, within a budget around the true values and within what sensors can show.

Source: Madry et al. 2018, "Towards deep learning models resistant to adversarial attacks", section 2.1. Departs from it
in steps that shrink, in keeping the best point of the way, not the last one, and in beginning once where a smaller
budget has led.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Norm = Literal["linf", "l2"]
# All steps together are so many budgets long: enough to reach any point of the ball and to come back.
REACH = 2.5


@dataclass(frozen=True, slots=True)
class Budget:
    """How far an attacker may go from the true values of a strip, in scaled units.

    Attributes:
        size: "linf": the largest change of a cell. "l2": the root of the mean square of the changes of all cells; the
            Euclidean norm is `size` times the root of their number. So both are sizes of one cell, and compare.
    """

    norm: Norm
    size: float

    def projected(self, change: Tensor) -> Tensor:
        """The nearest change (N, L, F) within the budget."""
        if self.norm == "linf":
            return change.clamp(-self.size, self.size)
        return change * (self.size / _length(change)).clamp(max=1.0)

    def downhill(self, gradient: Tensor) -> Tensor:
        """The change of one budget's length that goes down steepest."""
        if self.norm == "linf":
            return -self.size * gradient.sign()
        return -self.size * gradient / _length(gradient)


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard an attacker tries: the steps of each start; the first from the given strips, the others at random."""

    steps: int = 40
    starts: int = 2


@dataclass(frozen=True, slots=True)
class Attack:
    """A search for strips with low levels near the true ones.

    Attributes:
        level: of strips (N, L, F), (N,), differentiable; a strip's own cells alone move its level.
        true: float32 (N, L, F), inside the box.
        box: lowest and highest value of each cell.
    """

    level: Callable[[Tensor], Tensor]
    true: Tensor
    box: tuple[Tensor, Tensor]

    def best(self, budget: Budget, effort: Effort, first: Tensor, draw: torch.Generator) -> Tensor:
        """The strips with the lowest levels that were found, (N, L, F).

        Args:
            first: where the first start begins; within the budget.
        """
        found = first, self.level(first).detach()
        for start in range(effort.starts):
            begin = first
            if start:
                noise = torch.empty_like(self.true).uniform_(-1.0, 1.0, generator=draw)
                begin = self.within(budget, self.true + budget.size * noise)
            found = self._descended(budget, effort.steps, begin, *found)
        return found[0]

    def within(self, budget: Budget, strips: Tensor) -> Tensor:
        """Moved into the budget, then into the box: no cell gets further from its true value, so the budget holds."""
        return (self.true + budget.projected(strips - self.true)).clamp(*self.box)

    def _descended(
        self, budget: Budget, steps: int, begin: Tensor, best: Tensor, lowest: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The best strips and their levels after one more start."""
        here = begin
        for step in range(steps + 1):
            here = here.detach().requires_grad_()
            reached = self.level(here)
            (gradient,) = torch.autograd.grad(reached.sum(), here)
            better = reached.detach() < lowest
            best = torch.where(better[:, None, None], here.detach(), best)
            lowest = torch.where(better, reached.detach(), lowest)
            shrinking = 2.0 * (1.0 - step / (steps + 1))  # steps of one size would leap over the bottom at the end
            here = self.within(budget, here.detach() + budget.downhill(gradient) * (shrinking * REACH / steps))
        return best, lowest


def _length(change: Tensor) -> Tensor:
    """(N, 1, 1): root of the mean square over the cells of each strip."""
    return change.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp(min=1e-12)
