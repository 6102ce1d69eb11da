"""Feedback and the alerts that it is about, read from files or topics."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from stream.errors import BrokerError, ConfigError, DataError
from stream.events.event_files import decode_alert, decode_feedback, read_alerts, read_feedback
from stream.events.incident_view import IncidentView, newest
from stream.events.people.feedback import Judgements
from stream.messages import say, shortened, some, warn
from stream.settings import Settings

T = TypeVar("T")
# Given instead of a file name, it means the configured topic; a file of that name is ./topic.
TOPIC = "topic"
ANYWAY = "give the `alert_id` of an alert event, or write the verdict all the same with --unchecked"
MOST_NAMED = 10
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def judgements_from(settings: Settings, feedback: str | None, alerts: str | None) -> Judgements:
    """Reads verdicts and the alerts that they are about.

    Args:
        feedback: a file or `topic`; None = the one configured, else the topic.
        alerts: a file or `topic`; None = the one configured.

    Raises:
        DataError: a file cannot be read.
        BrokerError: a topic cannot be read.
    """
    verdict_source, alert_source = feedback or settings.train.feedback or TOPIC, alerts or settings.train.alerts
    if verdict_source == TOPIC:
        verdicts = _from_topic(settings, settings.topics.feedback, "--feedback", decode_feedback)
    else:
        verdicts = read_feedback(Path(verdict_source))
    judgements = Judgements.of(_alerts(settings, alert_source), verdicts)
    if judgements.unknown:
        ids = some(list(map(shortened, judgements.unknown)), MOST_NAMED)
        warn(f"feedback on alerts that nobody knows: {ids}; it has no effect; name all alerts with --alerts")
    return judgements


def require_known(settings: Settings, alert_id: str, alerts: str | None, in_topic: bool) -> None:
    """Refuses a verdict on an alert that nobody knows. Where no alerts are named, an id is judged by its form.

    Args:
        alerts: a file or `topic`; None = the one configured, which is read if it is a file, or with `in_topic`.
        in_topic: the verdict goes to the topic of feedback, so a broker is there.

    Raises:
        DataError: there is no such alert, or a file cannot be read.
        BrokerError: the topic of alerts cannot be read.
    """
    source = alerts or settings.train.alerts
    if alerts or in_topic or source != TOPIC:
        known, where = _alerts(settings, source), f"topic {settings.topics.alerts!r}" if source == TOPIC else source
        if alert_id not in known:
            raise DataError(f"alert {alert_id!r}: not among the {len(known):,} alerts of {where}; {ANYWAY}")
    elif not _UUID.fullmatch(alert_id):
        raise DataError(f"alert {alert_id!r}: no alert has an id of this form; {ANYWAY}")
    else:
        say("not checked that there is such an alert: name the alerts with --alerts")


def _alerts(settings: Settings, source: str) -> dict[str, IncidentView]:
    """Every alert by its id, of a file or the topic."""
    if source == TOPIC:
        return newest(_from_topic(settings, settings.topics.alerts, "--alerts", decode_alert))
    return read_alerts(Path(source))


def configured_judgements(settings: Settings, feedback: str | None, alerts: str | None) -> Judgements | None:
    """Reads verdicts and alerts as `judgements_from` does; None where neither option nor setting names feedback.

    Raises:
        ConfigError: alerts are named, but no feedback.
    """
    if feedback or settings.train.feedback:
        return judgements_from(settings, feedback, alerts)
    if alerts:
        raise ConfigError("--alerts: alerts without verdicts exclude nothing; add --feedback with the verdicts on them")
    return None


def _from_topic(settings: Settings, topic: str, option: str, decode: Callable[[bytes, str], T]) -> list[T]:
    """Decodes the records of a topic.

    Nobody can remove a faulty record from a topic: it is skipped with a warning on stderr.
    """
    from stream.kafka.topic_reader import read_topic

    try:
        values = read_topic(settings.kafka.connection(), topic)
    except BrokerError as error:
        raise BrokerError(f"{error}; or name a file with {option}") from error
    records = []
    for where, value in values:
        try:
            records.append(decode(value, where))
        except DataError as error:
            warn(f"passed over: {error}")
    return records
