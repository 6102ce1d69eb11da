"""The detector against its slow twin, batch boundaries, and restore(C) = run(0..C)."""

import dataclasses
import itertools
from collections import Counter

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.counters import Count
from stream.detect.detector import Detector
from stream.detect.frames.framing import Framing
from stream.detect.incidents.incident import IncidentEvent
from stream.detect.outcome import Outcome, Verdict
from stream.detect.series_state import SeriesState
from stream.intake.columns import Disposition
from tests.oracles.naive_records import NaiveEvent
from tests.stream.detect.detector_cases import POLICIES, RULED, Case, a_case, the_twin

SPANS = st.sampled_from(["newest", "window", "both"])


def verdicts_of(outcomes: list[Outcome]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for o in outcomes:
        v = o.verdicts
        for i in range(len(v)):
            name = v.names[int(v.series[i])]
            rows.append((name, int(v.time[i]), int(v.verdict[i]), v.score[i].tobytes(), v.level[i].tobytes()))
    return rows


def events_of(outcomes: list[Outcome]) -> list[tuple[object, ...]]:
    return [
        (e.series, e.alert_id, e.sequence, e.state, e.reason, e.time, e.score, e.sensors, e.cause, e.scored, e.view)
        for o in outcomes
        for e in o.events
    ]


def restarts_of(outcomes: list[Outcome]) -> list[tuple[str, int, int, int]]:
    return [(e.series, e.seen, e.expected, e.behind) for o in outcomes for e in o.clock_restarts]


def life(event: IncidentEvent | NaiveEvent) -> tuple[object, ...]:
    """The fields of an event that product and twin have in common."""
    e = event
    named = [f"s{f}" for f in e.outside] if isinstance(e, NaiveEvent) else [s.name for s in e.sensors if s.outside]
    return (
        e.series, e.time, e.sequence, e.alert_id, e.state, e.reason or "", e.started_at, e.ended_at or 0,
        e.cause, e.scored, named,
    )  # fmt: skip


def run(case: Case, cuts: list[int]) -> list[Outcome]:
    detector = Detector(case.definition)
    edges = sorted({0, len(case), *(c % (len(case) + 1) for c in cuts)})
    return [detector.push(case.cut(a, b)) for a, b in itertools.pairwise(edges)]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("seed", "span"), [(0, "newest"), (1, "window"), (2, "both"), (3, "both")])
def test_the_detector_agrees_with_the_slow_twin(policy: str, seed: int, span: str) -> None:
    """Dispositions, verdicts and events are equal; levels to 1e-9."""
    case = a_case(policy, seed, error_span=span)
    (outcome,) = run(case, [])
    twin = the_twin(case)
    for name, time, values in zip(case.series, case.time, case.values, strict=True):
        twin.push(name, int(time), values)
    if not twin.clock_restarts:
        assert [Disposition(d).name.lower() for d in outcome.disposition] == twin.dispositions
    counts, fates = outcome.counts(), Counter(twin.dispositions)
    assert {fate: counts[Count[fate.upper()]] for fate in fates} == fates
    restarts = [(e.series, e.seen, e.expected, e.behind) for e in outcome.clock_restarts]
    assert restarts == twin.clock_restarts
    if "leaps" in policy:
        assert len(restarts) > 1
        assert "unconfirmed" in twin.dispositions
    v = outcome.verdicts
    names = [v.names[slot] for slot in v.series.tolist()]
    kinds = [Verdict(kind).name.lower() for kind in v.verdict]
    mine = sorted(zip(names, v.time.tolist(), kinds, v.imputed.tolist(), strict=True))
    assert mine == sorted((f.series, f.time, f.verdict, f.imputed) for f in twin.frames)
    levels: dict[tuple[str, int], list[float]] = {}
    for name, time, level in zip(names, v.time.tolist(), v.level.tolist(), strict=True):
        levels.setdefault((name, time), []).append(level)
    for frame in twin.frames:
        np.testing.assert_allclose(levels[frame.series, frame.time].pop(0), frame.level, rtol=1e-9)
    assert sorted(map(life, outcome.events)) == sorted(map(life, twin.events))
    assert {e.state for e in twin.events} == {"opened", "updated", "resolved"}, (
        "the case must exercise the life of incidents"
    )
    if policy in RULED:
        assert any(e.outside for e in twin.events), "and values outside their range"
        assert outcome.verdicts.vetoed.any(), "and the veto"


@pytest.mark.parametrize("policy", POLICIES)
@given(seed=st.integers(0, 50), cuts=st.lists(st.integers(0, 10_000), max_size=12), span=SPANS)
def test_batch_boundaries_do_not_matter_to_the_bit(policy: str, seed: int, cuts: list[int], span: str) -> None:
    case = a_case(policy, seed, 120, error_span=span)
    whole, pieces = run(case, []), run(case, cuts)
    assert sorted(verdicts_of(whole)) == sorted(verdicts_of(pieces))
    assert sorted(events_of(whole), key=repr) == sorted(events_of(pieces), key=repr)
    assert sum((o.counts() for o in whole), Counter()) == sum((o.counts() for o in pieces), Counter())
    assert restarts_of(whole) == restarts_of(pieces)


@pytest.mark.parametrize("policy", POLICIES)
@given(
    seed=st.integers(0, 50),
    at=st.integers(0, 120),
    smoothing=st.integers(1, 5),
    members=st.sampled_from([1, 3]),
    span=SPANS,
)
def test_a_restored_detector_goes_on_as_if_nothing_had_happened(
    policy: str, seed: int, at: int, smoothing: int, members: int, span: str
) -> None:
    """restore(C) equals run(0..C): state, verdicts, events, to the bit, through the bytes of the snapshots."""
    case = a_case(policy, seed, 120, smoothing=smoothing, members=members, error_span=span)
    first = Detector(case.definition)
    first.push(case.cut(0, at))
    packed = [msgspec.msgpack.encode(first.snapshot(name)) for name in first.slots.names()]
    second = Detector(case.definition)
    second.restore(msgspec.msgpack.decode(data, type=SeriesState) for data in packed)
    assert [msgspec.msgpack.encode(second.snapshot(name)) for name in first.slots.names()] == packed
    rest = case.cut(at, len(case))
    a, b = first.push(rest), second.push(rest)
    assert verdicts_of([a]) == verdicts_of([b])
    assert events_of([a]) == events_of([b])


@pytest.mark.parametrize("policy", POLICIES)
def test_an_outcome_carries_the_frames_that_framing_alone_gives(policy: str) -> None:
    case = a_case(policy, 2)
    readings, framing = case.cut(0, len(case)), Framing(case.definition.policy, case.definition.sensors)
    framing.admit(readings.names)
    alone = framing.frames(framing.raw(framing.checked(readings))[0])
    frames = Detector(case.definition, restarts=False).push(readings).frames
    for field in dataclasses.fields(frames):
        np.testing.assert_array_equal(getattr(frames, field.name), getattr(alone, field.name))


def test_every_reading_and_every_frame_is_accounted_for() -> None:
    case = a_case("wide", 1)
    (outcome,) = run(case, [])
    used = int((outcome.disposition == Disposition.USED).sum())
    assert used == len(outcome.verdicts), "wide: each used reading is one frame with one verdict"
    assert len(outcome.disposition) == len(case)
