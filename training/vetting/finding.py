"""Findings of the vetting: what is wrong or odd about a sensor, in which series and rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from stream.events.record import rfc3339
from stream.intake.columns import Int32s, Int64s
from stream.messages import some

# Rows and series that a text names; the count says how many there are.
NAMED = 3


class Kind(StrEnum):
    """Fault of a sensor, or what is odd about it."""

    MISSING = "missing"
    FLAT = "flat"
    CLOCK = "clock"
    COUNTER = "counter"
    DUPLICATE = "duplicate"
    SENTINEL = "sentinel"
    WILD = "wild"
    LEVEL_JUMP = "level jump"
    SPREAD_JUMP = "spread jump"
    QUANTISED = "quantised"
    CLIPPED = "clipped"
    RESTING = "rarely moves"
    NEAR_COPY = "near copy"


# A sensor of these kinds can only mislead a model. The others are good sensors with odd values.
MISLEADING = frozenset({Kind.MISSING, Kind.FLAT, Kind.CLOCK, Kind.COUNTER, Kind.DUPLICATE})
# These may be faults in the history, which a person must judge.
DOUBTFUL = (Kind.SENTINEL, Kind.LEVEL_JUMP, Kind.SPREAD_JUMP, Kind.WILD)
# Warnings at a time; the table has all findings.
MOST_WARNINGS = 5


class Place(msgspec.Struct, frozen=True):
    """A row of the history: its series, and its time in RFC 3339."""

    series: str
    time: str


class Finding(msgspec.Struct, frozen=True):
    """A sensor that is not as a sensor should be.

    Attributes:
        reason: for people; it has the numbers.
        series: that it is about; none named: all series, or the sensor as a whole.
        rows: number of rows that it is about; None: not about single rows.
        first: the first of these rows.
        values: the sentinel.
        refused: no model can be trained before this is settled.
    """

    sensor: str
    kind: Kind
    reason: str
    series: tuple[str, ...] = ()
    rows: int | None = None
    first: tuple[Place, ...] = ()
    values: tuple[float, ...] = ()
    refused: bool = False

    @property
    def text(self) -> str:
        """The finding as a line."""
        return self.line(self.sensor)

    def line(self, name: str) -> str:
        """Sensor, under this name, then kind, series, reason and first rows."""
        where = f" in {some(self.series, NAMED)}" if self.series else ""
        several = len({place.series for place in self.first}) > 1
        places = [f"{place.time} {place.series}" if several else place.time for place in self.first]
        rows = "" if self.rows is None else f"; {self.rows:,} row{'s' * (self.rows != 1)}, first {', '.join(places)}"
        if places and self.kind in (Kind.LEVEL_JUMP, Kind.SPREAD_JUMP):
            rows = f"; from {', '.join(places)} on"
        return f"{name}: {self.kind}{where}, {self.reason}{rows}"


def by_weight(findings: Sequence[Finding]) -> list[Finding]:
    """Doubtful values first, in the order of `DOUBTFUL`, then other odd values, then sensors that mislead."""
    weights = {kind: weight for weight, kind in enumerate(DOUBTFUL)} | dict.fromkeys(MISLEADING, len(Kind))
    return sorted(findings, key=lambda one: weights.get(one.kind, len(DOUBTFUL)))


def doubts(findings: Sequence[Finding]) -> list[str]:
    """A sentence for each finding that a person must judge, and the number of those left out."""
    doubtful = [finding.text for finding in by_weight(findings) if finding.kind in DOUBTFUL]
    left = len(doubtful) - MOST_WARNINGS
    return doubtful[:MOST_WARNINGS] + ([f"{left} more findings, see `vetting`"] if left > 0 else [])


@dataclass(frozen=True, slots=True)
class Seen:
    """Something odd in one series. `rows` int64 (n,) are rows of the history, ascending; the text names the first."""

    kind: Kind
    series: int
    reason: str
    rows: Int64s


@dataclass(frozen=True, slots=True)
class VettedRows:
    """The rows that are vetted: time int64 (T,), series of each row (T,), and the names of the series."""

    time: Int64s
    series: Int32s
    names: tuple[str, ...]

    def finding(
        self, sensor: str, seen: Sequence[Seen], *, value: float | None = None, refused: bool = False
    ) -> Finding:
        """One finding of what was seen of one kind, in one series or in many."""
        most = max(seen, key=lambda one: len(one.rows))
        where = f" (in {self.names[most.series]})" if len({one.reason for one in seen}) > 1 else ""
        names = tuple(self.names[one.series] for one in seen) if len(self.names) > 1 else ()
        rows = [row for one in seen for row in one.rows[:NAMED].tolist()][:NAMED]
        return Finding(
            sensor,
            most.kind,
            most.reason + where,
            names if len(names) < len(self.names) else (),
            sum(len(one.rows) for one in seen) or None,
            tuple(self._place(row) for row in rows),
            () if value is None else (value,),
            refused,
        )

    def _place(self, row: int) -> Place:
        return Place(self.names[self.series[row]], rfc3339(int(self.time[row])))
