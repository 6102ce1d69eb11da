"""Settings for a history and a topic together: the topic tells the wire, the history tells what is learnt."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from stream.cli.starting.source import Source, sensors_setting
from stream.errors import DataError
from stream.intake.field_paths import joined, split
from stream.messages import some
from stream.settings.quantities import format_duration
from stream.settings.starter import Guess

# Settings that the topic tells; the history tells the others.
_OF_THE_WIRE = frozenset(
    f"input.{name}" for name in ("topic", "format", "time", "date", "time_format", "series", "sensor", "value")
)
# Intervals that differ by more than this factor are not the same.
_SAME = 1.5
_NAMED = 10


@dataclass(frozen=True)
class Agreement:
    """Settings for all sources.

    Attributes:
        warnings: where the sources disagree, one sentence each.
        training: options of `narrows train` that name a column of the history which the topic calls differently.
    """

    guesses: Sequence[Guess]
    warnings: Sequence[str] = ()
    training: Sequence[str] = ()

    @classmethod
    def of(cls, sources: Sequence[Source]) -> "Agreement":
        """The settings of one source, or of none."""
        return cls([guess for source in sources for guess in source.guesses])


def agree(history: Source, topic: Source) -> Agreement:
    """The settings for both: the wire as in the topic, the sensors that both have.

    Raises:
        DataError: they have no sensor in common.
    """
    told = {guess.path: guess for guess in history.guesses}
    wire = {guess.path: guess for guess in topic.guesses}
    sensors, apart = _sensors(history, topic, told["input.sensors"], wire["input.sensors"])
    training, renamed = _columns(history, topic)
    told_by_topic = {path: guess for path, guess in wire.items() if path in _OF_THE_WIRE}
    warnings = [*apart, *renamed, *_series(history, topic), *_interval(history, topic)]
    if told_by_topic["input.series"].value:
        told.pop("input.series_name", None)  # a field names the series of each reading
    return Agreement(list((told | told_by_topic | {"input.sensors": sensors}).values()), warnings, training)


def _sensors(history: Source, topic: Source, told: Guess, wire: Guess) -> tuple[Guess, list[str]]:
    """The setting `input.sensors` for both, and a sentence for each source that has sensors of its own."""
    paths = wire.value if isinstance(wire.value, dict) else {name: joined([name]) for name in wire.value}
    known = {".".join(split(path)): path for path in paths.values()} | paths
    both = {name: known[name] for name in history.layout.sensors if name in known}
    if not both:
        ours, theirs = some(history.layout.sensors, _NAMED), some(topic.layout.sensors, _NAMED)
        raise DataError(
            f"{history.name} and topic {topic.name!r} have no sensor in common: there are {ours} and {theirs}; "
            f"name the field of each with --set 'input.sensors={{COLUMN: FIELD, ...}}'"
        )
    only_history = [name for name in history.layout.sensors if name not in both]
    only_topic = [name for name, path in paths.items() if path not in both.values()]
    apart = []
    if only_history:
        left = "left out, for the topic does not have it"
        apart.append(f"only in {history.name}: {some(only_history, _NAMED)}; {left}")
    if only_topic:
        left = "left out, for nothing can be learnt about it"
        apart.append(f"only in topic {topic.name!r}: {some(only_topic, _NAMED)}; {left}")
    reason = f"in {history.name} and in topic {topic.name!r}"
    return told._replace(value=sensors_setting(both, topic.layout.format), reason=reason), apart


def _columns(history: Source, topic: Source) -> tuple[list[str], list[str]]:
    """Options for commands that read files, where the topic calls a column differently; and a warning that says so."""
    told = {guess.path: str(guess.value) for guess in topic.guesses}
    options = []
    for role in ("time", "series", "sensor", "value"):
        path, column = told.get(f"input.{role}", ""), getattr(history.layout, role)
        # Where no setting names a column, it is found by itself; but a series that its content gave away may not be.
        lost = role == "series" and history.layout.series_inferred
        if (path or lost) and ".".join(split(path)) != column:
            none = "" if role == "series" else "null"
            options += ["--set", f"input.{role}={none if column is None else joined([column])}"]
    if not options:
        return [], []
    return options, [
        f"{history.name} and topic {topic.name!r} name columns differently; the file has the names of the topic, so "
        f"add to commands that read files like {history.name}: {shlex.join(options)}"
    ]


def _series(history: Source, topic: Source) -> list[str]:
    if set(history.look.series) & set(topic.look.series):
        return []
    return [
        f"no series of topic {topic.name!r} is in {history.name}: {topic.look.names} and {history.look.names}; "
        f"they would be scored with the pooled scale: give both the same names"
    ]


def _interval(history: Source, topic: Source) -> list[str]:
    ours, theirs = history.look.rate, topic.look.rate
    if ours is None or theirs is None or 1 / _SAME <= ours.interval_ns / theirs.interval_ns <= _SAME:
        return []
    return [
        f"readings come every {format_duration(theirs.interval_ns)} on topic {topic.name!r} and every "
        f"{format_duration(ours.interval_ns)} in {history.name}: a model learns one rate; resample to it, or train on "
        f"history of the rate of the topic"
    ]
