"""Mutants: services with one broken promise each, which the simulation must find."""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from typing import Any

from confluent_kafka import Consumer

from stream.errors import FencedError
from stream.events.record import Headers
from stream.kafka import recovery
from stream.kafka.assignment import Assignment
from stream.kafka.commit import transaction
from stream.kafka.commit.transaction import RolledBackError, Transaction
from stream.kafka.input import ClientErrors
from stream.kafka.partition import Partition
from stream.kafka.state.resume_point import PartitionOffsets, ResumePoint, resume_point_of
from stream.serve.service import Service
from tests.simulation.memory_broker.wire import Kind
from tests.simulation.scope import Scope

# Replacement of an attribute: (owner, name, value).
Change = tuple[object, str, Any]

# Messages of the oracle, as regular expressions.
LOST = r"lost: Counter\(\{"
TWICE = r"twice or extra: Counter\(\{"
NOT_RESTORED = "these series are not as they were"
LEFT_OUT = f"{LOST}|{NOT_RESTORED}"
OPEN = r"open: \["
ENDED = "ended although it was fenced only once"


@dataclass(frozen=True)
class Mutant:
    """A broken service.

    Attributes:
        changes: replacements that break the promise.
        broken: message of the oracle about it.
        first, scope: for rare violations: the first seed to try, and schedules that are likely to show them.
    """

    changes: Callable[[], Iterable[Change]]
    broken: str
    first: int = 0
    scope: Scope | None = None

    def __str__(self) -> str:
        return self.changes.__name__.removeprefix("_")


def _forgetful() -> Iterable[Change]:
    """A failed transaction rolls nothing back."""

    def roll_back(self: Assignment, polled: Container[int] = ()) -> None: ...

    yield Assignment, "roll_back", roll_back


def _half_forgetful() -> Iterable[Change]:
    """Partitions whose records were fetched and not processed are not rolled back."""
    original = Assignment.roll_back
    yield Assignment, "roll_back", lambda self, polled=(): original(self)


def _offsets_first() -> Iterable[Change]:
    """Offsets are committed in a transaction of their own, alerts in the next."""
    send, commit = Transaction.send, Transaction.commit
    # By transaction: records kept for one that has failed are never sent.
    kept: dict[tuple[Transaction, float | None], list[tuple[str, bytes | None, bytes | None, Headers]]] = {}

    def keep(self: Transaction, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        self.begin()
        kept.setdefault((self, self.begun_at), []).append((topic, key, value, headers))

    def commit_twice(
        self: Transaction, consumer: Consumer, partitions: Iterable[Partition], max_replay: int, *seconds: float
    ) -> None:
        records, partitions = kept.pop((self, self.begun_at), []), list(partitions)
        commit(self, consumer, partitions, max_replay, *seconds)
        for record in records:
            send(self, *record)
        if records:
            commit(self, consumer, partitions, max_replay, *seconds)

    yield Transaction, "send", keep
    yield Transaction, "commit", commit_twice


def _talkative() -> Iterable[Change]:
    """A replay publishes its events again."""
    begin = Partition.begin

    def begin_live(self: Partition, point: ResumePoint, state_end: int) -> None:
        begin(self, replace(point, committed=point.replay_from), state_end)

    yield Partition, "begin", begin_live


def _short_sighted() -> Iterable[Change]:
    """A restore stops one snapshot short of L."""

    def short(offsets: PartitionOffsets) -> ResumePoint:
        point = resume_point_of(offsets)
        return replace(point, state_end=max(point.state_end - 1, point.state_start))

    yield recovery, "resume_point_of", short


def _impatient() -> Iterable[Change]:
    """A restore takes the state topic's end for L, wherever it stands."""

    def at_end(offsets: PartitionOffsets) -> ResumePoint:
        point = resume_point_of(offsets)
        return replace(point, state_end=min(offsets.state_end, point.state_end))

    yield recovery, "resume_point_of", at_end


def _trusting() -> Iterable[Change]:
    """A commit that failed is taken for one that was made."""
    commit = Transaction.commit

    def commit_anyhow(self: Transaction, *arguments: Any) -> None:
        try:
            commit(self, *arguments)
        except RolledBackError:
            self.abort()

    yield Transaction, "commit", commit_anyhow


def _unasked() -> Iterable[Change]:
    """Commits without checking that it is a member of the group."""
    yield transaction, "group_membership", lambda consumer: consumer.consumer_group_metadata()


def _stateless() -> Iterable[Change]:
    """Counts series as covered by snapshots that it does not write."""
    due = Partition.due_snapshots

    def none_due(self: Partition, max_replay: int) -> list[tuple[str, bytes | None]]:
        due(self, max_replay)
        return []

    yield Partition, "due_snapshots", none_due


def _careless() -> Iterable[Change]:
    """Gives partitions back without committing or aborting what is open."""
    init = Assignment.__init__

    def init_without_commit(
        self: Assignment, topic: str, make: Callable[[int], Partition], commit: Callable[[], None], abort: Any
    ) -> None:
        init(self, topic, make, lambda: None, abort)

    yield Assignment, "__init__", init_without_commit


def _hoarding() -> Iterable[Change]:
    """Keeps resolved incidents in the topic of open ones."""
    send = Transaction.send

    def send_no_tombstone(self: Transaction, topic: str, key: bytes | None, value: bytes | None, of: Headers) -> None:
        if value is not None:
            send(self, topic, key, value, of)

    yield Transaction, "send", send_no_tombstone


def _mortal() -> Iterable[Change]:
    """Ends when the group fences it, even by mistake."""
    yield ClientErrors, "allows_rejoin", lambda self, fencing: False


def _clinging() -> Iterable[Change]:
    """Joins the group anew and goes on with the transaction that is open."""

    def rejoin(self: Service, fencing: FencedError) -> None:
        if not self._faults.allows_rejoin(fencing):
            raise fencing
        self._assignment.clear()
        self._input.close()
        self._recovery.close()
        self.open()

    yield Service, "_rejoin", rejoin


MUTANTS = (
    Mutant(_forgetful, LOST),
    Mutant(_half_forgetful, LEFT_OUT, 5, Scope(partitions=4, services=1, steps=150, kinds=(Kind.FENCE,))),
    Mutant(_offsets_first, LOST),
    Mutant(_talkative, TWICE),
    Mutant(_short_sighted, NOT_RESTORED),
    Mutant(_impatient, NOT_RESTORED, 20, Scope(partitions=1, services=3, steps=80, kinds=(Kind.FREEZE,))),
    Mutant(_trusting, LOST),
    Mutant(_unasked, TWICE, 0, Scope(partitions=1, services=2, steps=80, kinds=(Kind.FREEZE,))),
    Mutant(_stateless, NOT_RESTORED),
    Mutant(_careless, TWICE, 0, Scope(partitions=3, services=3, steps=80, faults=False)),
    Mutant(_hoarding, OPEN),
    Mutant(_mortal, ENDED),
    Mutant(_clinging, TWICE, 0, Scope(partitions=2, services=1, steps=80, kinds=(Kind.GHOST,))),
)
