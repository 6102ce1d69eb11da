"""Playback: sensors that show recorded normal data while the plant is in trouble.

Who can play back all sensors of an asset at once, in step, is not found by a detector of these readings: what it sees
is normal. What can be measured is how many sensors it takes.
"""

from dataclasses import dataclass

import numpy as np
import torch

from training.robustness.segments import Float32s, Strips
from training.robustness.target import Contestant

SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Playback:
    """Of the strips that were found, those that are not once some sensors play back.

    Attributes:
        sensors: how many, those that deviate most from the recording first.
        evaded: None where no strip was found.
        betrayed: of the evaded, the share with an unusual disagreement; None where none evades.
    """

    sensors: int
    evaded: float | None
    betrayed: float | None


def playback(contestant: Contestant, strips: Strips, recorded: Float32s) -> tuple[Playback, ...]:
    """Plays the nearest recorded strip back on a growing share of the sensors."""
    found, played = contestant.exceeds(strips), nearest(strips, recorded)
    away = np.abs(strips.values - played).sum(axis=1)  # (N, F)
    place = np.argsort(np.argsort(-away, axis=1, kind="stable"), axis=1)  # (N, F): 0 for the sensor furthest away
    results = []
    for count in sorted({max(1, round(share * away.shape[1])) for share in SHARES}):
        shown = strips.changed(np.where((place < count)[:, None], played, strips.values))
        hidden = found & ~contestant.exceeds(shown)
        results.append(
            Playback(
                count,
                float(hidden.sum() / found.sum()) if found.any() else None,
                float(contestant.betrays(shown)[hidden].mean()) if hidden.any() else None,
            )
        )
    return tuple(results)


def nearest(strips: Strips, recorded: Float32s) -> Float32s:
    """float32 (N, L, F): the recorded strip nearest to each, 0 where a cell is masked."""
    distance = torch.cdist(torch.from_numpy(strips.values).flatten(1), torch.from_numpy(recorded).flatten(1))
    chosen: Float32s = recorded[distance.argmin(dim=1).numpy()]
    return np.where(strips.masked, np.float32(0), chosen)
