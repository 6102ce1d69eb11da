"""A series that the stream has long left behind starts again, at the same reading in any batches."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.detect.detector import Detector
from stream.detect.frames.frames import Frames
from stream.detect.outcome import Outcome, Verdict
from tests.oracles.naive_detector import NaiveDetector
from tests.oracles.naive_records import NaivePolicy
from tests.stream.detect.detector_cases import Case, a_case, the_twin
from tests.stream.detect.test_detector import events_of, verdicts_of
from tests.support.builders import SECOND, START, a_definition, a_spec, readings

AFTER = 25 * SECOND


def retiring(case: Case) -> NaiveDetector:
    """The slow twin with retirement."""
    twin = the_twin(case)
    twin.policy = NaivePolicy(**{**vars(twin.policy), "retire_after": AFTER})
    return twin


def pushed(case: Case, cuts: list[int], sweep: bool) -> list[Outcome]:
    """The outcomes of a case in batches; `sweep`: forget expired series between them, as a commit does."""
    detector = Detector(case.definition, AFTER)
    edges = sorted({0, len(case), *(cut % (len(case) + 1) for cut in cuts)})
    stream_time = np.maximum.accumulate(case.time)
    outcomes = []
    for start, end in itertools.pairwise(edges):
        outcomes.append(detector.push(case.cut(start, end), stream_time[start:end]))
        for series in detector.expired(int(stream_time[end - 1])) if sweep else ():
            detector.forget(series)
    return outcomes


@pytest.mark.parametrize("seed", range(6))
def test_retirement_is_what_the_slow_twin_does_one_reading_at_a_time(seed: int) -> None:
    case = a_case("wide", seed)
    (outcome,) = pushed(case, [], sweep=False)
    twin = retiring(case)
    for name, time, values in zip(case.series, case.time, case.values, strict=True):
        twin.push(name, int(time), values)
    seen = outcome.verdicts
    mine = [
        (seen.names[int(slot)], int(time), Verdict(kind).name.lower())
        for slot, time, kind in zip(seen.series, seen.time, seen.verdict, strict=True)
    ]
    assert sorted(mine) == sorted((f.series, f.time, f.verdict) for f in twin.frames)
    assert [e.alert_id for e in outcome.events] == [e.alert_id for e in twin.events]


@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(0, 10**6), max_size=8), sweep=st.booleans())
def test_neither_batches_nor_sweeps_change_the_outcome(seed: int, cuts: list[int], sweep: bool) -> None:
    case = a_case("wide", seed)
    whole = pushed(case, [], sweep=False)
    parts = pushed(case, cuts, sweep=sweep)
    assert events_of(parts) == events_of(whole)
    assert verdicts_of(parts) == verdicts_of(whole)


@pytest.mark.parametrize("policy", ["wide", "wide, ruled"])
def test_the_frames_of_a_batch_with_returns_are_those_of_its_parts(policy: str) -> None:
    case = a_case(policy, 3)
    (whole,) = pushed(case, [], sweep=False)
    ends = np.unique(whole.frames.row) + 1
    parts = [outcome.frames for outcome in pushed(case, ends.tolist(), sweep=False)]
    pieces = Frames.joined(parts, [0, *ends[:-1].tolist()])
    for field in dataclasses.fields(Frames):
        np.testing.assert_array_equal(getattr(whole.frames, field.name), getattr(pieces, field.name))
    seen, order = whole.verdicts, np.argsort(whole.frames.row, kind="stable")
    for name in ("series", "time", "row", "imputed"):
        np.testing.assert_array_equal(getattr(seen, name), getattr(whole.frames, name)[order])


def test_a_gateway_that_lags_for_ever_is_not_retired_while_it_sends() -> None:
    """Only stream time since its last reading counts, not how old its event times are."""
    n = 40
    detector = Detector(a_definition(a_spec(), series=("now", "lags")), AFTER)
    series = ["now", "lags"] * n
    time = np.array([START + i * SECOND - (i % 2) * 3600 * SECOND for i in range(2 * n)])
    outcome = detector.push(readings(series, time, np.zeros((2 * n, 2))), np.maximum.accumulate(time))
    lagging = [name for name in outcome.verdicts.names.values() if name == "lags"]
    assert lagging == ["lags"]
    slot = next(slot for slot, name in outcome.verdicts.names.items() if name == "lags")
    kinds = outcome.verdicts.verdict[outcome.verdicts.series == slot]
    assert (kinds == Verdict.SCORED).sum() == n - 4, "it warms up once"


def test_a_series_with_an_open_incident_is_never_forgotten() -> None:
    detector = Detector(a_definition(a_spec(), q=1e-9), AFTER)
    n = 20
    time = np.array([START + i * SECOND for i in range(n)])
    noise = np.random.default_rng(0).normal(size=(n, 2))
    assert detector.push(readings(["a"] * n, time, noise), time).events
    assert detector.expired(START + 10**6 * SECOND) == []
    detector.silence("a")
    assert detector.expired(START + 10**6 * SECOND) == ["a"]
