"""Expected alert events, recomputed from the input topic by the naive twin, beside the published ones."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stream.detect.definition import Definition
from stream.detect.unwatched import unwatched_limit
from tests.oracles.naive_detector import NaiveDetector
from tests.oracles.naive_records import NaiveEvent, NaivePolicy
from tests.support.live import Record

MS = 1_000_000
# Product and twin sum a level in different orders, so scores differ in their last bits.
SCORE_TOLERANCE = 1e-9
# A score this near to a limit could fall on either side of it.
NEAR = 1e-7
SEVERITIES = ("low", "medium", "high", "critical")
EXAMPLES = 5


@dataclass(frozen=True)
class Event:
    """An alert event. Two are the same if `identity` is equal and the scores are within `SCORE_TOLERANCE`."""

    series: str
    alert_id: str
    sequence: int
    state: str
    reason: str | None
    severity: str
    partition: int
    offset: int
    score: float

    @property
    def key(self) -> tuple[str, int]:
        """Key that is unique to the event."""
        return self.alert_id, self.sequence

    @property
    def identity(self) -> tuple[Any, ...]:
        """All fields but the score."""
        return (*self.key, self.series, self.state, self.reason, self.severity, self.partition, self.offset)

    def same(self, other: "Event") -> bool:
        """True if both are the same event."""
        return self.identity == other.identity and abs(self.score - other.score) <= SCORE_TOLERANCE * abs(other.score)


@dataclass
class Verdict:
    """Differences between published and expected events; all counts but `aborted` must be 0."""

    lost: int = 0
    twice: int = 0
    extra: int = 0
    out_of_order: int = 0
    # Events with the right id and sequence, but wrong content.
    wrong: int = 0
    # Incidents that the compacted topic holds and the alerts do not leave open so, or the other way round.
    open_differs: int = 0
    # For a read_uncommitted subscriber that drops repeated (alert_id, sequence).
    uncommitted_lost: int = 0
    uncommitted_extra: int = 0
    # Events that only a read_uncommitted subscriber read.
    aborted: int = 0
    # Periods told of twice, times that go back.
    heartbeats: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """True if there is no difference."""
        return (
            not any((self.lost, self.twice, self.extra, self.out_of_order, self.wrong, self.open_differs))
            and self.uncommitted_clean
            and not self.heartbeats
        )

    @property
    def uncommitted_clean(self) -> bool:
        """True if a read_uncommitted subscriber that drops repetitions got the same events."""
        return not (self.uncommitted_lost or self.uncommitted_extra)

    def __str__(self) -> str:
        counts = f"lost {self.lost}, twice {self.twice}, extra {self.extra}, out of order {self.out_of_order}"
        counts += f", wrong {self.wrong}, open incidents that differ {self.open_differs}"
        more = f"uncommitted: lost {self.uncommitted_lost}, extra {self.uncommitted_extra}"
        return "\n".join([f"{counts}, {more}", *self.heartbeats, *self.examples])


@dataclass(frozen=True)
class Expected:
    """Expected result of the input.

    Attributes:
        events: in order of partition and offset.
        dispositions: number of readings of each disposition.
        near: number of frames whose score is within `NEAR` of a limit, so that rounding decides.
    """

    events: list[Event]
    dispositions: Counter[str]
    near: int


def recompute(records: Sequence[Record], definition: Definition) -> Expected:
    """Computes the expected events from the input topic, with records in order of offset within their partitions.

    The twin makes two passes: the first collects the windows, the second has the model's errors of all of them.
    """
    windows = _Windows()
    _pass(records, definition, windows)
    errors = windows.errors(definition)
    replay: Iterator[float] = iter(errors.tolist())
    twins, fates, events = _pass(records, definition, lambda window, masks: next(replay))
    near = sum(_is_near(frame.score, definition) for twin in twins for frame in twin.frames)
    return Expected(events, fates, near)


class _Windows:
    """Stands in for the model in the first pass, and collects its windows."""

    def __init__(self) -> None:
        self._seen: list[list[list[float]]] = []

    def __call__(self, window: list[list[float]], masks: list[list[bool]]) -> float:
        assert not any(map(any, masks)), "the source sends every sensor in every reading"
        self._seen.append(window)
        return 1.0

    def errors(self, definition: Definition) -> np.ndarray:
        """float64 (N,): the model's error of each window, in the order of collection."""
        rows = np.array(self._seen, np.float32)  # (N, W, F)
        count, window = len(rows), definition.spec.window
        frames = np.ascontiguousarray(rows.reshape(count * window, definition.spec.sensors))
        ends = np.arange(count, dtype=np.int64) * window + window - 1
        cuts = [definition.ensemble.errors(frames, ends[at : at + 4096], None).error for at in range(0, count, 4096)]
        return np.concatenate([*cuts, np.zeros(0)]).astype(np.float64)


def _pass(
    records: Sequence[Record], definition: Definition, error: Any
) -> tuple[list[NaiveDetector], Counter[str], list[Event]]:
    """A twin for each partition, as each has its own stream time; what became of the readings; the events."""
    twins: dict[int, NaiveDetector] = {}
    events = []
    for record in records:
        reading = record.json()
        twin = twins.setdefault(record.partition, _twin(definition, error))
        known = len(twin.events)
        values = [reading[sensor] for sensor in definition.sensors]
        twin.push(record.key, reading["time"] * MS, values)
        events += [_expected(event, record) for event in twin.events[known:]]
    fates = Counter(fate for twin in twins.values() for fate in twin.dispositions)
    return list(twins.values()), fates, events


def _twin(definition: Definition, error: Any) -> NaiveDetector:
    p, r, spec, scales = definition.policy, definition.rules, definition.spec, definition.scales
    names = list(scales.names)

    def scale(series: str) -> tuple[list[float], list[float]]:
        row = names.index(series if series in names else "")
        return scales.mean[row].tolist(), scales.scale[row].tolist()

    policy = NaivePolicy(
        sensors=spec.sensors, window=spec.window, smoothing=spec.smoothing, interval=p.interval_ns,
        max_gap=p.max_gap_ns, max_carry=p.max_carry, max_missing=p.max_missing, clip=p.clip,
        log=p.beyond_clip == "log",
        close_after=r.close_after, close_ratio=r.close_ratio, update_every=r.update_every_ns,
        max_duration=r.max_duration_ns, edges=r.severity_edges, unwatched_after=unwatched_limit(p, None),
        restart_after=p.restart_after,
    )  # fmt: skip
    return NaiveDetector(definition.detector, policy, error, scale, definition.thresholds.of)


def _expected(event: NaiveEvent, record: Record) -> Event:
    return Event(
        event.series, event.alert_id, event.sequence, event.state, event.reason, SEVERITIES[event.severity],
        record.partition, record.offset, event.score,
    )  # fmt: skip


def _is_near(score: float, definition: Definition) -> bool:
    limits = (1.0, definition.rules.close_ratio, *definition.rules.severity_edges)
    return any(abs(score - limit) < NEAR for limit in limits)


def event_of(record: Record) -> Event:
    """Event of a record of the alerts topic."""
    a = record.json()
    return Event(
        a["series"], a["alert_id"], a["sequence"], a["state"], a["reason"], a["severity"],
        a["source"]["partition"], a["source"]["offset"], a["score"],
    )  # fmt: skip


def open_differences(alerts: Sequence[Record], kept: Sequence[Record]) -> int:
    """Number of incidents that differ between the alerts and the compacted topic of open incidents."""
    newest = {record.json()["alert_id"]: record.value for record in alerts}
    due = {name: value for name, value in newest.items() if json.loads(value)["state"] != "resolved"}
    last = {record.key: record.value for record in kept}
    got = {name: value for name, value in last.items() if value}
    return len(dict(due.items() ^ got.items()))


def judge(expected: Expected, got: Sequence[Event], uncommitted: Sequence[Event]) -> Verdict:
    """Compares the events that subscribers read, in their order, with the expected ones."""
    wanted = {event.key: event for event in expected.events}
    assert len(wanted) == len(expected.events), "the twin must publish every event once"
    counts = Counter(event.key for event in got)
    first = {event.key: event for event in reversed(got)}
    lost, extra = wanted.keys() - first.keys(), first.keys() - wanted.keys()
    wrong = [key for key in wanted.keys() & first.keys() if not first[key].same(wanted[key])]
    verdict = Verdict(
        lost=len(lost), extra=len(extra), wrong=len(wrong), twice=sum(counts.values()) - len(counts),
        out_of_order=_out_of_order(expected.events, got),
    )  # fmt: skip
    seen = {event.key: event for event in reversed(uncommitted)}
    verdict.uncommitted_lost = len(wanted.keys() - seen.keys())
    verdict.uncommitted_extra = sum(key not in wanted or not event.same(wanted[key]) for key, event in seen.items())
    verdict.examples += [f"lost: {wanted[key]}" for key in sorted(lost)[:EXAMPLES]]
    verdict.examples += [f"extra: {first[key]}" for key in sorted(extra)[:EXAMPLES]]
    verdict.examples += [f"wrong: {first[key]}, expected {wanted[key]}" for key in sorted(wrong)[:EXAMPLES]]
    return verdict


def _out_of_order(expected: Sequence[Event], got: Sequence[Event]) -> int:
    """Number of events of a series that came before an earlier one; repetitions count as `twice`."""
    place = {event.key: at for at, event in enumerate(expected)}
    latest: dict[str, int] = {}
    late = 0
    for key, series in {event.key: event.series for event in got}.items():
        at = place.get(key)
        if at is None:
            continue
        late += at < latest.get(series, -1)
        latest[series] = max(at, latest.get(series, -1))
    return late
