"""`narrows alerts`: the incidents that are open, or all that the topic of alerts still has."""

import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from stream.cli.options.moments import Since, since_ns
from stream.cli.options.parameters import AsJson, ConfigFile, Overrides, settings_from
from stream.cli.reports.output import NextCommands
from stream.messages import counted, say, tell, warn

if TYPE_CHECKING:
    from stream.events.alert import Alert
    from stream.kafka.topic_reader import TopicReader
    from stream.settings import Settings

# Between two questions whether the broker is there, while no alert comes.
ASK_EVERY_S = 10.0


class Event(NamedTuple):
    """An alert event, and the JSON of it as it stands on the topic."""

    alert: "Alert"
    text: bytes


def alerts(
    every: Annotated[bool, typer.Option("--all", help="Resolved incidents too, in order of time.")] = False,
    series: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Incidents of this series alone; repeatable.")
    ] = None,
    since: Since = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Then print each event as it comes.")] = False,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show the incidents that are open, the worst first; with --all also those that are over.

    With --json as JSON lines, the newest event of each incident; `narrows feedback` takes them as --alerts.
    """
    from stream.kafka.topic_reader import TopicReader, from_beginning, from_end
    from stream.kafka.topic_reader import since as from_time

    settings, begin = settings_from(config, overrides), since_ns(since)
    common, topics, wanted = settings.kafka.connection(), settings.topics, frozenset(series or ())
    # Its place is taken before the open incidents are read, so that no event falls between the two.
    tail = TopicReader(common, topics.alerts, from_end) if follow else None
    topic = topics.alerts if every else topics.open_incidents
    with TopicReader(common, topic, from_beginning if begin is None else from_time(begin)) as reader:
        events = _newest(reader, topic, wanted)
    if as_json:
        _write(events.values())
    else:
        _show(list(events.values()), topic, every, NextCommands(config, overrides))
    if tail is not None:
        with tail:
            _follow(tail, topics.alerts, wanted, events, as_json)


def open_incidents(settings: "Settings") -> "list[Alert]":
    """The newest event of each incident that is open, of every detector of the topic.

    Raises:
        BrokerError: no broker answers, there is no such topic, or this user may not read it.
    """
    from stream.kafka.topic_reader import TopicReader

    topic = settings.topics.open_incidents
    with TopicReader(settings.kafka.connection(), topic) as reader:
        return [event.alert for event in _newest(reader, topic, frozenset()).values()]


def _newest(reader: "TopicReader", topic: str, series: frozenset[str]) -> dict[bytes, Event]:
    """The newest event of each incident, by its id; a tombstone takes an incident away."""
    events: dict[bytes, Event] = {}
    for record in reader.to_end():
        if record.value is None:
            events.pop(record.key or b"", None)
        elif (event := _event(record.value, f"{topic}/{record.partition}/{record.offset}", series)) is not None:
            events[event.alert.alert_id.encode()] = event
    return events


def _event(value: bytes, where: str, series: frozenset[str]) -> Event | None:
    """The event in a record; None where it is of another series, or no alert event, which a warning tells."""
    import msgspec

    from stream.events.alert import Alert

    try:
        alert = msgspec.json.decode(value, type=Alert)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        warn(f"passed over: {where}: not an alert event ({fault})")
        return None
    return Event(alert, value) if not series or alert.series in series else None


def _show(events: list[Event], topic: str, every: bool, following: NextCommands) -> None:
    """Prints a table of incidents, and the commands that usually follow."""
    from stream.cli.reports.alerts import open_incidents_table, show_incidents, worst_first
    from stream.terminal import console

    if not events:
        tell(f"no incident {'was reported' if every else 'is open'} (topic {topic})")
        following.show(("status",))
        return
    found = [event.alert for event in events]
    if every:
        show_incidents(found)
    else:
        tell(counted(len(found), "open incident"))
        console().print(open_incidents_table(found, datetime.now(UTC)))
    worst = worst_first(found)[0]
    following.show(("why", worst.series), ("feedback", worst.alert_id, "confirmed"))


def _follow(tail: "TopicReader", topic: str, series: frozenset[str], shown: dict[bytes, Event], as_json: bool) -> None:
    """Prints each event that comes, until it is interrupted."""
    from stream.cli.reports.alerts import alert_line
    from stream.terminal import console

    say(f"following {topic}; Ctrl-C ends it")
    target, answers, asked_at = console(), True, time.monotonic()
    while True:
        records = tail.take()
        if not records and time.monotonic() - asked_at > ASK_EVERY_S:
            answers, asked_at = _answers(tail, answers), time.monotonic()
        for record in records:
            if record.value is None:
                continue
            event = _event(record.value, f"{topic}/{record.partition}/{record.offset}", series)
            known = None if event is None else shown.get(event.alert.alert_id.encode())
            if event is None or (known is not None and event.alert.sequence <= known.alert.sequence):
                continue
            if as_json:
                _write([event])
            else:
                target.print(alert_line(event.alert))
                sys.stdout.flush()


def _answers(tail: "TopicReader", before: bool) -> bool:
    """Asks whether the broker answers, as one that is away sends no alerts; tells a change."""
    from stream.errors import BrokerError

    try:
        tail.ends()
    except BrokerError:
        if before:
            warn("the broker does not answer; what it has then is shown once it is back")
        return False
    if not before:
        say("the broker answers again")
    return True


def _write(events: Iterable[Event]) -> None:
    """Prints events as JSON lines, as they stand on the topic."""
    for event in events:
        sys.stdout.write(event.text.decode() + "\n")
    sys.stdout.flush()
