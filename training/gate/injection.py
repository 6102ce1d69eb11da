"""A frozen model and the held-out normal strips it is tried on: what it finds in them, gives back, and explains."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from stream.detect.definition import Definition
from stream.detect.incidents.incidents import EXCEEDS
from stream.detect.model.autoencoders import load
from stream.intake.columns import Bools
from stream.registry.manifest_facts import InjectedSize
from training.data.synthetic import Kind, inject
from training.gate.segments import Float32s, HeldOutSegments

# Deviations of the white noise that tells what a model is free to copy: small, so that all of it is within normal.
SMALL = 0.1


class InjectionTrial:
    """Tries them out; at least one strip.

    Args:
        strips: of W + M - 1 frames, as many as the errors of one level look at.
        weights: those of the definition's ensemble, which itself gives errors and newest frames only.
    """

    def __init__(self, strips: HeldOutSegments, definition: Definition, weights: Mapping[str, Tensor]) -> None:
        self._strips, self._definition, self._spec = strips, definition, definition.spec
        self._values = strips.scaled(definition)  # float32 (n, W + M - 1, F)
        self._model = load(definition.spec, weights)
        # Newest frames of a window that its error is of.
        self._counted = 1 if self._spec.error_span == "newest" else self._spec.window

    def step(self, kind: Kind, size: float, seed: int) -> InjectedSize | str:
        """What becomes of an anomaly; or the reason that no strip can have it."""
        window, clip = self._spec.window, self._definition.policy.clip
        # Where most windows of a level see a spike; it passes, where others stay.
        begin = window - 1 if kind == "spike" else None
        made = inject(self._values, kind, size, seed, begin=begin, clip=clip, allowed=self._strips.free)
        if made.why_none is not None:
            return made.why_none
        end = window if kind == "spike" else self._spec.receptive_field
        was, now = (values[:, end - window : end] for values in (self._values[made.rows], made.strips))
        found = self._found(self._strips.of(made.rows), made.strips)
        return InjectedSize(size, len(made.rows), found, self._given_back(was, now))

    def found_in_normal(self) -> float:
        """The share of the strips, as they are, whose level exceeds the threshold."""
        return self._found(self._strips, self._values)

    def freedom(self, seed: int) -> float:
        """How much of small white noise the model gives back: its degrees of freedom per value of a window.

        An ideal linear code of `latent` units has latent / (W * F); what copies has 1.

        Source: Efron 2004, "The estimation of prediction error: covariance penalties and cross-validation", section 2:
        degrees of freedom as the sum of d output / d input, here by differences along random directions.
        """
        was, kept = self._newest()
        noise = np.random.default_rng(seed).standard_normal(was.shape, np.float32) * np.float32(SMALL)
        given_back = self._given_back(was, was + np.where(kept, noise, np.float32(0)))
        return 0.0 if given_back is None else given_back

    def explained(self) -> float | None:
        """Share of a sensor's mean square around its training mean that the model explains; mean over sensors.

        0 where it does no better than that mean, 1 where it makes no error. None: no sensor moves.
        """
        windows, kept = self._newest()
        seen, kept = windows[:, -self._counted :], kept[:, -self._counted :]
        total = np.square(np.where(kept, seen, 0), dtype=np.float64).sum(axis=(0, 1))  # (F,)
        left = np.square(np.where(kept, self._made(windows) - seen, 0), dtype=np.float64).sum(axis=(1, 2))  # (K, F)
        moves = total > 0
        if not moves.any():
            return None
        return float(np.maximum(0.0, 1.0 - np.median(left, axis=0)[moves] / total[moves]).mean())

    def _found(self, strips: HeldOutSegments, values: Float32s) -> float:
        """The share where scaled values (n, W + M - 1, F) stand in the place of their own."""
        return float((strips.scores(self._definition, values) > EXCEEDS).mean())

    def _newest(self) -> tuple[Float32s, Bools]:
        """The newest window of each strip (n, W, F), and the cells that are not masked."""
        return self._values[:, -self._spec.window :], ~self._strips.masked[:, -self._spec.window :]

    def _given_back(self, was: Float32s, now: Float32s) -> float | None:
        """Slope of the change of what the model makes over the change of the windows (n, W, F); median over members."""
        put_in = (now - was)[:, -self._counted :].astype(np.float64)
        total = float(np.square(put_in).sum())
        if total == 0.0:
            return None
        change = self._made(now).astype(np.float64) - self._made(was)  # (K, n, counted, F)
        return float(np.median((change * put_in).sum(axis=(1, 2, 3)) / total))

    @torch.inference_mode()
    def _made(self, windows: Float32s) -> Float32s:
        """float32 (K, n, counted, F): what each member makes of the windows (n, W, F)."""
        shape = (self._spec.members, *windows.shape)
        made = self._model(torch.from_numpy(np.ascontiguousarray(windows)).expand(shape))
        return np.asarray(made[:, :, -self._counted :].numpy())
