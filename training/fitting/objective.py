"""What a member is trained for: to make a clean window out of one with cells blanked.

A model that must fill in what is missing learns how the sensors hang together; one that may look at every cell learns
to copy it (Vincent et al. 2008, "Extracting and composing robust features with denoising autoencoders"; blanked cells
are their masking noise).

A variational member also pays for what its code tells: beta times the divergence of the code from its prior, summed
over the code and shared out among the W * F cells as the error is. So beta has the same effect whatever W and F are:
with squared errors, it is twice the variance of a cell around its reconstruction, in scaled units (Kingma and Welling
2014, equation 10, times beta / (W * F)).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import huber_loss, mse_loss

from stream.detect.model.kind import Autoencoder
from stream.detect.model.layers import drawn
from training.data.windows import Windows


class Objective:
    """Losses of a model's members, (K,) each.

    Args:
        draws: one generator per member: what it sees blanked and the codes it draws depend on its own seed alone.
    """

    def __init__(self, model: Autoencoder, windows: Windows, draws: Sequence[torch.Generator]) -> None:
        self._model, self._windows, self._draws = model, windows, draws
        self._noise = model.spec.noise

    def training(self, ends: Tensor, share: float) -> Tensor:
        """What a step of training minimises, over the windows that end at the rows `ends` (K, n).

        Args:
            share: of beta that is in force, 0 to 1.
        """
        windows, kept = self._windows.at(ends)
        made, penalty = self._model.training_pass(self._blanked(windows), self._draws)
        error = self._mean_error(made, windows, kept)
        if penalty is None:
            return error
        return error + share * self._model.spec.beta / windows[0, 0].numel() * penalty

    def reconstruction(self, ends: Tensor) -> Tensor:
        """Mean error over the unmasked cells of the windows that end at the rows `ends` (K, n), nothing blanked."""
        windows, kept = self._windows.at(ends)
        return self._mean_error(self._model(windows), windows, kept)

    def _blanked(self, windows: Tensor) -> Tensor:
        """The windows (K, n, W, F) with a share `noise` of their cells at 0, which is what a masked cell holds.

        The others are not scaled up to make up for it, as dropout does. A complete window is then made too large, the
        more so the further it is from normal; on development data that ranks anomalies better.
        """
        if not self._noise:
            return windows
        return windows * (drawn(windows, self._draws, Tensor.uniform_) >= self._noise)

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
