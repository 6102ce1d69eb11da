"""Errors of reading a whole topic."""

import logging

import pytest

from stream.errors import BrokerError
from stream.kafka import topic_reader


def test_a_broker_that_does_not_answer_is_reported_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(topic_reader, "PATIENCE_SECONDS", 1.0)
    with caplog.at_level(logging.DEBUG), pytest.raises(BrokerError, match=r"no broker answers .*kafka\.bootstrap"):
        topic_reader.read_topic({"bootstrap.servers": "127.0.0.1:1"}, "feedback")
    assert caplog.messages == []
