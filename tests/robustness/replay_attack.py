"""Replay attack: sensors that show recorded normal data while the plant is in trouble.

A replay of all sensors of an asset, in step, cannot be found from these readings: they are normal. What can be measured
is the number of sensors that it takes.
"""

from dataclasses import dataclass

import numpy as np

from stream.intake.columns import Float32s
from training.robustness.segments import AttackSegments, nearest
from training.robustness.target import Target

SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class ReplayAttack:
    """Evasion of a detector by the replay of some sensors.

    Attributes:
        sensors: number of replayed sensors, those that deviate most from the recording first.
        evaded: of the segments that were found, the share that no longer is; None where none was found.
        flagged: of the evaded, the share with an unusual disagreement; None where none evades.
    """

    sensors: int
    evaded: float | None
    flagged: float | None


def replay_attacks(target: Target, segments: AttackSegments, recorded: Float32s) -> tuple[ReplayAttack, ...]:
    """Replays the nearest recorded segment on a growing share of the sensors."""
    found, replayed = target.exceeds(segments), nearest(segments, recorded)
    distance = np.abs(segments.values - replayed).sum(axis=1)  # (N, F)
    rank = np.argsort(np.argsort(-distance, axis=1, kind="stable"), axis=1)  # (N, F): 0 for the sensor furthest away
    results = []
    for count in sorted({max(1, round(share * distance.shape[1])) for share in SHARES}):
        attacked = segments.changed(np.where((rank < count)[:, None], replayed, segments.values))
        hidden = found & ~target.exceeds(attacked)
        evaded = float(hidden.sum() / found.sum()) if found.any() else None
        flagged = float(target.flags_disagreement(attacked)[hidden].mean()) if hidden.any() else None
        results.append(ReplayAttack(count, evaded, flagged))
    return tuple(results)
