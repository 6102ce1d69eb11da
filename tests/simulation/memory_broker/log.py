"""The log of one partition: offsets, transactions, markers, and the view of `read_committed`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

TopicPartitionName = tuple[str, int]
Headers = Sequence[tuple[str, bytes]]


class Fate(Enum):
    """Decision of the coordinator about a transaction."""

    OPEN = auto()
    COMMIT = auto()
    ABORT = auto()


@dataclass(eq=False)
class Transaction:
    """A transaction at its coordinator; `logs` and `offsets` are those that no marker has reached yet."""

    begun: float
    timeout: float
    fate: Fate = Fate.OPEN
    logs: list[TopicPartitionName] = field(default_factory=list)
    offsets: dict[int, tuple[int, str]] = field(default_factory=dict)


@dataclass(slots=True)
class Entry:
    """A record; `transaction` is set until the marker is written."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int = 0
    transaction: Transaction | None = None


class Log:
    """Entries at offsets `low` to `end` - 1. None stands for markers, and for aborted and compacted records."""

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
        """Appends a record, and returns its offset."""
        self._entries.append(entry)
        if entry is not None and entry.transaction is not None:
            self._open.setdefault(entry.transaction, self.end - 1)
        return self.end - 1

    def mark(self, transaction: Transaction) -> None:
        """Writes the marker, which takes an offset; aborted records vanish."""
        first = self._open.pop(transaction, self.end)
        for offset in range(first, self.end):
            entry = self._entries[offset]
            if entry is not None and entry.transaction is transaction:
                entry.transaction = None
                if transaction.fate is Fate.ABORT:
                    self._entries[offset] = None
        self._entries.append(None)

    def append_aborted(self, n: int) -> None:
        """Appends an aborted transaction of n records: offsets that nobody sees."""
        aborted = Transaction(0.0, 1.0, Fate.ABORT)
        for _ in range(n):
            self.append(Entry(b"a", b"{", transaction=aborted))
        self.mark(aborted)

    def visible(self, start: int = 0) -> Iterator[tuple[int, Entry]]:
        """Records that a `read_committed` reader sees from `start` on, with their offsets."""
        for offset in range(max(start, self.low), self.stable_end):
            entry = self._entries[offset]
            if entry is not None:
                yield offset, entry

    def committed(self) -> Iterator[Entry]:
        """All committed records, also those behind an open transaction."""
        return (entry for entry in self._entries if entry is not None and entry.transaction is None)

    def compact(self) -> None:
        """Keeps only the last stable record of each key."""
        last = {entry.key: offset for offset, entry in self.visible()}
        for offset, entry in list(self.visible()):
            if last[entry.key] != offset:
                self._entries[offset] = None

    def up_to(self, end: int) -> "Log":
        """A copy that ends at `end`, with the open transactions aborted."""
        copy = Log()
        copy.low = self.low
        copy._entries = [None if e is None or e.transaction is not None else e for e in self._entries[:end]]
        return copy
