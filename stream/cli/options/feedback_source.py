"""Feedback and the alerts that it is about, read from files or topics."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from stream.errors import BrokerError, ConfigError, DataError
from stream.events.event_files import decode_alert, decode_feedback, read_alerts, read_feedback
from stream.events.feedback import Judgements
from stream.events.incident_view import newest
from stream.messages import warn
from stream.settings import Settings

T = TypeVar("T")
# Given instead of a file name, it means the configured topic; a file of that name is ./topic.
TOPIC = "topic"


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
    if alert_source == TOPIC:
        known = newest(_from_topic(settings, settings.topics.alerts, "--alerts", decode_alert))
    else:
        known = read_alerts(Path(alert_source))
    return Judgements.of(known, verdicts)


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
