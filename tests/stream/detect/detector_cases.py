"""Streams of readings for the tests of the detector, and its slow twin."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np

from stream.detect.definition import Definition
from stream.detect.incidents.heights import EDGES
from stream.detect.policy import Learning, Maintenance, Sentinels, ValidRange
from stream.intake.columns import Readings
from tests.oracles.naive_detector import NaiveDetector
from tests.oracles.naive_records import NaivePolicy
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
    "wide, leaps": a_policy(max_carry=1, max_missing=1, restart_after=4, score_when="s0 > -1.5", settle_ns=3 * SECOND),
    "last on ticks, leaps": a_policy(
        interval_ns=2 * SECOND, resample="last", grace_ns=SECOND, max_gap_ns=8 * SECOND, restart_after=3
    ),
    "mean on ticks, leaps": a_policy(
        interval_ns=2 * SECOND,
        resample="mean",
        grace_ns=3 * SECOND,
        max_gap_ns=30 * SECOND,
        restart_after=2,
        close_complete=False,
        max_missing=1,
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
    if "leaps" in policy:
        time = with_leaps(draw, series, time)
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


def with_leaps(draw: np.random.Generator, series: list[str], time: np.ndarray) -> np.ndarray:
    """Times with lone leaps ahead and behind, and clocks that are set ahead or back for good."""
    offset, leaping = dict.fromkeys(series, 0), time.copy()
    for i, name in enumerate(series):
        offset[name] += int(draw.choice([0, -1000, -45, 45, 700], p=[0.95, 0.01, 0.02, 0.01, 0.01])) * SECOND
        lone = int(draw.choice([0, 50, 3000, -70], p=[0.94, 0.02, 0.02, 0.02])) * SECOND
        leaping[i] += offset[name] + lone
    return leaping


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
            max_duration=d.rules.max_duration_ns, edges=d.rules.severity_edges, restart_after=p.restart_after,
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
