"""Level of a segment with its gradient, which an attacker who has the weights can compute.

It is the level that the detector compares, computed through the trainable form of the model:

1. errors of cells, in units of their sensors' spread;
2. mean over the unmasked cells of a window, or of its newest frame, plus the penalty of a discriminator;
3. median over the members, in units of the view's tail; with two views, the larger one;
4. mean over the last M windows.

Still sensors are no part of a level, and attacks are judged without them. The verdict on an attack is always that of
the frozen ensemble.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from stream.detect.model import discriminator
from stream.detect.model.autoencoders import load
from stream.detect.model.discriminator_penalty import MAX_PENALTY
from stream.detect.policy import ModelSpec
from stream.intake.columns import Float64s
from training.fitting.objective import cell_errors


class DifferentiableScore:
    """Levels by K members.

    Args:
        weights: those of `Ensemble`.
        spread, tails: float64 (V, F) and (V,), the units of errors as in `Ensemble`.
    """

    def __init__(self, spec: ModelSpec, weights: Mapping[str, Tensor], spread: Float64s, tails: Float64s) -> None:
        self._spec = spec
        autoencoder, judge = discriminator.split_weights(weights)
        self._model = load(spec, autoencoder)
        self._discriminator = discriminator.load(spec, judge) if judge else None
        self._spread, self._tails = torch.from_numpy(spread).float(), tails.tolist()

    def levels(self, segments: Tensor, counted: Tensor) -> Tensor:
        """Computes the level of each segment, (N,), in units of error.

        Args:
            segments: float32 (N, W + M - 1, F), scaled, finite.
            counted: float32 (N, W + M - 1, F), 1 where a cell counts, 0 where it is masked.
        """
        members, frames = self._spec.members, self._spec.error_frames
        windows, counts = self._windows(segments), self._windows(counted)[:, -frames:]  # (N * M, frames, F)
        inputs = windows.expand(members, *windows.shape)
        clip = self._spec.clip
        limited = inputs if clip is None else inputs.clamp(-clip, clip)
        expected, observed = self._model(limited)[:, :, -frames:], inputs[:, :, -frames:]
        cells = cell_errors(expected, observed, self._spec.loss)
        views = []
        for view, spread, tail in zip(self._spec.views, self._spread, self._tails, strict=True):
            seen = slice(-1 if view == "newest" else -frames, None)
            counts_seen = counts[:, seen]
            errors = (cells[:, :, seen] / spread * counts_seen).sum(dim=(2, 3)) / counts_seen.sum(dim=(1, 2))
            if self._discriminator is not None and view == self._spec.views[-1]:
                errors = errors + self._penalty(self._discriminator, (expected - observed) * counts, counts)
            views.append(_median(errors) / tail)
        error = views[0] if len(views) == 1 else torch.fmax(*views)  # (N * M,)
        return error.view(len(segments), -1).mean(dim=1)

    def _penalty(self, judge: discriminator.Discriminator, residuals: Tensor, counts: Tensor) -> Tensor:
        """Computes (K, N * M) like `stream.detect.model.discriminator_penalty`."""
        excess = (judge(residuals) - judge.floor[:, None]) * judge.slope[:, None]  # (K, N * M, F)
        excess = excess.clamp(0, MAX_PENALTY)
        present = (counts.sum(dim=1) > 0).float()  # (N * M, F)
        penalty: Tensor = judge.reach[:, None] * (excess * present).sum(dim=2) / present.sum(dim=1)
        return penalty

    def _windows(self, segments: Tensor) -> Tensor:
        """Cuts segments (N, L, F) into their last M windows (N * M, W, F)."""
        return segments.unfold(1, self._spec.window, 1).transpose(2, 3).flatten(0, 1)


def _median(errors: Tensor) -> Tensor:
    """Median over the first axis. Of an even number it is the mean of the middle two, unlike torch's own."""
    ordered = errors.sort(dim=0).values
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2.0
