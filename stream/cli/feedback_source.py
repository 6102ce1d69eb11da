"""Feedback beside the alerts that it is about, from files or topics, as the configuration says."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from stream.errors import BrokerError, DataError
from stream.events.event_files import decoded, decoded_feedback, read_alerts, read_feedback
from stream.events.feedback import Feedback, Judgements
from stream.events.incident_view import Raised, newest
from stream.settings import Settings

T = TypeVar("T")
# In the place of a file; a file of that name is ./topic.
TOPIC = "topic"


def judgements(settings: Settings, feedback: str | None = None, alerts: str | None = None) -> Judgements:
    """Verdicts put to alerts.

    Args:
        feedback: a file or `topic`; None: as configured, else the topic.
        alerts: a file or `topic`; None: as configured.

    Raises:
        DataError: a file that cannot be read. BrokerError: a topic that cannot.
    """
    said, told = feedback or settings.train.feedback or TOPIC, alerts or settings.train.alerts
    entries = read_feedback(Path(said)) if said != TOPIC else _entries(settings)
    known = read_alerts(Path(told)) if told != TOPIC else newest(_events(settings))
    return Judgements.of(known, entries)


def _entries(settings: Settings) -> list[Feedback]:
    return _from_topic(settings, settings.topics.feedback, "--feedback", decoded_feedback)


def _events(settings: Settings) -> list[Raised]:
    return _from_topic(settings, settings.topics.alerts, "--alerts", lambda value, where: decoded(value, Raised, where))


def _from_topic(settings: Settings, topic: str, option: str, decode: Callable[[bytes, str], T]) -> list[T]:
    """The records of a topic; one that is something else cannot be taken out again, and is passed over, with a word."""
    from stream.kafka.topic_reader import read

    try:
        records = read(settings.kafka.connection(), topic)
    except BrokerError as fault:
        raise BrokerError(f"{fault}; or name a file with {option}") from fault
    found = []
    for where, value in records:
        try:
            found.append(decode(value, where))
        except DataError as fault:
            print(f"warning: passed over: {fault}", file=sys.stderr)
    return found
