"""Services with one promise broken each: what the simulation must find."""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from typing import Any

from confluent_kafka import Consumer

from stream.events import Headers
from stream.kafka import recovery, transaction
from stream.kafka.assignment import Assignment
from stream.kafka.partition import Partition
from stream.kafka.place import Found, Place, place_of
from stream.kafka.transaction import RolledBackError, Transaction

# What to put in place of an attribute: (owner, name, value).
Change = tuple[object, str, Any]


def _forgetful() -> Iterable[Change]:
    """A failed transaction rolls nothing back."""

    def roll_back(self: Assignment, taken: Container[int] = ()) -> None: ...

    yield Assignment, "roll_back", roll_back


def _half_forgetful() -> Iterable[Change]:
    """Partitions whose records were taken and not processed are not rolled back."""
    original = Assignment.roll_back
    yield Assignment, "roll_back", lambda self, taken=(): original(self)


def _offsets_first() -> Iterable[Change]:
    """Offsets are committed in a transaction of their own, alerts in the next."""
    send, commit = Transaction.send, Transaction.commit

    def keep(self: Transaction, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        self.begin()
        vars(self).setdefault("kept", []).append((topic, key, value, headers))

    def commit_twice(self: Transaction, consumer: Consumer, partitions: Iterable[Partition], max_replay: int) -> None:
        partitions = list(partitions)
        commit(self, consumer, partitions, max_replay)
        for record in vars(self).pop("kept", []):
            send(self, *record)
        if self.begun_at is not None:
            commit(self, consumer, partitions, max_replay)

    yield Transaction, "send", keep
    yield Transaction, "commit", commit_twice


def _talkative() -> Iterable[Change]:
    """What is replayed is told again."""
    begin = Partition.begin

    def begin_live(self: Partition, place: Place, state_end: int) -> None:
        begin(self, replace(place, committed=place.replay_from), state_end)

    yield Partition, "begin", begin_live


def _short_sighted() -> Iterable[Change]:
    """A restore stops one snapshot short of L."""

    def short(found: Found) -> Place:
        place = place_of(found)
        return replace(place, state_end=max(place.state_end - 1, place.state_start))

    yield recovery, "place_of", short


def _impatient() -> Iterable[Change]:
    """A restore takes the state topic's end for L, wherever it stands."""

    def at_end(found: Found) -> Place:
        place = place_of(found)
        return replace(place, state_end=min(found.state_end, place.state_end))

    yield recovery, "place_of", at_end


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
    """Commits without looking whether it is a member of the group."""
    yield transaction, "_is_member", lambda metadata: True


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


MUTANTS: Mapping[str, Callable[[], Iterable[Change]]] = {
    mutant.__name__.removeprefix("_"): mutant
    for mutant in (
        _forgetful,
        _half_forgetful,
        _offsets_first,
        _talkative,
        _short_sighted,
        _impatient,
        _trusting,
        _unasked,
        _stateless,
        _careless,
    )
}
