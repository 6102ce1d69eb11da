"""Columns of the records of one partition."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Message


@dataclass(frozen=True, slots=True)
class Records:
    """n records of one partition, offsets ascending; `records` are the client's own objects, for their headers."""

    keys: Sequence[bytes | None] = ()
    values: Sequence[bytes | None] = ()
    offsets: Sequence[int] = ()
    timestamps_ms: Sequence[int] = ()
    records: Sequence[Message] = ()

    def __len__(self) -> int:
        return len(self.offsets)

    def split(self, offset: int) -> tuple["Records", "Records"]:
        """Splits into the records below `offset`, and the others."""
        at = bisect_left(self.offsets, offset)
        if at == 0:
            return Records(), self
        if at == len(self):
            return self, Records()
        return self._rows(slice(at)), self._rows(slice(at, None))

    def _rows(self, rows: slice) -> "Records":
        columns = self.keys[rows], self.values[rows], self.offsets[rows], self.timestamps_ms[rows]
        return Records(*columns, self.records[rows])

    def at(self, offset: int) -> Message | None:
        """The client's object of the record at `offset`; None where it is not among these."""
        i = bisect_left(self.offsets, offset)
        return self.records[i] if i < len(self) and self.offsets[i] == offset else None
