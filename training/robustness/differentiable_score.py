"""The level of a strip with its gradient: what an attacker who has the weights can compute.

The very statistic: errors of cells in units of their sensors' spread, mean over the unmasked cells of a window (or of
its newest frame), what a discriminator adds, median over the members, mean over M. Through the trainable form of the
model; the verdict on what an attack finds is always the frozen ensemble's.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from stream.detect.model import discriminator
from stream.detect.model.autoencoders import load
from stream.detect.model.discriminator_penalty import MOST
from stream.detect.policy import ModelSpec
from stream.intake.columns import Float64s
from training.fitting.objective import cell_errors


class Score:
    """Levels by K members.

    Args:
        weights: as `Ensemble` takes them.
        spread: float64 (F,), the unit of each sensor's error.
    """

    def __init__(self, spec: ModelSpec, weights: Mapping[str, Tensor], spread: Float64s) -> None:
        self._spec = spec
        autoencoder, judge = discriminator.parted(weights)
        self._model = load(spec, autoencoder)
        self._judge = discriminator.load(spec, judge) if judge else None
        self._spread = torch.from_numpy(spread).float()

    def levels(self, strips: Tensor, kept: Tensor) -> Tensor:
        """(N,), in units of error.

        Args:
            strips: float32 (N, W + M - 1, F), scaled, finite.
            kept: float32 (N, W + M - 1, F), 1 where a cell counts, 0 where it is masked.
        """
        members, frames = self._spec.members, 1 if self._spec.error_span == "newest" else self._spec.window
        windows, counts = self._windows(strips), self._windows(kept)[:, -frames:]  # (N * M, W, F)
        each = windows.expand(members, *windows.shape)
        made, seen = self._model(each)[:, :, -frames:], each[:, :, -frames:]
        cells = cell_errors(made, seen, self._spec.loss) / self._spread
        errors = (cells * counts).sum(dim=(2, 3)) / counts.sum(dim=(1, 2))  # (K, N * M)
        if self._judge is not None:
            errors = errors + self._doubt(self._judge, (made - seen) * counts, counts)
        return _median(errors).view(len(strips), -1).mean(dim=1)

    def _doubt(self, judge: discriminator.Discriminator, residuals: Tensor, counts: Tensor) -> Tensor:
        """(K, N * M): as `stream.detect.doubt.Doubt` adds it."""
        odd = ((judge(residuals) - judge.floor[:, None]) * judge.slope[:, None]).clamp(0, MOST)  # (K, N * M, F)
        sees = (counts.sum(dim=1) > 0).float()  # (N * M, F)
        doubt: Tensor = judge.reach[:, None] * (odd * sees).sum(dim=2) / sees.sum(dim=1)
        return doubt

    def _windows(self, strips: Tensor) -> Tensor:
        """(N, L, F) -> (N * M, W, F)"""
        return strips.unfold(1, self._spec.window, 1).transpose(2, 3).flatten(0, 1)


def _median(errors: Tensor) -> Tensor:
    """Over the first axis; of an even number the mean of the middle two, which torch's own is not."""
    ordered = errors.sort(dim=0).values
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2.0
