"""The broker of a chaos run: its controller in a process of its own, and a second listener behind the proxy."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient

from deploy.kafka.broker import SETTINGS, Broker, free_port
from deploy.kafka.process import HOST
from tests.chaos.proxy import Proxy
from tests.conftest import create_topic

MAP = "listener.security.protocol.map"


@dataclass(frozen=True)
class Cluster:
    """A running broker.

    Attributes:
        direct: bootstrap of those that are not to be disturbed: feeder, oracle, the broker's own transaction markers.
        proxied: bootstrap of the consumers.
    """

    broker: Broker
    proxy: Proxy
    direct: str
    proxied: str

    def topics(self) -> "Topics":
        return Topics(self.direct)


class Topics:
    """Makes topics with names that nothing else uses."""

    def __init__(self, bootstrap: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        self._numbers = itertools.count(1)

    def __call__(
        self, name: str = "topic", partitions: int = 1, config: Mapping[str, str] | None = None, *, exact: bool = False
    ) -> str:
        full = name if exact else f"{name}-{next(self._numbers)}"
        create_topic(self._admin, full, partitions, config or {})
        return full


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Starts it; its data are in `folder`."""
    direct = free_port()
    behind, front = free_port(but=direct), free_port(but=direct)
    settings = {MAP: f"{SETTINGS[MAP]},PROXIED:PLAINTEXT"}
    broker = Broker(folder, port=direct, separate_controller=True, settings=settings)
    # In the broker's own file: a controller that is told of listeners for clients refuses to start.
    with (folder / "broker" / "server.properties").open("a") as properties:
        properties.write(f"listeners=PLAINTEXT://{HOST}:{direct},PROXIED://{HOST}:{behind}\n")
        properties.write(f"advertised.listeners=PLAINTEXT://{HOST}:{direct},PROXIED://{HOST}:{front}\n")
    with broker, Proxy(front, behind) as proxy:
        yield Cluster(broker, proxy, broker.bootstrap, f"{HOST}:{front}")
