"""Kafka options for tests."""

from collections.abc import Mapping
from typing import Any

from stream.kafka.client import KafkaOptions

COMMON: Mapping[str, Any] = {}


def kafka_options(
    group: str = "g",
    instance: str = "one",
    input: str = "in",
    alerts: str = "alerts",
    dead_letters: str = "dead",
    state: str = "state",
    status: str = "status",
    scores: str | None = None,
    common: Mapping[str, Any] = COMMON,
    transaction_timeout_ms: int = 10_000,
    session_timeout_ms: int = 10_000,
    open_incidents: str = "open",
    mutes: str = "mutes",
) -> KafkaOptions:
    """Options of a client of topics that are called after their use."""
    timeouts = transaction_timeout_ms, session_timeout_ms
    return KafkaOptions(
        group,
        instance,
        input,
        alerts,
        dead_letters,
        state,
        status,
        open_incidents,
        mutes,
        scores,
        common,
        *timeouts,
        feedback=None,
    )
