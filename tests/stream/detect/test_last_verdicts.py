"""The state of each series is the verdict of its newest frame, also of one that left and of one that came back."""

import numpy as np

from stream.detect.last_verdicts import LastVerdicts
from stream.detect.outcome import Verdict

SCORED, WARMING, DEGRADED, OFF = (int(verdict) for verdict in Verdict)


def test_the_newest_frame_counts_and_series_without_frames_are_warming() -> None:
    last = LastVerdicts()
    last.resize(8)
    last.push(np.array([0, 0, 1, 3, 3], np.int32), np.array([SCORED, DEGRADED, OFF, WARMING, SCORED], np.uint8))
    assert last.counts(5) == {Verdict.SCORED: 1, Verdict.WARMING: 2, Verdict.DEGRADED: 1, Verdict.OFF: 1}
    last.clear(1)
    assert last.counts(4)[Verdict.OFF] == 0
    last.push(np.zeros(0, np.int32), np.zeros(0, np.uint8))
    assert last.counts(0) | {Verdict.WARMING: 0} == {verdict: int(verdict in (0, 2)) for verdict in Verdict}


def test_a_restored_slot_has_the_verdict_of_its_snapshot() -> None:
    last, again = LastVerdicts(), LastVerdicts()
    last.resize(3)
    again.resize(3)
    last.push(np.array([0, 2], np.int32), np.array([OFF, SCORED], np.uint8))
    for slot in range(3):
        again.restore(slot, last.of(slot))
    assert [again.of(slot) for slot in range(3)] == [OFF, None, SCORED]
    assert again.counts(3) == last.counts(3)
