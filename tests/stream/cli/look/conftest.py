"""A detector that has served a stream with anomalies and bad messages; its topics, which tests only read."""

from collections.abc import Iterator

import pytest

from deploy.kafka.broker import Broker
from tests.conftest import MakeTopic
from tests.stream.serve.test_service import SERIES, SPEC, Stream
from tests.support.builders import a_definition, a_spec
from tests.support.commands import Narrows, in_process
from tests.support.live import Live

STREAM = Stream(3_000, seed=3)
BAD = [(b"pump-1", b"not a reading"), (b"pump-2", b'{"time": "noon", "s0": 1}'), (b"pump-2", b"no reading either")]


@pytest.fixture(scope="package")
def served(broker: Broker, topic: MakeTopic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    definition = a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8])
    live = Live(tmp_path_factory.mktemp("served"), broker.bootstrap, topic, definition)
    live.send(STREAM.messages())
    live.send((key.decode(), value) for key, value in BAD)
    process = live.start()
    live.wait_for_all()
    live.stop(process)
    yield live
    live.close()


@pytest.fixture
def narrows(served: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Narrows:
    """Runs a command with the configuration of `served`."""
    return in_process(monkeypatch, capsys, "--config", str(served.config))
