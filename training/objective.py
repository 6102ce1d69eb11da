"""What a member is trained for: to make a clean window out of one with cells blanked.

A model that must fill in what is missing learns how the sensors hang together; one that may look at every cell learns
to copy it (Vincent et al. 2008, "Extracting and composing robust features with denoising autoencoders"; blanked cells
are their masking noise).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import huber_loss, mse_loss

from stream.detect.models import Autoencoder
from training.windows import Windows


class Objective:
    """Losses of a model's members, (K,) each.

    Args:
        draws: one generator per member: what a member sees blanked depends on its own seed alone.
    """

    def __init__(self, model: Autoencoder, windows: Windows, draws: Sequence[torch.Generator]) -> None:
        self._model, self._windows, self._draws = model, windows, draws
        self._noise = model.spec.noise

    def training(self, ends: Tensor) -> Tensor:
        """What a step of training minimises, over the windows that end at the rows `ends` (K, n)."""
        windows, kept = self._windows.at(ends)
        return self._mean_error(self._model(self._blanked(windows)), windows, kept)

    def reconstruction(self, ends: Tensor) -> Tensor:
        """Mean error over the unmasked cells of the windows that end at the rows `ends` (K, n), nothing blanked."""
        windows, kept = self._windows.at(ends)
        return self._mean_error(self._model(windows), windows, kept)

    def _blanked(self, windows: Tensor) -> Tensor:
        """The windows (K, n, W, F) with a share `noise` of their cells at 0, which is what a masked cell holds."""
        if not self._noise:
            return windows
        drawn = torch.empty_like(windows)
        for member, draw in zip(drawn, self._draws, strict=True):
            member.uniform_(generator=draw)
        return windows * (drawn >= self._noise)

    def _mean_error(self, made: Tensor, windows: Tensor, kept: Tensor | None) -> Tensor:
        """(K,): mean over the cells that count."""
        errors = cell_errors(made, windows, self._model.spec.loss)
        if kept is None:
            return errors.mean(dim=(1, 2, 3))
        return (errors * kept).sum(dim=(1, 2, 3)) / kept.sum(dim=(1, 2, 3)).clamp(min=1.0)


def cell_errors(made: Tensor, windows: Tensor, loss: Literal["mse", "huber"]) -> Tensor:
    """The error of each cell: what `stream.detect.reduction.cell_errors` makes of the residual, with gradients."""
    if loss == "mse":
        return mse_loss(made, windows, reduction="none")
    return 2.0 * huber_loss(made, windows, reduction="none", delta=1.0)
