"""The log in JSON: whole lines, also if several processes write to one file."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from stream.serve import logs


class Recorder(io.StringIO):
    """A stream that keeps the text of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Restores the configuration of logs, which is global."""
    librdkafka = logging.getLogger("librdkafka")
    before = librdkafka.handlers, librdkafka.propagate, librdkafka.level
    yield
    librdkafka.handlers, librdkafka.propagate, librdkafka.level = before
    structlog.reset_defaults()


def test_a_line_and_its_end_are_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise two processes with one log file would mix their lines, and neither would be JSON."""
    stream = Recorder()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("json")
    structlog.get_logger().info("alert.opened", series="pump-1")
    logging.getLogger("librdkafka").warning("broker away")
    assert all(text.endswith("\n") and text.count("\n") == 1 for text in stream.writes), stream.writes
    assert [json.loads(text)["event"] for text in stream.writes] == ["alert.opened", "broker away"]


def test_a_name_in_an_event_reaches_a_terminal_without_its_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Recorder()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("console")
    structlog.get_logger().info("series.silent", series="pump\x1b[2J")
    assert "pump?[2J" in "".join(stream.writes)
