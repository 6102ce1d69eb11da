"""Last verdicts: the state of each series is the verdict of its newest frame."""

import numpy as np

from stream.detect.outcome import Verdict
from stream.detect.slots import grown
from stream.intake.columns import Int32s, UInt8s

# Of a slot without a frame.
NONE = np.iinfo(np.uint8).max


class LastVerdicts:
    """Verdict of the newest frame of each slot."""

    def __init__(self) -> None:
        self._verdict = np.zeros(0, np.uint8)

    def resize(self, capacity: int) -> None:
        """Makes room for `capacity` slots."""
        self._verdict = grown(self._verdict, capacity, NONE)

    def clear(self, slot: int) -> None:
        """Empties a slot."""
        self._verdict[slot] = NONE

    def push(self, slots: Int32s, verdict: UInt8s) -> None:
        """Takes the frames of a batch, sorted by slot, then time; both (n,)."""
        newest = np.append(slots[1:] != slots[:-1], True)[: len(slots)]
        self._verdict[slots[newest]] = verdict[newest]

    def of(self, slot: int) -> int | None:
        """Verdict of the newest frame of a slot; None: it has no frame."""
        verdict = int(self._verdict[slot])
        return None if verdict == NONE else verdict

    def restore(self, slot: int, verdict: int | None) -> None:
        """Restores a slot from its snapshot."""
        self._verdict[slot] = NONE if verdict is None else verdict

    def counts(self, series: int) -> dict[Verdict, int]:
        """Number of series in each state; those of the `series` that have no frame yet are warming."""
        counted = np.bincount(self._verdict, minlength=NONE + 1)
        states = {verdict: int(counted[verdict]) for verdict in Verdict}
        return states | {Verdict.WARMING: series - sum(states.values()) + states[Verdict.WARMING]}
