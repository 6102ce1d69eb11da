"""The training objective: reconstruct a clean window from one with blanked cells.

A model that must fill in missing cells learns how the sensors depend on each other. A model that sees every cell learns
to copy them. Source: Vincent et al. 2008, "Extracting and composing robust features with denoising autoencoders";
blanked cells are their masking noise.

A variational member also pays beta times the divergence of its code from the prior. The divergence is summed over the
code and divided by the W * F cells, as the error is. So beta has the same effect for all W and F. With squared errors,
beta is twice the variance of a cell around its reconstruction, in scaled units. Source: Kingma and Welling 2014,
equation 10, times beta / (W * F).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import huber_loss, mse_loss

from stream.detect.model.kind import Autoencoder
from stream.detect.model.layers import random_like
from training.data.windows import Windows


class Objective:
    """Computes the losses of a model's members, (K,) each.

    Args:
        draws: a generator per member. Its blanked cells and its codes depend on its own seed only.
    """

    def __init__(self, model: Autoencoder, windows: Windows, draws: Sequence[torch.Generator]) -> None:
        self._model, self._windows, self._draws = model, windows, draws
        self._noise = model.spec.noise

    def training(self, ends: Tensor, share: float) -> Tensor:
        """Computes the loss that a training step minimises, over the windows that end at the rows `ends` (K, n).

        Args:
            share: share of beta in force, 0 to 1.
        """
        windows, counted = self._windows.at(ends)
        reconstruction, penalty = self._model.training_pass(self._blanked(windows), self._draws)
        error = self._mean_error(reconstruction, windows, counted)
        if penalty is None:
            return error
        return error + share * self._model.spec.beta / windows[0, 0].numel() * penalty

    def reconstruction(self, ends: Tensor) -> Tensor:
        """Mean error of the unmasked cells of the windows that end at the rows `ends` (K, n). No cell is blanked."""
        windows, counted = self._windows.at(ends)
        return self._mean_error(self._model(windows), windows, counted)

    def _blanked(self, windows: Tensor) -> Tensor:
        """Sets a share `noise` of the cells of the windows (K, n, W, F) to 0, the value of a masked cell.

        The other cells are not scaled up, as dropout would do. So the reconstruction of a complete window is too large,
        more so far from normal. On development data that ranks anomalies better.
        """
        if not self._noise:
            return windows
        return windows * (random_like(windows, self._draws, Tensor.uniform_) >= self._noise)

    def _mean_error(self, reconstruction: Tensor, windows: Tensor, counted: Tensor | None) -> Tensor:
        """Mean over the cells that count, (K,)."""
        errors = cell_errors(reconstruction, windows, self._model.spec.loss)
        if counted is None:
            return errors.mean(dim=(1, 2, 3))
        return (errors * counted).sum(dim=(1, 2, 3)) / counted.sum(dim=(1, 2, 3)).clamp(min=1.0)


def cell_errors(reconstruction: Tensor, windows: Tensor, loss: Literal["mse", "huber"]) -> Tensor:
    """Error of each cell, with gradients. Equal to `stream.detect.model.reduction.cell_errors`."""
    if loss == "mse":
        return mse_loss(reconstruction, windows, reduction="none")
    return 2.0 * huber_loss(reconstruction, windows, reduction="none", delta=1.0)
