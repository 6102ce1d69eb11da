"""The detector against its slow twin, batch boundaries, and restore(C) = run(0..C)."""

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.frames.framing import Framing
from stream.detect.incidents.heights import EDGES
from stream.detect.incidents.incident import IncidentEvent
from stream.detect.outcome import Outcome, Verdict
from stream.detect.policy import Learning, Maintenance, Sentinels, ValidRange
from stream.detect.series_state import SeriesState
from stream.intake.columns import Disposition, Readings
from tests.oracles.naive_detector import NaiveDetector
from tests.oracles.naive_records import NaiveEvent, NaivePolicy
from tests.oracles.naive_usual import NaiveUsual
from tests.support.builders import SECOND, START, a_definition, a_policy, a_rule, a_rules, a_spec, readings


@dataclass(frozen=True)
class Case:
    """A stream of three series with gaps, late and duplicate readings, missing values, and anomalies."""

    definition: Definition
    series: list[str]
    time: np.ndarray
    values: np.ndarray

    def cut(self, start: int, end: int) -> Readings:
        return readings(self.series[start:end], self.time[start:end], self.values[start:end], start)

    def __len__(self) -> int:
        return len(self.series)


RULES = a_rules(close_after=2, close_ratio=0.9, update_every_ns=20 * SECOND, max_duration_ns=60 * SECOND)
SENTINELS = (Sentinels("s1", (-9999.0, 1e20)), Sentinels("s0", (-9999.0,)))
SPANS = st.sampled_from(["newest", "window", "both"])
POLICIES = {
    "wide": a_policy(max_carry=2, max_missing=0),
    "wide, learns": a_policy(max_carry=2, max_missing=0),
    "wide, masks allowed": a_policy(max_carry=1, max_missing=1, clip=2.0, beyond_clip="log"),
    "off at times": a_policy(
        score_when="s0 > -1.5",
        settle_ns=3 * SECOND,
        max_missing=1,
        maintenance=(Maintenance("a", START, START + 9 * SECOND),),
    ),
    "last on ticks": a_policy(interval_ns=2 * SECOND, resample="last", grace_ns=SECOND, max_gap_ns=8 * SECOND),
    "mean on ticks": a_policy(
        interval_ns=3 * SECOND,
        resample="mean",
        grace_ns=4 * SECOND,
        max_gap_ns=9 * SECOND,
        max_missing=1,
        close_complete=False,
    ),
    "wide, ruled": a_policy(max_carry=1, max_missing=1, valid=(ValidRange("s0", -2.0, 6.5),)),
    "wide, sentinels": a_policy(max_carry=1, max_missing=1, sentinels=SENTINELS, valid=(ValidRange("s0", -2.0, 6.5),)),
    "mean on ticks, sentinels": a_policy(
        interval_ns=3 * SECOND,
        resample="mean",
        grace_ns=4 * SECOND,
        max_gap_ns=9 * SECOND,
        max_missing=1,
        close_complete=False,
        sentinels=SENTINELS,
    ),
    "on ticks, off at times, ruled": a_policy(
        interval_ns=2 * SECOND,
        resample="last",
        grace_ns=SECOND,
        max_gap_ns=8 * SECOND,
        score_when="s1 > -1.5",
        valid=(ValidRange("s1", high=6.8), ValidRange("s0", low=-1.3)),
    ),
}
# Blocks so short that some levels become the new usual ones in a case.
LEARNING = Learning(share=0.05, block=3, horizon=40, bound=2.0, moved_least=15, moved_after=9)
RULED = ("wide, ruled", "on ticks, off at times, ruled")
VETOES = msgspec.structs.replace(
    RULES, sensors=(a_rule("s1", "above", min_relative=0.5), a_rule("s0", min_absolute=2.0))
)


def a_case(policy: str, seed: int, n: int = 260, **spec: object) -> Case:
    draw = np.random.default_rng(seed)
    series = draw.choice(["a", "b", "new"], n).tolist()
    steps = draw.choice([0, 1, 1, 1, 1, 2, 7, -1, -3], n, p=[0.05, 0.2, 0.2, 0.2, 0.2, 0.05, 0.03, 0.05, 0.02])
    clock = dict.fromkeys(("a", "b", "new"), START)
    time = np.zeros(n, np.int64)
    for i, name in enumerate(series):
        clock[name] += int(steps[i]) * SECOND + (int(draw.integers(0, 2)) * 250_000_000)
        time[i] = clock[name]
    values = draw.normal(size=(n, 2))
    values[draw.random((n, 2)) < 0.15] = np.nan
    values[draw.random(n) < 0.1] += 6.0
    if "sentinels" in policy:
        values[draw.random((n, 2)) < 0.1] = -9999.0
        values[draw.random(n) < 0.05, 1] = 1e20
    rules = VETOES if policy in RULED else RULES
    learning = LEARNING if "learns" in policy else None
    clip = POLICIES[policy].clip if POLICIES[policy].beyond_clip == "log" else None
    spec_of = a_spec(**spec, clip=clip)
    return Case(a_definition(spec_of, POLICIES[policy], rules, q=1.5, learning=learning), series, time, values)


def runs(value: float) -> bool:
    return bool(np.isnan(value) or value > -1.5)


def the_twin(case: Case) -> NaiveDetector:
    d = case.definition

    def error(window: list[list[float]], masks: list[list[bool]]) -> float:
        rows = np.array(window, np.float32)
        return float(d.ensemble.errors(rows, np.array([len(rows) - 1]), np.array(masks)).error[0])

    def parts(window: list[list[float]], masks: list[list[bool]]) -> tuple[list[float], list[float]]:
        rows = np.array(window, np.float32)
        seen = d.ensemble.errors(rows, np.array([len(rows) - 1]), np.array(masks))
        return seen.per_sensor(0).tolist(), seen.expected(0).tolist()

    def scale(name: str) -> tuple[list[float], list[float]]:
        row = list(d.scales.names).index(name if name in d.scales.names else "")
        return d.scales.mean[row].tolist(), d.scales.scale[row].tolist()

    p = d.policy
    limits = {v.sensor: (-np.inf if v.low is None else v.low, np.inf if v.high is None else v.high) for v in p.valid}
    missing = {of.sensor: of.values for of in p.sentinels}
    rules = {r.sensor: (r.direction, r.min_absolute, r.min_relative) for r in d.rules.sensors}
    return NaiveDetector(
        d.detector,
        NaivePolicy(
            sensors=2, window=d.spec.window, smoothing=d.spec.smoothing, interval=p.interval_ns, max_gap=p.max_gap_ns,
            resample=p.resample, grace=p.grace_ns, max_carry=p.max_carry, max_missing=p.max_missing, clip=p.clip,
            log=p.beyond_clip == "log", settle=p.settle_ns, close_complete=p.close_complete,
            off=lambda s, t: any(m.series == s and m.start_ns <= t < m.end_ns for m in p.maintenance),
            running=(lambda row: runs(row[d.sensors.index(p.score_when[:2])])) if p.score_when else None,
            close_after=d.rules.close_after, close_ratio=d.rules.close_ratio, update_every=d.rules.update_every_ns,
            max_duration=d.rules.max_duration_ns, edges=d.rules.severity_edges,
            valid=[limits.get(name, (-np.inf, np.inf)) for name in d.sensors],
            sentinels=[missing.get(name, ()) for name in d.sensors],
            rules=[rules.get(name, ("both", 0.0, 0.0)) for name in d.sensors] if rules else [],
        ),
        error, scale, d.thresholds.of, parts, usual_of(d) if d.learning is not None else None,
    )  # fmt: skip


def usual_of(of: Definition) -> Callable[[str], NaiveUsual]:
    """The learning threshold of a series, as training left it."""
    table, learning = of.thresholds, of.learning
    assert learning is not None
    fields = {name: getattr(learning, name) for name in learning.__struct_fields__}
    return lambda name: NaiveUsual(table.of(name), table.q, table.usual_of(name).tolist(), EDGES.tolist(), **fields)


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
    dispositions = [twin.push(s, int(t), v) for s, t, v in zip(case.series, case.time, case.values, strict=True)]
    assert [Disposition(d).name.lower() for d in outcome.disposition] == dispositions
    v = outcome.verdicts
    names = [v.names[slot] for slot in v.series.tolist()]
    kinds = [Verdict(kind).name.lower() for kind in v.verdict]
    mine = sorted(zip(names, v.time.tolist(), kinds, v.imputed.tolist(), strict=True))
    assert mine == sorted((f.series, f.time, f.verdict, f.imputed) for f in twin.frames)
    levels = dict(zip(zip(names, v.time.tolist(), strict=True), v.level.tolist(), strict=True))
    for frame in twin.frames:
        np.testing.assert_allclose(levels[frame.series, frame.time], frame.level, rtol=1e-9)
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
    alone, frames = framing.frames(framing.raw(readings)[0]), Detector(case.definition).push(readings).frames
    for field in dataclasses.fields(frames):
        np.testing.assert_array_equal(getattr(frames, field.name), getattr(alone, field.name))


def test_every_reading_and_every_frame_is_accounted_for() -> None:
    case = a_case("wide", 1)
    (outcome,) = run(case, [])
    used = int((outcome.disposition == Disposition.USED).sum())
    assert used == len(outcome.verdicts), "wide: each used reading is one frame with one verdict"
    assert len(outcome.disposition) == len(case)
