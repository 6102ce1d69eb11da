"""`narrows mute`, `narrows unmute` and `narrows mutes`: series that are out of service for a while."""

import getpass
import time
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.options.moments import time_ns
from stream.cli.options.parameters import AsJson, ConfigFile, Overrides, settings_from
from stream.cli.reports.output import NextCommands, print_json, showing
from stream.errors import ConfigError, DataError
from stream.messages import tell

if TYPE_CHECKING:
    from stream.events.people.mute import Mute
    from stream.settings import Settings

Series = Annotated[str | None, typer.Argument(metavar="SERIES", help="The series; none with --all.")]
Every = Annotated[bool, typer.Option("--all", help="Every series of the detector.")]


def mute(
    until: Annotated[
        str, typer.Option(metavar="WHEN", help="Its end: an ISO 8601 time, or a duration from now, such as 2h.")
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for those who look later.")],
    series: Series = None,
    every: Every = False,
    start: Annotated[
        str | None, typer.Option("--from", metavar="WHEN", help="Its start; without: the next reading.")
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="TEXT", help="Who says so; without: this user.")] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Take a series out of service for a while, such as for repairs: its frames are off.

    The running detector takes it within `serve.bundle_poll`, without a training, and says so in the status topic. An
    open incident of the series ends after `serve.unwatched_after`. A second mute of a series replaces the first.
    """
    from stream.events.people.mute import Mute
    from stream.events.record import rfc3339

    name, now = _series(series, every), time.time_ns()
    begin, end = (
        None if start is None else time_ns("--from", start, now, after=True),
        time_ns("--until", until, now, after=True),
    )
    if end <= max(now, begin or 0):
        raise ConfigError(f"--until {until!r}: {rfc3339(end)}; expected a time after its start, and after now")
    at, since = rfc3339(now // 1_000_000 * 1_000_000), None if begin is None else rfc3339(begin)
    given = Mute(series=name, end=rfc3339(end), at=at, reason=reason, start=since, by=by or getpass.getuser())
    settings = settings_from(config, overrides)
    _write(settings, name, given)
    with showing(f"the mute is written to topic {settings.topics.mutes}"):
        if as_json:
            print_json(given)
        else:
            tell(f"{_called(name)} muted until {given.end}: {reason}")
    NextCommands(config, overrides).show(("mutes",), ("unmute", name or "--all"))


def unmute(series: Series = None, every: Every = False, config: ConfigFile = None, overrides: Overrides = None) -> None:
    """Put a muted series back into service. It warms up first."""
    name, settings = _series(series, every), settings_from(config, overrides)
    if name not in {mute.series for mute in _mutes(settings)}:
        raise DataError(f"{_called(name)} not muted (topic {settings.topics.mutes}); `narrows mutes` lists the mutes")
    _write(settings, name, None)
    tell(f"{_called(name)} no longer muted")


def mutes(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """List the mutes. With --json as a list of {series, start, end, ...}, which --exclude of `narrows train` takes."""
    settings = settings_from(config, overrides)
    found = _mutes(settings)
    if as_json:
        print_json([_as_span(mute) for mute in found])
        return
    if not found:
        tell(f"no series is muted (topic {settings.topics.mutes})")
    for mute in found:
        start = "" if mute.start is None else f" from {mute.start}"
        tell(f"{_called(mute.series)} muted{start} until {mute.end}: {mute.reason} ({mute.by or 'unknown'}, {mute.at})")


def _as_span(mute: "Mute") -> dict[str, str | None]:
    """A mute as JSON; one without a start begins when it was given."""
    return {
        "series": mute.series, "start": mute.start or mute.at, "end": mute.end, "reason": mute.reason, "by": mute.by,
    }  # fmt: skip


def _mutes(settings: "Settings") -> list["Mute"]:
    """The mutes that are not over."""
    from stream.events.people.mute import in_force, parse_mute
    from stream.kafka.topic_reader import TopicReader

    with TopicReader(settings.kafka.connection(), settings.topics.mutes) as reader:
        records = [parse_mute(r.offset, r.key or b"", r.value) for r in reader.to_end() if r.partition == 0]
    return [mute for mute in in_force(records)[0] if mute.span.end_ns > time.time_ns()]


def _write(settings: "Settings", series: str, given: "Mute | None") -> None:
    """Appends a record to the topic; None ends the mute of the series."""
    from stream.events.people.mute import key_of
    from stream.events.record import encode
    from stream.kafka.topic_reader import NewRecord, append_records

    value = None if given is None else encode(given)
    append_records(settings.kafka.connection(), settings.topics.mutes, [NewRecord(key_of(series), value, partition=0)])


def _series(series: str | None, every: bool) -> str:
    if every == (series is not None):
        raise ConfigError("expected the name of a series, or --all")
    return series or ""


def _called(series: str) -> str:
    return f"{series} is" if series else "all series are"
