"""A registry, topics and a configuration on the real broker, for commands that need them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from tests.conftest import MakeTopic
from tests.support.builders import a_definition
from tests.support.live import Live


@pytest.fixture
def live(tmp_path: Path, broker: Broker, topic: MakeTopic) -> Iterator[Live]:
    """The service, its topics and its bundle; not started."""
    running = Live(tmp_path, broker.bootstrap, topic, a_definition())
    yield running
    running.close()
