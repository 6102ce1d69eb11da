"""Values of sensors that are no numbers: as a batch reports them, and as bounded counts of many batches."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from stream.intake.wire.causes import short

Kind = Literal["text", "nan", "inf", "object", "array"]
# Texts and positions of a sensor that people see.
SHOWN = 3
# Sensors of a tally; values of further ones are counted together.
MOST_SENSORS = 64


class BadValue(NamedTuple):
    """A value that is no number, by what counts tell apart; `text` is the value as people read it."""

    series: str
    sensor: str
    kind: Kind
    text: str


class Seen(NamedTuple):
    """The number of equal bad values, and the positions of the first: rows of a data set, or offsets."""

    values: int
    positions: tuple[int, ...]


BadValues = Mapping[BadValue, Seen]


def kind_of(value: object) -> Kind:
    """The kind of a value that is no finite number."""
    if isinstance(value, float | int):
        return "nan" if value != value else "inf"  # An integer that is too large would not convert.
    return "object" if isinstance(value, dict) else "array" if isinstance(value, list) else "text"


def shown(value: object) -> str:
    """A bad value as people read it, cut after some characters; a text is in quotes."""
    if isinstance(value, float | int):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return short(value)


def grouped(found: Iterable[tuple[BadValue, int]]) -> dict[BadValue, Seen]:
    """Counts bad values, each with its position; equal ones together."""
    positions: dict[BadValue, list[int]] = {}
    for value, position in found:
        positions.setdefault(value, []).append(position)
    return {value: Seen(len(of), tuple(of[:SHOWN])) for value, of in positions.items()}


def added(parts: Iterable[BadValues]) -> dict[BadValue, Seen]:
    """The bad values of several batches, those of the first first."""
    joined: dict[BadValue, Seen] = {}
    for bad in parts:
        for value, seen in bad.items():
            values, positions = joined.get(value, Seen(0, ()))
            joined[value] = Seen(values + seen.values, (*positions, *seen.positions)[:SHOWN])
    return joined


def total(bad: BadValues) -> int:
    """The number of bad values."""
    return sum(seen.values for seen in bad.values())


class BadSensor(msgspec.Struct, frozen=True):
    """The bad values of one sensor, as JSON shows them.

    Attributes:
        sensor: "": all sensors beyond the largest number that is counted apart.
        kinds: number of values by kind.
        seen: the first different texts.
        positions: of the first values: rows of a data set, from 0, or offsets.
    """

    sensor: str
    values: int
    kinds: dict[str, int]
    seen: list[str]
    positions: list[int]

    @property
    def text(self) -> str:
        """A clause: how many values of the sensor are no numbers, and which texts were seen."""
        of = f"`{self.sensor}`" if self.sensor else "further sensors"
        verb = "value of {} is no number" if self.values == 1 else "values of {} are no numbers"
        return f"{self.values:,} {verb.format(of)}, such as {', '.join(self.seen)}"


class BadTally:
    """Adds up bad values by sensor, of all series together. Its size is bounded."""

    def __init__(self) -> None:
        self._kinds: dict[str, Counter[str]] = {}
        self._seen: dict[str, list[str]] = {}
        self._positions: dict[str, list[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def add(self, bad: BadValues) -> None:
        """Adds the bad values of a batch."""
        for (_, sensor, kind, text), (values, positions) in bad.items():
            if sensor not in self._kinds and len(self._kinds) >= MOST_SENSORS:
                sensor = ""
            self._kinds.setdefault(sensor, Counter())[kind] += values
            seen = self._seen.setdefault(sensor, [])
            if len(seen) < SHOWN and text not in seen:
                seen.append(text)
            self._positions[sensor] = sorted((*self._positions.get(sensor, ()), *positions))[:SHOWN]

    def values(self, sensor: str) -> int:
        """The number of bad values of a sensor."""
        return self._kinds.get(sensor, Counter()).total()

    def sensors(self) -> tuple[BadSensor, ...]:
        """The bad values of each sensor, the sensor with the most first."""
        found = (
            BadSensor(name, kinds.total(), dict(kinds), [*self._seen[name]], self._positions[name])
            for name, kinds in self._kinds.items()
        )
        return tuple(sorted(found, key=lambda one: (not one.sensor, -one.values)))


def tallied(bad: BadValues) -> BadTally:
    """The bad values of one batch as a tally."""
    tally = BadTally()
    tally.add(bad)
    return tally


def by_series(bad: BadValues) -> dict[str, dict[BadValue, Seen]]:
    """The bad values of each series."""
    found: dict[str, dict[BadValue, Seen]] = {}
    for value, seen in bad.items():
        found.setdefault(value.series, {})[value] = seen
    return found
