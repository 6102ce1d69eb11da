"""One source of readings, a history or a topic, as `narrows init` understood it."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from stream.cli.starting.producer import Example
from stream.cli.starting.spacing import Rate, rate, sampling_guesses
from stream.intake.columns import Dead, LongReadings, Readings
from stream.intake.field_paths import joined
from stream.intake.tables.reader import Layout
from stream.messages import some
from stream.settings.starter import Guess

_NAMED = 5
_EXAMPLES = 3


@dataclass(frozen=True)
class Look:
    """The readings of a source, as far as they were read.

    Attributes:
        series: names, sorted.
        unread: one clause for each reason why readings could not be used, with their number and an example.
        rate, spacing: None and empty where no series has two readings at different times.
        examples: the first readings; those of a long layout have one value.
    """

    readings: int
    series: tuple[str, ...]
    unread: tuple[str, ...]
    rate: Rate | None
    spacing: tuple[Guess, ...]
    examples: tuple[Example, ...]

    @classmethod
    def of(cls, columns: Sequence[Readings | LongReadings], dead: Iterable[Dead], sensors: Sequence[str]) -> "Look":
        """A look at these readings of `sensors`, and at these that are none."""
        details: dict[str, list[str]] = {}
        for one in dead:
            details.setdefault(str(one.reason), []).append(one.detail)
        clauses = (f"{len(all_)} would be dead, `{why}`, such as: {all_[0]}" for why, all_ in details.items())
        spacing = rate(columns)
        return cls(
            sum(map(len, columns)),
            tuple(sorted({name for batch in columns for name in batch.names})),
            tuple(clauses),
            spacing,
            tuple(sampling_guesses(columns, sensors, spacing)),
            tuple(islice(_examples(columns, sensors), _EXAMPLES)),
        )

    @property
    def names(self) -> str:
        """The number of series, and the first names."""
        return f"{len(self.series)} series: {some(self.series, _NAMED)}"


@dataclass(frozen=True)
class Source:
    """A history or a topic.

    Attributes:
        name: path of the history, or name of the topic.
        layout: the role of each column; columns of a topic are paths of fields.
        guesses: the settings that it suggests.
        warnings: sentences about what may be wrong.
    """

    name: str
    layout: Layout
    guesses: Sequence[Guess]
    look: Look
    warnings: Sequence[str]


def sensors_setting(paths: Mapping[str, str], form: Literal["wide", "long"]) -> list[str] | dict[str, str]:
    """The value of `input.sensors`: the names, in wide data with the paths of their fields where these differ."""
    same = form == "long" or all(joined([name]) == path for name, path in paths.items())
    return list(paths) if same else dict(paths)


def _examples(columns: Sequence[Readings | LongReadings], sensors: Sequence[str]) -> Iterator[Example]:
    for batch in columns:
        for row in range(min(len(batch), _EXAMPLES)):
            where = batch.names[batch.series[row]], int(batch.time[row])
            if isinstance(batch, LongReadings):
                if batch.sensor[row] >= 0:
                    yield Example(*where, {sensors[batch.sensor[row]]: _value(batch.value[row])})
            else:
                values = zip(sensors, batch.values[row].tolist(), strict=True)
                yield Example(*where, {name: _value(value) for name, value in values})


def _value(number: float) -> float | None:
    return None if math.isnan(number) else float(number)
