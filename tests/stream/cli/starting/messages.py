"""Samples of topics as plain bytes, for tests of what `narrows init` guesses from them."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from stream.kafka.topic_reader import TopicRecord

PUMPS = ("pump-1", "pump-2", "pump-3")
START_MS = 1_767_225_600_000  # 2026-01-01
ROWS = 90


def sample(
    message: Callable[[int], object], key: Callable[[int], str | None] = lambda row: pump(row), partitions: int = 1
) -> list[TopicRecord]:
    """90 records, three at a time, a second apart; `message` gives the JSON of each, or its bytes."""
    return [
        TopicRecord(row % partitions, row, _bytes(key(row)), _value(message(row)), time_ms(row)) for row in range(ROWS)
    ]


def pump(row: int) -> str:
    """The pump of a row."""
    return PUMPS[row % len(PUMPS)]


def time_ms(row: int) -> int:
    """The time of a row."""
    return START_MS + 1000 * (row // len(PUMPS))


def flat(row: int) -> dict[str, object]:
    """A message with a time and two sensors; the second does not come with every pump."""
    return {"time": time_ms(row), "flow": 1.5 + row, "pressure": None if row % 3 == 2 else row % 7}


def paths(guesses: Iterable[tuple[str, object, str]]) -> dict[str, object]:
    """The values of guesses by their setting."""
    return {path: value for path, value, _ in guesses}


def _bytes(key: str | None) -> bytes | None:
    return None if key is None else key.encode()


def _value(message: object) -> bytes:
    return message if isinstance(message, bytes) else json.dumps(message).encode()


def sent_by(program: str) -> list[tuple[str, bytes]]:
    """The key and the message of each reading that a producer's program sends; nothing is sent."""
    known: dict[str, Any] = {}
    exec(compile(program.split("\nproducer = ")[0], "produce.py", "exec"), known)  # noqa: S102 - the text is ours
    return [(reading[0], json.dumps(known["message"](*reading)).encode()) for reading in known["readings"]()]
