"""Fits the K members of an ensemble in one batched pass. Each has its own order of windows and its own best weights."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stream.detect.model.autoencoders import build, load
from stream.detect.model.kind import Autoencoder, GenerativeAutoencoder
from stream.detect.policy import ModelSpec
from stream.errors import DataError, ShapeError
from stream.intake.columns import Bools, Float32s, Int64s
from training.data.windows import Windows, evenly
from training.fitting.objective import Objective
from training.fitting.posterior import mean_divergence
from training.options import FitOptions

# From this epoch on the end is estimated.
FIRST_ESTIMATE = 3
# Windows needed to fit and to stop. Longer windows overlap more, so more are needed.
MIN_FIT, MIN_STOP, FIT_PER_FRAME, ENOUGH = 50, 5, 8, 100


@dataclass(frozen=True, slots=True)
class Epoch:
    """Figures of an epoch at its end.

    Attributes:
        number: from 1.
        loss: loss of training, with blanked cells and dropout, mean over members.
        stop_loss: mean error of the cells of the stop windows, without blanking and dropout.
        windows_per_s: windows trained on per second, of all members together.
        seconds_left: estimate of the time to the end; see `epochs_left`. None in the first epochs.
        stale: epochs since the last improvement of a member that still trains.
    """

    number: int
    loss: float
    stop_loss: float
    windows_per_s: float
    seconds_left: float | None
    stale: int


@dataclass(frozen=True, slots=True)
class FittedMembers:
    """Fitted members and figures of their training.

    Attributes:
        weights: the best weights of each member, in the layout of `Autoencoder.weights`.
        epochs: all of them, in order.
        best_epoch: per member, the epoch of its weights.
        best_loss: per member, its stop loss in that epoch.
        fit_loss: per member, its training loss in that epoch.
        stopped_early: False where `max_epochs` ended training.
        windows_per_s: windows trained on per second, over all of training.
        divergence: per member, nats of each dimension of the code. Empty where the model is not variational.
    """

    weights: dict[str, Tensor]
    epochs: tuple[Epoch, ...]
    best_epoch: tuple[int, ...]
    best_loss: tuple[float, ...]
    fit_loss: tuple[float, ...]
    stopped_early: bool
    windows_per_s: float
    divergence: tuple[tuple[float, ...], ...] = ()


def seeds_of(spec: ModelSpec, options: FitOptions) -> tuple[int, ...]:
    """Lists the seeds of the members, as `fit` uses them."""
    return tuple(range(options.train.seed, options.train.seed + spec.members))


def least_windows(window: int) -> tuple[int, int]:
    """Least number of windows of W frames that training needs, to fit and to stop."""
    return min(ENOUGH, max(MIN_FIT, FIT_PER_FRAME * window)), MIN_STOP


def epochs_left(number: int, stale: int, patience: int, most: int) -> float | None:
    """Estimates the epochs to the end of training after epoch `number`; None where too few tell anything.

    Training ends `patience` epochs after the last improvement. A model that improved up to now is expected to go on for
    half as long as it has improved; the longer it has not, the less.

    Args:
        stale: epochs since the last improvement of a member that still trains.
        most: epochs at which training ends in any case.
    """
    if number >= most or stale >= patience:
        return 0.0
    if number < FIRST_ESTIMATE:
        return None
    more = 0.5 * (number - stale) * (1.0 - stale / patience)
    return min(patience - stale + more, most - number)


def fit(
    frames: Float32s,
    masked: Bools | None,
    fit_ends: Int64s,
    stop_ends: Int64s,
    spec: ModelSpec,
    options: FitOptions,
    progress: Callable[[Epoch], None],
) -> FittedMembers:
    """Minimises `Objective.training` over whole windows, without masked cells. Deterministic on one machine.

    Args:
        frames: float32 (P, F), C-contiguous, scaled, finite; masked cells hold 0.
        masked: bool (P, F), or None.
        fit_ends: int64, windows to train on, by the row of their newest frame.
        stop_ends: int64, held-out windows. They end training and select the weights of each member.
        progress: called after each epoch. An exception from it ends training.

    Raises:
        DataError: there are too few windows, or a loss is not finite.
        ShapeError: windows lie outside the frames, or sizes do not fit.
    """
    _check(frames, fit_ends, stop_ends, spec)
    windows = Windows(frames, masked, spec)
    stopping = torch.from_numpy(evenly(stop_ends, options.max_stop))
    model = build(spec, seeds_of(spec, options))
    fitted = _Training(model, windows, torch.from_numpy(fit_ends.copy()), stopping, options).run(progress)
    if isinstance(best := load(spec, fitted.weights), GenerativeAutoencoder):
        fitted = replace(fitted, divergence=mean_divergence(best, windows, stopping))
    return fitted


class _Training:
    """State of one training. The result of a member depends on its own seed, not on the other members."""

    def __init__(
        self, model: Autoencoder, windows: Windows, fit_ends: Tensor, stop_ends: Tensor, options: FitOptions
    ) -> None:
        self._model, self._options = model, options
        self._fit_ends, self._stop_ends = fit_ends, stop_ends
        self._optimizer = torch.optim.AdamW(
            model.parameters(), lr=options.train.learning_rate, weight_decay=options.train.weight_decay, fused=True
        )
        members = model.spec.members
        # Generators of each member, for the order of windows and for the cells blanked in them.
        self._draws = [torch.Generator().manual_seed(seed) for seed in seeds_of(model.spec, options)]
        self._objective = Objective(model, windows, self._draws)
        self._best = model.weights()
        self._best_loss = torch.full((members,), torch.inf)
        self._fit_loss = torch.full((members,), torch.inf)
        self._best_epoch = [0] * members
        # Epochs since each member improved (`patience`: it is done), and the current share of its learning rate.
        self._stale = torch.zeros(members, dtype=torch.int64)
        self._rate = torch.ones(members)

    def run(self, progress: Callable[[Epoch], None]) -> FittedMembers:
        """Trains until all members are done, or `max_epochs`."""
        options = self._options
        epochs: list[Epoch] = []
        trained, seconds, begun = 0, 0.0, time.perf_counter()
        while len(epochs) < options.train.max_epochs and bool(self._active.any()):
            started = time.perf_counter()
            share = self._share_of_beta(len(epochs) + 1)
            fit_loss, count = self._train(share)
            lap = time.perf_counter() - started
            stop_loss = self._stop_losses()
            if share == 1.0:
                self._keep(stop_loss, fit_loss, len(epochs) + 1)
                self._cool()
            trained, seconds = trained + count, seconds + lap
            loss, held_out, stale = float(fit_loss.mean()), float(stop_loss.mean()), int(self._stale.min())
            number = len(epochs) + 1
            left = epochs_left(number, stale, options.train.patience, options.train.max_epochs)
            pace = (time.perf_counter() - begun) / number
            epochs.append(Epoch(number, loss, held_out, count / lap, None if left is None else left * pace, stale))
            progress(epochs[-1])
        return FittedMembers(
            weights=self._best,
            epochs=tuple(epochs),
            best_epoch=tuple(self._best_epoch),
            best_loss=tuple(self._best_loss.tolist()),
            fit_loss=tuple(self._fit_loss.tolist()),
            stopped_early=not bool(self._active.any()),
            windows_per_s=trained / seconds,
        )

    @property
    def _active(self) -> Tensor:
        """Mask of members that still train, bool (K,)."""
        return self._stale < self._options.train.patience

    def _share_of_beta(self, epoch: int) -> float:
        """Share of beta in force, 0 to 1. Always 1 where the model is not variational."""
        rising = min(self._options.anneal, self._options.train.max_epochs - 1)
        if not isinstance(self._model, GenerativeAutoencoder) or epoch > rising:
            return 1.0
        return (epoch - 1) / rising

    def _train(self, share: float) -> tuple[Tensor, int]:
        """Trains one epoch. Returns the mean loss of each member (K,) and the number of windows."""
        self._model.train()
        orders = self._draw()
        total = torch.zeros(len(orders))
        for here in orders.split(self._options.train.batch_size, dim=1):  # type: ignore[no-untyped-call]
            losses = self._objective.training(here, share)
            self._optimizer.zero_grad()
            losses.sum().backward()  # type: ignore[no-untyped-call]  # a loss moves the weights of its own member only
            self._step()
            total += losses.detach() * here.shape[1]
        return total / orders.shape[1], orders.numel()

    def _draw(self) -> Tensor:
        """Draws the windows of an epoch for each member, by their ends: int64 (K, n)."""
        options, count = self._options, len(self._fit_ends)
        most = max(options.train.max_windows_per_epoch, options.train.batch_size)
        size = min(max(count, options.min_windows), most)
        rounds = -(-size // count)
        orders = [
            torch.cat([torch.randperm(count, generator=draw) for _ in range(rounds)])[:size] for draw in self._draws
        ]
        return self._fit_ends[torch.stack(orders)]

    @torch.no_grad()
    def _stop_losses(self) -> Tensor:
        """Mean error of the stop windows, (K,)."""
        self._model.eval()
        total = torch.zeros(self._model.spec.members)
        for here in self._stop_ends.split(1024):  # type: ignore[no-untyped-call]
            total += self._objective.reconstruction(here.expand(len(total), -1)) * len(here)
        losses = total / len(self._stop_ends)
        if not bool(torch.isfinite(losses).all()):
            raise DataError(
                f"training diverged: stop loss {losses.tolist()} per member, expected finite numbers; "
                f"look for values that are not finite or not scaled, or lower `train.learning_rate`"
            )
        return losses

    def _keep(self, losses: Tensor, fit_losses: Tensor, epoch: int) -> None:
        """Stores the weights of members at their best loss, and counts the epochs since their last improvement."""
        better = self._active & (losses < self._best_loss)
        counts = better & (losses < self._best_loss * (1.0 - self._options.improvement))
        self._stale = torch.where(counts, 0, self._stale + self._active)
        self._best_loss = torch.where(better, losses, self._best_loss)
        self._fit_loss = torch.where(better, fit_losses, self._fit_loss)
        for name, value in self._model.state_dict().items():
            self._best[name][better] = value[better]
        self._best_epoch = [epoch if new else old for new, old in zip(better, self._best_epoch, strict=True)]

    def _cool(self) -> None:
        """Lowers the learning rate of members that have not improved for half of `patience`."""
        due = (self._stale > 0) & (self._stale % max(1, self._options.train.patience // 2) == 0)
        self._rate = torch.where(due, self._rate * self._options.cooling, self._rate)

    @torch.no_grad()
    def _step(self) -> None:
        """Takes one step of AdamW. It is linear in the learning rate, so each member takes its own share."""
        before = [parameter.clone() for parameter in self._model.parameters()]
        self._optimizer.step()
        for old, parameter in zip(before, self._model.parameters(), strict=True):
            parameter.copy_(torch.lerp(old, parameter, self._rate.view(-1, *[1] * (parameter.dim() - 1))))


def _check(frames: Float32s, fit_ends: Int64s, stop_ends: Int64s, spec: ModelSpec) -> None:
    if frames.dtype != np.float32 or frames.ndim != 2 or frames.shape[1] != spec.sensors:
        raise ShapeError(f"frames: seen {frames.dtype} {frames.shape}, expected float32 (P, {spec.sensors})")
    if not frames.flags.c_contiguous:
        raise ShapeError(
            "frames: not C-contiguous; windows are views on contiguous memory, so pass `np.ascontiguousarray`"
        )
    needed = least_windows(spec.window)
    _check_ends("fit", fit_ends, needed[0], len(frames), spec.window)
    _check_ends("stop", stop_ends, needed[1], len(frames), spec.window)


def _check_ends(part: str, ends: Int64s, needed: int, rows: int, window: int) -> None:
    if len(ends) < needed:
        raise DataError(
            f"{len(ends)} windows of {window} frames to {part}, needed {needed}; "
            f"give longer history, shorter windows, or fewer exclusions"
        )
    if not window - 1 <= int(ends.min()) <= int(ends.max()) < rows:
        raise ShapeError(
            f"{part} windows end at {int(ends.min())} to {int(ends.max())}; "
            f"over {rows} frames, windows of {window} end at {window - 1} to {rows - 1}"
        )
