"""The connection of a process to the broker: every call goes through it, and faults strike here."""

from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import TypeVar

from confluent_kafka import KafkaError

from tests.simulation.memory_broker.broker import Broker, fault

T = TypeVar("T")
# Share of calls before which the broker and the threads of the clients do something.
MEANWHILE = 0.1
# Time until the group removes a member without heartbeats.
GHOST_SECONDS = 10.0


class Crash(BaseException):
    """The process is killed."""


class Kind(Enum):
    """Fault of a call."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    FREEZE = "freeze"
    UNSENT = "timed out, no effect"
    UNANSWERED = "timed out, took effect"
    LATE = "timed out, takes effect later"
    ABORTABLE = "abortable error"
    FENCE = "fenced"
    GHOST = "name taken in the group"
    FULL = "queue full"


COMMITTING = ("send_offsets_to_transaction", "commit_transaction", "abort_transaction")
ANSWERED = ("init_transactions", *COMMITTING)
# Calls that a kind of fault can strike; a kind that is not listed can strike every call.
CALLS = {
    Kind.UNSENT: ("committed", "get_watermark_offsets", "list_topics", "flush", *ANSWERED),
    Kind.UNANSWERED: ANSWERED,
    Kind.LATE: COMMITTING,
    Kind.ABORTABLE: ("flush", "send_offsets_to_transaction", "commit_transaction"),
    Kind.FENCE: ("produce", "flush", *COMMITTING),
    Kind.FULL: ("produce",),
}
EVERY_CALL = (
    "assign", "begin_transaction", "committed", "consume", "flush", "get_watermark_offsets", "incremental_assign",
    "incremental_unassign", "list_topics", "produce", *ANSWERED,
)  # fmt: skip


class Wire:
    """The connection of one process, from its start to its end.

    Args:
        name: its transactional id.
        freeze: runs everything else for a while, without this process.
    """

    def __init__(self, name: str, broker: Broker, freeze: Callable[["Wire"], None]) -> None:
        self.name = name
        self.broker = broker
        self.dead = self.frozen = False
        # Faults so far, by kind and call, for the report.
        self.struck: list[tuple[Kind, str]] = []
        self.calls: Counter[str] = Counter()
        self._freeze = freeze
        self._armed: tuple[Kind, str, int] | None = None

    def arm(self, kind: Kind, call: str, count: int) -> None:
        """Arms a fault for the `count`-th call from here on that it can strike; "" is any call."""
        self._armed = (kind, call, count)

    def disarm(self) -> None:
        self._armed = None

    def die(self, at: str) -> None:
        """Ends the process."""
        self.dead = True
        raise Crash(at)

    def ask(self, call: str, timeout: float, effect: Callable[[], T]) -> T:
        """Makes a call with its effect on the broker, unless a fault strikes it."""
        kind = self._strike(call)
        if kind is Kind.UNSENT:
            self._time_out(timeout)
        if kind is Kind.LATE:
            self.broker.late.append(effect)
            self._time_out(timeout)
        if kind is Kind.ABORTABLE:
            raise fault(KafkaError.NOT_ENOUGH_REPLICAS, "struck", abort=True)
        if kind is Kind.FULL:
            raise BufferError("struck")
        result = effect()
        if kind is Kind.CRASH_AFTER:
            self.die(call)
        if kind is Kind.UNANSWERED:
            self._time_out(timeout)
        return result

    def _strike(self, call: str) -> Kind | None:
        """Counts a call, and returns the fault that strikes it after the faults before the call are done."""
        assert not self.dead, f"a dead process calls {call}"
        self.calls[call] += 1
        self.broker.advance(0.001)
        if self.broker.draw.random() < MEANWHILE:
            self.broker.background(0.3)
        if self._armed is None:
            return None
        kind, wanted, left = self._armed
        if call not in CALLS.get(kind, (call,)) or wanted not in ("", call):
            return None
        self._armed = (kind, wanted, left - 1) if left > 1 else None
        if left > 1:
            return None
        self.struck.append((kind, call))
        if kind is Kind.CRASH_BEFORE:
            self.die(call)
        if kind is Kind.FREEZE:
            self._freeze(self)
        if kind is Kind.FENCE:
            self.broker.init(self.name)
        if kind is Kind.GHOST:
            # A broker that is killed while we join can keep a member that never was.
            self.broker.group.join(self.name).dies_at = self.broker.now + GHOST_SECONDS
        return kind

    def _time_out(self, seconds: float) -> None:
        self.broker.advance(seconds)
        raise fault(KafkaError._TIMED_OUT, "struck", retriable=True)
