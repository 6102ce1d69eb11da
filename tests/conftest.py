"""Fixtures that tests share: a real broker, fresh topics on it, the data sets, and hypothesis without chance."""

import itertools
import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn, Protocol

import pytest
import structlog
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from hypothesis import settings

from deploy.kafka import jars
from deploy.kafka.broker import Broker

ROOT = Path(__file__).parents[1]
TOPIC_TIMEOUT_S = 20.0

# Worker processes share the cores: each more thread of torch only gets in the way. Read when torch is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Worker processes are told the width of the terminal of their parent; tables in tests have that of a pipe.
os.environ.pop("COLUMNS", None)

# The same examples in every run: a failure is repeated by running the test again, and CI never fails by chance.
settings.register_profile("narrows", derandomize=True, deadline=None, database=None, max_examples=50, print_blob=True)
settings.load_profile("narrows")


class MakeTopic(Protocol):
    """Type of the `topic` fixture."""

    def __call__(
        self, name: str = "topic", partitions: int = 1, config: Mapping[str, str] | None = None, *, exact: bool = False
    ) -> str:
        """Create a topic and return its name: `name` and a number of its own, or just `name` where `exact`.

        Args:
            config: topic settings, such as {"cleanup.policy": "compact"}.
            exact: for names made from that of another topic, "<alerts>.status".
        """


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their argument: packed ones hold the time, and all worker processes collect the same names."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a broker or the data sets, directly or through another fixture, for `-m "not broker"`.

    Files with broker tests go first: they are the long ones, and mostly wait. The short ones fill up the end.
    """
    for item in items:
        for fixture, marker in (("kafka_here", "broker"), ("data", "data")):
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)
    on_broker = {item.path for item in items if item.get_closest_marker("broker")}
    items.sort(key=lambda item: item.path not in on_broker)


def absent(what: str) -> NoReturn:
    """Skip the test with a reason for the summary, or fail it where CI=true: nothing goes untested there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true, so this must be there: {what}", pytrace=False)
    pytest.skip(f"NOT TESTED: {what}")


@pytest.fixture(autouse=True)
def logs_end_with_their_test() -> Iterator[None]:
    """A command that is run in this process sends logs to the standard error of its test, which is closed after it."""
    yield
    structlog.reset_defaults()
    for library in ("librdkafka", "uvicorn"):
        logging.getLogger(library).handlers.clear()


@pytest.fixture(scope="session")
def kafka_here() -> None:
    """Java and the jars of a broker; tests that start brokers of their own ask for this."""
    reason = jars.missing()
    if reason is not None:
        absent(reason)


@pytest.fixture(scope="session")
def broker(kafka_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A running Apache Kafka, one for each worker process. Not to be killed: others use it."""
    with Broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="session")
def topic(broker: Broker) -> MakeTopic:
    """Makes topics that nothing else uses, ready to be written to and read from."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    numbers = itertools.count(1)

    def make(
        name: str = "topic", partitions: int = 1, config: Mapping[str, str] | None = None, *, exact: bool = False
    ) -> str:
        full = name if exact else f"{name}-{next(numbers)}"
        create_topic(admin, full, partitions, config or {})
        return full

    return make


def create_topic(admin: AdminClient, name: str, partitions: int, config: Mapping[str, str]) -> None:
    """Create a topic of one replica and wait until clients see all of its partitions."""
    new = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config))
    admin.create_topics([new])[name].result(TOPIC_TIMEOUT_S)
    deadline = time.monotonic() + TOPIC_TIMEOUT_S
    while not _has_leaders(admin, name, partitions):
        assert time.monotonic() < deadline, f"{name}: created, but not all of {partitions} partitions have a leader"


def _has_leaders(admin: AdminClient, name: str, partitions: int) -> bool:
    found = admin.list_topics(name, timeout=TOPIC_TIMEOUT_S).topics[name].partitions
    return len(found) == partitions and all(p.leader >= 0 for p in found.values())


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the data sets: `NARROWS_DATA`, else shared/data beside the checkout. "none": there are none here."""
    if os.environ.get("NARROWS_DATA") == "none":
        pytest.skip("NOT TESTED: NARROWS_DATA=none says that this machine has no data sets")
    folder = Path(os.environ.get("NARROWS_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        absent(f"no data sets in {folder}; set NARROWS_DATA to the folder that holds smd, nab and skab")
    return folder
