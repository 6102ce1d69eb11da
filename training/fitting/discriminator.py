"""Fits the discriminators, one per member. Each tells residuals of normal windows from residuals of others.

The other windows are of two kinds. Synthetic anomalies of every kind and size are put into the fit part; residuals of
the touched sensors count. Reconstructions of the member have smaller residuals than any real window, which is odd too.
The discriminator of a member depends on this member and its seed only.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from stream.detect.model.discriminator import Discriminator, build
from stream.detect.model.ensemble import Ensemble
from stream.detect.model.kind import Autoencoder
from stream.intake.columns import Bools, Float32s, Float64s, Int64s
from training.data.synthetic import KINDS, SIZES, Kind, inject
from training.data.windows import Windows, evenly

EPOCH, STOP, AT_ONCE = 4096, 2048, 1024  # windows of an epoch, for its stop loss, and per pass of calibration
ALIKE = 32  # windows in a row with an anomaly of the same kind and size
MAX_EPOCHS, PATIENCE, IMPROVEMENT = 30, 5, 1e-3
BATCH, LEARNING_RATE, WEIGHT_DECAY = 256, 2e-3, 1e-2
UNUSUAL = 0.99  # quantile of logits of held-out normal data above which a logit counts
RECONSTRUCTION_WEIGHT = 0.5  # in the loss; normal windows and anomalies have weight 1
UNDECIDED_LOSS = (2 + RECONSTRUCTION_WEIGHT) * math.log(2)
# Share of the median sensor's width. A sensor whose logits are almost constant must not outweigh all others.
LEAST_SHARE, LEAST = 1e-3, 1e-6


@dataclass(frozen=True, slots=True)
class FittedDiscriminator:
    """Fitted discriminators and figures of their training.

    Attributes:
        weights: in the layout of `Discriminator.weights`.
        epochs: per member, the epoch of its weights, from 1.
        stop_loss: per member, its loss in that epoch on held-out windows. A discriminator whose logits are all 0 has
            `UNDECIDED_LOSS`.
    """

    weights: dict[str, Tensor]
    epochs: tuple[int, ...]
    stop_loss: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ResidualSource:
    """Computes residuals of windows: normal ones, ones with synthetic anomalies, and reconstructions.

    Args:
        model: in inference mode.
        kinds: kinds of anomalies.
        clip: values of anomalies are limited to +-clip, as in the detector.
    """

    model: Autoencoder
    windows: Windows
    kinds: Sequence[Kind]
    clip: float

    def normal(self, ends: Tensor) -> tuple[Tensor, Tensor]:
        """Computes residuals of the windows that end at the rows `ends` (K, n).

        Returns:
            float32 (K, n, frames, F), masked cells 0, and bool (K, n, F), sensors with a cell that is not masked.
        """
        windows, counted = self.windows.at(ends)
        residuals = self._residuals(windows, counted)
        if counted is None:
            return residuals, torch.ones_like(residuals[:, :, 0], dtype=torch.bool)
        return residuals, counted[:, :, -residuals.shape[2] :].any(dim=2)

    def anomalous(self, ends: Tensor, draws: Sequence[np.random.Generator]) -> tuple[Tensor, Tensor]:
        """Computes residuals of these windows with anomalies.

        Returns:
            float32 (K, n, frames, F), and bool (K, n, F), sensors touched in a frame that the error spans.
        """
        windows, counted = self.windows.at(ends)
        unmasked = torch.ones_like(windows[:, :, 0], dtype=torch.bool) if counted is None else counted.bool().all(dim=2)
        anomalous = [
            _with_anomalies(own.numpy(), allowed.numpy(), draw, self.kinds, self.clip)
            for own, allowed, draw in zip(windows, unmasked, draws, strict=True)
        ]
        changed = torch.from_numpy(np.stack(anomalous))
        spanned = slice(windows.shape[2] - self.model.spec.error_frames, None)
        return self._residuals(changed, counted), (changed != windows)[:, :, spanned].any(dim=2)

    @torch.no_grad()
    def reconstructed(self, ends: Tensor) -> Tensor:
        """Computes residuals of the reconstructions of these windows, float32 (K, n, frames, F)."""
        windows, counted = self.windows.at(ends)
        return self._residuals(self.model(windows), counted)

    @torch.no_grad()
    def _residuals(self, windows: Tensor, counted: Tensor | None) -> Tensor:
        residuals: Tensor = self.model(windows) - windows
        residuals = residuals if counted is None else residuals * counted
        return residuals[:, :, -self.model.spec.error_frames :]


def _with_anomalies(
    windows: Float32s, allowed: Bools, draw: np.random.Generator, kinds: Sequence[Kind], clip: float
) -> Float32s:
    """Puts an anomaly into each of the windows (n, W, F) that can have one, kinds and sizes in turn."""
    graded = [(kind, size) for kind in kinds for size in SIZES[kind]]
    turns = itertools.cycle(draw.permutation(len(graded)).tolist())
    anomalous = windows.copy()
    for rows in np.array_split(draw.permutation(len(windows)), -(-len(windows) // ALIKE)):
        kind, size = graded[next(turns)]
        begin, seed = int(draw.integers(windows.shape[1])), int(draw.integers(2**31))
        injected = inject(windows[rows], kind, size, seed, begin=begin, clip=clip, allowed=allowed[rows])
        anomalous[rows[injected.rows]] = injected.segments
    return anomalous


def fit_discriminator(
    model: Autoencoder,
    ensemble: Ensemble,
    scales: Float64s,
    frames: Float32s,
    masked: Bools | None,
    fit_ends: Int64s,
    stop_ends: Int64s,
    held_out: Int64s,
    seeds: Sequence[int],
    max_epochs: int = MAX_EPOCHS,
    kinds: Sequence[Kind] = KINDS,
    clip: float = 10.0,
) -> FittedDiscriminator:
    """Fits the discriminators on the fit part, stops on another part, and calibrates them on unseen normal data.

    Args:
        model: fitted members, in inference mode; its spec has the size of the discriminator.
        ensemble: the same members without a discriminator.
        scales: float64 (K, F), > 0, from `member_error_scales`.
        frames, masked: as in `training.fitting.fit.fit`.
        fit_ends, stop_ends, held_out: int64, normal windows, by the row of their newest frame.
        seeds: of the members.
        kinds, clip: kinds of anomalies, and the limit of their scaled values.
    """
    spec = model.spec
    residuals = ResidualSource(model, Windows(frames, masked, spec), kinds, clip)
    discriminator = build(spec, seeds)
    discriminator.unit.copy_(torch.from_numpy(np.sqrt(scales)))
    training = _Training(discriminator, residuals, fit_ends, evenly(stop_ends, STOP), seeds)
    epochs, losses = training.run(max_epochs)
    _calibrate(discriminator, ensemble, residuals, frames, masked, held_out)
    return FittedDiscriminator(discriminator.weights(), epochs, losses)


@dataclass(frozen=True, slots=True)
class _Examples:
    """Residuals float32 (K, n, frames, F), and the sensors that count, bool (K, n, F).

    Attributes:
        unmasked: sensors that count in normal windows and reconstructions.
        touched: sensors that count in anomalous windows.
    """

    normal: Tensor
    unmasked: Tensor
    anomalous: Tensor
    touched: Tensor
    reconstructed: Tensor


class _Training:
    """State of one training. A member that has stopped improving keeps its weights while others go on."""

    def __init__(
        self,
        discriminator: Discriminator,
        residuals: ResidualSource,
        fit_ends: Int64s,
        stop_ends: Int64s,
        seeds: Sequence[int],
    ) -> None:
        self._discriminator, self._source, self._fit_ends = discriminator, residuals, fit_ends
        self._draws = [np.random.default_rng([seed, 1]) for seed in seeds]
        layers = [weight for layer in (discriminator.first, discriminator.second) for weight in layer.parameters()]
        self._optimizer = torch.optim.AdamW(layers, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        ends = torch.from_numpy(stop_ends).expand(len(seeds), -1)
        self._stop = self._examples(ends)
        self._best = {name: value.clone() for name, value in discriminator.named_parameters()}
        self._loss = torch.full((len(seeds),), torch.inf)
        self._epoch = torch.zeros(len(seeds), dtype=torch.int64)
        self._stale = torch.zeros(len(seeds), dtype=torch.int64)

    def run(self, max_epochs: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Trains, and leaves each member with its best weights. Returns their epochs and losses."""
        for epoch in range(1, max_epochs + 1):
            self._train()
            self._keep(epoch)
            if bool((self._stale >= PATIENCE).all()):
                break
        self._discriminator.load_state_dict(self._best, strict=False)
        self._discriminator.requires_grad_(False)
        return tuple(self._epoch.tolist()), tuple(self._loss.tolist())

    def _train(self) -> None:
        orders = torch.stack([self._order(draw) for draw in self._draws])
        for here in orders.split(BATCH, dim=1):  # type: ignore[no-untyped-call]
            losses = self._losses(self._examples(here))
            self._optimizer.zero_grad()
            losses.sum().backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()

    def _order(self, draw: np.random.Generator) -> Tensor:
        """Draws the windows of an epoch, by their ends."""
        count = len(self._fit_ends)
        rounds = [draw.permutation(count) for _ in range(-(-EPOCH // count))]
        return torch.from_numpy(self._fit_ends[np.concatenate(rounds)[:EPOCH]])

    def _examples(self, ends: Tensor) -> _Examples:
        source = self._source
        return _Examples(*source.normal(ends), *source.anomalous(ends, self._draws), source.reconstructed(ends))

    def _losses(self, examples: _Examples) -> Tensor:
        """Sums the mean cross-entropies of normal windows, anomalous windows and reconstructions: (K,)."""
        normal = softplus(self._discriminator(examples.normal))
        anomalous = softplus(-self._discriminator(examples.anomalous))
        reconstructed = softplus(-self._discriminator(examples.reconstructed))
        anomalies = _mean(anomalous, examples.touched) + RECONSTRUCTION_WEIGHT * _mean(reconstructed, examples.unmasked)
        return _mean(normal, examples.unmasked) + anomalies

    @torch.no_grad()
    def _keep(self, epoch: int) -> None:
        losses = self._losses(self._stop)
        going = self._stale < PATIENCE
        better, counts = going & (losses < self._loss), losses < self._loss * (1 - IMPROVEMENT)
        for name, value in self._discriminator.named_parameters():
            self._best[name][better] = value[better]
        self._epoch[better] = epoch
        self._stale = torch.where(going & counts, 0, self._stale + 1)
        self._loss = torch.where(better, losses, self._loss)


def _mean(values: Tensor, counts: Tensor) -> Tensor:
    """Mean of the values (K, n, F) that count: (K,)."""
    return (values * counts).sum(dim=(1, 2)) / counts.sum(dim=(1, 2)).clamp(min=1)


@torch.no_grad()
def _calibrate(
    discriminator: Discriminator,
    ensemble: Ensemble,
    residuals: ResidualSource,
    frames: Float32s,
    masked: Bools | None,
    held_out: Int64s,
) -> None:
    """Sets `floor`, `slope` and `reach` from held-out normal windows."""
    members = len(discriminator.reach)
    parts = []
    for here in torch.from_numpy(held_out).split(AT_ONCE):  # type: ignore[no-untyped-call]
        normal, unmasked = residuals.normal(here.expand(members, -1))
        parts.append(torch.where(unmasked, discriminator(normal), torch.nan))
    logits = torch.cat(parts, dim=1).double().numpy()  # (K, N, F)
    blind = np.isnan(logits).all(axis=1)  # (K, F)
    middle, floor = np.nanquantile(np.where(blind[:, None], 0, logits), (0.5, UNUSUAL), axis=1)  # (K, F) each
    width = floor - middle
    width = np.maximum(width, np.maximum(LEAST_SHARE * np.median(width, axis=1, keepdims=True), LEAST))
    errors = ensemble.errors(frames, held_out, masked).by_sensor.astype(np.float64)  # (K, F, N)
    usual, far = np.quantile(np.nanmean(errors, axis=1), (0.5, UNUSUAL), axis=1)  # (K,) each
    for name, value in (("floor", floor), ("slope", np.where(blind, 0, 1 / width)), ("reach", far - usual)):
        getattr(discriminator, name).copy_(torch.from_numpy(value))
