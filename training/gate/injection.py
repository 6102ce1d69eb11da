"""Injects synthetic anomalies into held-out normal segments, and measures a frozen model on them."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from stream.detect.definition import Definition
from stream.detect.incidents.incidents import EXCEEDS
from stream.detect.model.autoencoders import load
from stream.intake.columns import Bools, Float32s, Float64s
from stream.registry.capacity_facts import InjectedSize
from training.data.synthetic import Kind, inject
from training.gate.beside import SimpleDetectors
from training.gate.segments import HeldOutSegments

# Standard deviations of the white noise that `freedom` adds: small, so that the input stays within normal.
SMALL = 0.1
# Share of the sensors that a fault of many sensors moves. More of them missing make a frame degraded by default.
MANY = 0.25


class InjectionTrial:
    """A frozen model on held-out segments.

    Args:
        segments: at least one, of W + M - 1 frames each.
        weights: of the definition's ensemble. The ensemble itself returns no reconstruction of whole windows.
        beside: simple detectors, which score every injected anomaly too.
    """

    def __init__(
        self,
        segments: HeldOutSegments,
        definition: Definition,
        weights: Mapping[str, Tensor],
        beside: SimpleDetectors | None = None,
    ) -> None:
        self._segments, self._definition, self._spec = segments, definition, definition.spec
        self._values = segments.scaled(definition)  # float32 (n, W + M - 1, F)
        self._normal = segments.scores(definition, self._values)
        self._beside = beside
        self._model = load(definition.spec, weights)
        self._counted = self._spec.error_frames

    def inject(self, kind: Kind, size: float, seed: int) -> InjectedSize | str:
        """Injects anomalies of a kind and size and measures them; or returns why no segment can have one."""
        window, clip = self._spec.window, self._definition.policy.clip
        # A spike is placed where most windows of a level hold it; other anomalies last until the end.
        begin = window - 1 if kind == "spike" else None
        made = inject(self._values, kind, size, seed, begin=begin, clip=clip, allowed=self._segments.free)
        if made.why_none is not None:
            return made.why_none
        end = window if kind == "spike" else self._spec.receptive_field
        before, after = (values[:, end - window : end] for values in (self._values[made.rows], made.segments))
        scores = self._segments.of(made.rows).scores(self._definition, made.segments)
        if self._beside is not None:
            self._beside.add(made.rows, made.segments, scores)
        return InjectedSize(size, len(made.rows), _above(scores), self._given_back(before, after))

    def found_in_many(self, size: float, seed: int) -> float:
        """Share found of the segments with a quarter of the sensors, at least one, off by `size` from the middle on."""
        count, frames, sensors = self._values.shape
        draw = np.random.default_rng(seed)
        rank = np.where(self._segments.free, draw.random((count, sensors)), 2.0).argsort(axis=1).argsort(axis=1)
        off = self._segments.free & (rank < max(1, round(MANY * sensors)))  # (n, F)
        change = off * draw.choice(np.array([-size, size], np.float32), (count, sensors))
        made, clip = self._values.copy(), self._definition.policy.clip
        made[:, frames // 2 :] = np.clip(made[:, frames // 2 :] + change[:, None], -clip, clip)
        return _above(self._segments.scores(self._definition, made))

    def found_in_normal(self) -> float:
        """Share of the unchanged segments whose level exceeds the threshold."""
        return _above(self._normal)

    def freedom(self, seed: int) -> float:
        """Share of small white noise that the model reconstructs: its degrees of freedom per value of a window.

        An ideal linear code of `latent` units has latent / (W * F); a model that copies its input has 1.

        Source: Efron 2004, "The estimation of prediction error: covariance penalties and cross-validation", section 2:
        degrees of freedom as the sum of d output / d input, here by differences along random directions.
        """
        before, present = self._newest()
        noise = np.random.default_rng(seed).standard_normal(before.shape, np.float32) * np.float32(SMALL)
        given_back = self._given_back(before, before + np.where(present, noise, np.float32(0)))
        return 0.0 if given_back is None else given_back

    def explained(self) -> float | None:
        """Share of the mean square around the training mean that the model explains, mean over sensors.

        0 where the model is no better than that mean, 1 where it makes no error. None: no sensor moves.
        """
        windows, present = self._newest()
        observed, present = windows[:, -self._counted :], present[:, -self._counted :]
        total = np.square(np.where(present, observed, 0), dtype=np.float64).sum(axis=(0, 1))  # (F,)
        error = np.where(present, self._reconstructed(windows) - observed, 0)
        left = np.square(error, dtype=np.float64).sum(axis=(1, 2))  # (K, F)
        moves = total > 0
        if not moves.any():
            return None
        return float(np.maximum(0.0, 1.0 - np.median(left, axis=0)[moves] / total[moves]).mean())

    def _newest(self) -> tuple[Float32s, Bools]:
        """The newest window of each segment (n, W, F), and the cells that are not masked."""
        return self._values[:, -self._spec.window :], ~self._segments.masked[:, -self._spec.window :]

    def _given_back(self, before: Float32s, after: Float32s) -> float | None:
        """Slope of the change of the reconstruction over the change of the windows (n, W, F); median over members."""
        put_in = (after - before)[:, -self._counted :].astype(np.float64)
        total = float(np.square(put_in).sum())
        if total == 0.0:
            return None
        change = self._reconstructed(after).astype(np.float64) - self._reconstructed(before)  # (K, n, counted, F)
        return float(np.median((change * put_in).sum(axis=(1, 2, 3)) / total))

    @torch.inference_mode()
    def _reconstructed(self, windows: Float32s) -> Float32s:
        """Reconstructs windows (n, W, F) by each member: float32 (K, n, counted, F)."""
        shape = (self._spec.members, *windows.shape)
        clip = self._definition.policy.clip
        windows_made = self._model(torch.from_numpy(np.clip(windows, -clip, clip)).expand(shape))
        return np.asarray(windows_made[:, :, -self._counted :].numpy())


def _above(scores: Float64s) -> float:
    """Share of scores above the threshold."""
    return float((scores > EXCEEDS).mean())
