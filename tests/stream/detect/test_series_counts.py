"""Counts by series add up to the counts of the detector, whatever the batches."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.counters import Count
from stream.detect.detector import Detector
from stream.detect.outcome import Verdict
from stream.detect.series_counts import SeriesCounter
from stream.intake.columns import Disposition, Readings
from tests.support.builders import SECOND, a_definition, a_policy

POLICY = a_policy(score_when="s0 > -1", max_missing=0, max_carry=1)


def stream(seed: int, rows: int) -> Readings:
    """Readings of three series with gaps, late and repeated times, missing values and off frames."""
    draw = np.random.default_rng(seed)
    values = np.where(draw.random((rows, 2)) < 0.3, np.nan, draw.normal(size=(rows, 2)))
    time = np.cumsum(draw.choice([0, 1, 1, 1, 9, -2], rows)) * SECOND
    return Readings(("a", "b", "c"), draw.integers(0, 3, rows).astype(np.int32), time, values, np.arange(rows))


@settings(max_examples=25)
@given(seed=st.integers(0, 999), cuts=st.lists(st.integers(0, 200), max_size=4))
def test_counts_by_series_add_up_and_do_not_depend_on_batches(seed: int, cuts: list[int]) -> None:
    readings, edges = stream(seed, 200), [0, *sorted(cuts), 200]
    at = np.arange(200)
    once, parted = SeriesCounter(), SeriesCounter()
    outcome = Detector(a_definition(policy=POLICY)).push(readings)
    once.add(readings, outcome)
    detector = Detector(a_definition(policy=POLICY))
    for start, end in itertools.pairwise(edges):
        part = readings.rows((at >= start) & (at < end))
        parted.add(part, detector.push(part))
    whole = {one.series: one for one in once.counts()}
    assert {one.series: one for one in parted.counts()} == whole
    total = outcome.counts()
    for kind in Disposition:
        assert sum(one.readings[kind] for one in whole.values()) == total[Count[kind.name]]
    for verdict in Verdict:
        assert sum(one.frames[verdict] for one in whole.values()) == total[Count[verdict.name]]


def test_a_run_ends_with_a_gap_or_an_off_frame() -> None:
    """Rows 0 to 9, a gap, rows 20 to 29 of which 24 is off: three runs."""
    seconds = np.array([*range(10), *range(20, 30)])
    values = np.where(seconds[:, None] == 24, -9.0, 1.0) * np.ones((20, 2))
    readings = Readings(("a",), np.zeros(20, np.int32), seconds * SECOND, values, np.arange(20))
    counter = SeriesCounter()
    counter.add(readings, Detector(a_definition(policy=POLICY)).push(readings))
    (found,) = counter.counts()
    assert (found.runs, found.span_ns, found.frames[Verdict.OFF]) == (3, 29 * SECOND, 1)


def test_readings_that_were_refused_are_dead_however_many_series_send_them() -> None:
    readings = stream(0, 50)
    detector, counter = Detector(a_definition(policy=POLICY)), SeriesCounter()
    counter.add(readings, detector.push(readings), {f"x{at}": at + 1 for at in range(30)})
    dead = {one.series: one.readings[Disposition.DEAD] for one in counter.counts()}
    assert dead == {"a": 0, "b": 0, "c": 0} | {f"x{at}": at + 1 for at in range(30)}
