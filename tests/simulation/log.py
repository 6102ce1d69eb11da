"""A partition of a topic as the broker keeps it: offsets, transactions, markers, what `read_committed` sees."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

TopicPartitionName = tuple[str, int]
Headers = Sequence[tuple[str, bytes]]


class Fate(Enum):
    """What the coordinator has decided about a transaction."""

    OPEN = auto()
    COMMIT = auto()
    ABORT = auto()


@dataclass(eq=False)
class Transaction:
    """A transaction at its coordinator. `logs` and `offsets` are what its markers have not reached yet."""

    begun: float
    timeout: float
    fate: Fate = Fate.OPEN
    logs: list[TopicPartitionName] = field(default_factory=list)
    offsets: dict[int, tuple[int, str]] = field(default_factory=dict)


@dataclass(slots=True)
class Entry:
    """A record; `transaction` until its marker is written."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int = 0
    transaction: Transaction | None = None


class Log:
    """Offsets from `low` to `end`. None stands where nobody sees a record: markers, aborted ones, compacted ones."""

    def __init__(self) -> None:
        self._entries: list[Entry | None] = []
        self._open: dict[Transaction, int] = {}
        self.low = 0

    @property
    def end(self) -> int:
        return len(self._entries)

    @property
    def stable_end(self) -> int:
        """The last stable offset: `read_committed` ends before the first record of an open transaction."""
        return min(self._open.values(), default=self.end)

    def append(self, entry: Entry | None) -> int:
        """Its offset."""
        self._entries.append(entry)
        if entry is not None and entry.transaction is not None:
            self._open.setdefault(entry.transaction, self.end - 1)
        return self.end - 1

    def mark(self, transaction: Transaction) -> None:
        """Writes the marker, which takes an offset; aborted records are seen by nobody from here on."""
        first = self._open.pop(transaction, self.end)
        for offset in range(first, self.end):
            entry = self._entries[offset]
            if entry is not None and entry.transaction is transaction:
                entry.transaction = None
                if transaction.fate is Fate.ABORT:
                    self._entries[offset] = None
        self._entries.append(None)

    def visible(self, start: int = 0) -> Iterator[tuple[int, Entry]]:
        """What `read_committed` sees from `start` on."""
        for offset in range(max(start, self.low), self.stable_end):
            entry = self._entries[offset]
            if entry is not None:
                yield offset, entry

    def committed(self) -> Iterator[Entry]:
        """Also what stands behind an open transaction, and is not seen yet."""
        return (entry for entry in self._entries if entry is not None and entry.transaction is None)

    def compact(self) -> None:
        """Keeps the last stable record of each key only; the others leave holes."""
        last = {entry.key: offset for offset, entry in self.visible()}
        for offset, entry in list(self.visible()):
            if last[entry.key] != offset:
                self._entries[offset] = None

    def up_to(self, end: int) -> "Log":
        """A copy that ends at `end`, where the transactions that are open now have been aborted."""
        copy = Log()
        copy.low = self.low
        copy._entries = [None if e is None or e.transaction is not None else e for e in self._entries[:end]]
        return copy
