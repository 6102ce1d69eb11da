"""Projected gradient descent on a level, within a budget around the true values and within what sensors can show.

Source: Madry et al. 2018, "Towards deep learning models resistant to adversarial attacks", section 2.1.
It departs from the source in three points. The steps shrink. The best point of the way is kept, not the last one. The
first start is the result of a smaller budget.
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
    """Largest distance of an attack from the true values of a segment, in scaled units.

    Attributes:
        size: "linf": the largest change of a cell. "l2": the root mean square of the changes of all cells. The
            Euclidean norm is `size` times the root of their number. So both are sizes of one cell, and compare.
    """

    norm: Norm
    size: float

    def projected(self, change: Tensor) -> Tensor:
        """Nearest change (N, L, F) within the budget."""
        if self.norm == "linf":
            return change.clamp(-self.size, self.size)
        return change * (self.size / _length(change)).clamp(max=1.0)

    def downhill(self, gradient: Tensor) -> Tensor:
        """Steepest descent, as a change that uses the whole budget."""
        if self.norm == "linf":
            return -self.size * gradient.sign()
        return -self.size * gradient / _length(gradient)


@dataclass(frozen=True, slots=True)
class Effort:
    """Number of steps of each start, and of starts: the first from the given segments, the others at random."""

    steps: int = 40
    starts: int = 2


@dataclass(frozen=True, slots=True)
class Attack:
    """A search for segments with low levels near the true ones.

    Attributes:
        level: computes (N,) from segments (N, L, F). It is differentiable, and a level depends on its own segment only.
        true: float32 (N, L, F), inside the box.
        box: lowest and highest value of each cell.
    """

    level: Callable[[Tensor], Tensor]
    true: Tensor
    box: tuple[Tensor, Tensor]

    def best(self, budget: Budget, effort: Effort, first: Tensor, draw: torch.Generator) -> Tensor:
        """Finds the segments with the lowest levels, (N, L, F).

        Args:
            first: the point at which the first start begins; within the budget.
        """
        best, lowest = first, self.level(first).detach()
        for start in range(effort.starts):
            begin = first
            if start:
                noise = torch.empty_like(self.true).uniform_(-1.0, 1.0, generator=draw)
                begin = self.within(budget, self.true + budget.size * noise)
            best, lowest = self._descend(budget, effort.steps, begin, best, lowest)
        return best

    def within(self, budget: Budget, segments: Tensor) -> Tensor:
        """Moves segments into the budget, then into the box. The box brings no cell further from its true value."""
        return (self.true + budget.projected(segments - self.true)).clamp(*self.box)

    def _descend(
        self, budget: Budget, steps: int, begin: Tensor, best: Tensor, lowest: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Best segments and their levels after one more start."""
        here = begin
        for step in range(steps + 1):
            here = here.detach().requires_grad_()
            level = self.level(here)
            (gradient,) = torch.autograd.grad(level.sum(), here)
            better = level.detach() < lowest
            best = torch.where(better[:, None, None], here.detach(), best)
            lowest = torch.where(better, level.detach(), lowest)
            shrinking = 2.0 * (1.0 - step / (steps + 1))  # steps of one size would overshoot near the minimum
            here = self.within(budget, here.detach() + budget.downhill(gradient) * (shrinking * REACH / steps))
        return best, lowest


def _length(change: Tensor) -> Tensor:
    """(N, 1, 1): root mean square over the cells of each segment."""
    return change.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp(min=1e-12)
