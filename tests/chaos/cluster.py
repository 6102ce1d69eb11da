"""Broker of a chaos run: its controller is a process of its own, and a second listener is behind a proxy."""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka.admin import AdminClient

from deploy.kafka.broker import SETTINGS, Broker, free_port
from deploy.kafka.process import HOST
from tests.conftest import create_topic

MAP = "listener.security.protocol.map"
CHUNK = 1 << 16
JOIN_S = 10.0


class Proxy:
    """Forwards `port` to `target` (both on 127.0.0.1) from a thread of its own, like a cable; a context manager.

    While it is cut it forwards nothing in either direction. Open connections stay open, new ones are accepted and hang.
    Bytes on their way arrive after `heal`, among them the requests of zombies.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy")
        self._whole = asyncio.Event()
        self._whole.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(JOIN_S), f"the proxy does not listen on {self.port}"
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(JOIN_S)

    def cut(self) -> None:
        """Stops forwarding."""
        self._loop.call_soon_threadsafe(self._whole.clear)

    def heal(self) -> None:
        """Forwards again."""
        self._loop.call_soon_threadsafe(self._whole.set)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connected, HOST, self.port))
        self._listening.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Transports close their sockets one turn of the loop later.
        await asyncio.sleep(0)

    async def _connected(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._whole.wait()
            far, to_far = await asyncio.open_connection(HOST, self._target)
            try:
                await self._until_one_ends(self._pump(near, to_far), self._pump(far, to_near))
            finally:
                to_far.close()
        except OSError:
            pass  # the broker is down, and the connection with it
        except asyncio.CancelledError:
            pass  # the proxy ends: asyncio would report a cancelled task of a server as an error
        finally:
            to_near.close()
            self._tasks.discard(task)

    async def _until_one_ends(self, *pumps: Coroutine[None, None, None]) -> None:
        tasks = [asyncio.ensure_future(pump) for pump in pumps]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(CHUNK):
                await self._whole.wait()
                sink.write(chunk)
                await sink.drain()
            # The end of a connection does not pass a cut cable either.
            await self._whole.wait()


@dataclass(frozen=True)
class Cluster:
    """A running broker.

    Attributes:
        direct: bootstrap for feeder and oracle, which no fault disturbs.
        proxied: bootstrap for the consumers, through the proxy.
    """

    broker: Broker
    proxy: Proxy
    direct: str
    proxied: str

    def topics(self) -> "Topics":
        """Maker of topics on this broker."""
        return Topics(self.direct)


class Topics:
    """Makes topics with unique names."""

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
    """Starts a broker and its proxy; the data are in `folder`."""
    direct = free_port()
    behind, front = free_port(but=direct), free_port(but=direct)
    settings = {MAP: f"{SETTINGS[MAP]},PROXIED:PLAINTEXT"}
    broker = Broker(folder, port=direct, separate_controller=True, settings=settings)
    # In the broker's own file: a controller with listeners for clients refuses to start.
    with (folder / "broker" / "server.properties").open("a") as properties:
        properties.write(f"listeners=PLAINTEXT://{HOST}:{direct},PROXIED://{HOST}:{behind}\n")
        properties.write(f"advertised.listeners=PLAINTEXT://{HOST}:{direct},PROXIED://{HOST}:{front}\n")
    with broker, Proxy(front, behind) as proxy:
        yield Cluster(broker, proxy, broker.bootstrap, f"{HOST}:{front}")
