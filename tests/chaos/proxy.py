"""A cable that can be cut: a TCP proxy between the consumers and the broker."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Self

from deploy.kafka.process import HOST

CHUNK = 1 << 16
JOIN_S = 10.0


class Proxy:
    """Forwards `port` to `target` (both of 127.0.0.1) from a thread of its own; a context manager.

    Cut, it forwards nothing in either direction: open connections stay open, new ones are taken and hang. What was on
    its way arrives after `heal`, as after a cut cable; requests of zombies above all.
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
        self._loop.call_soon_threadsafe(self._whole.clear)

    def heal(self) -> None:
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
        # Transports close their sockets in the turn of the loop after they were told to.
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
            pass  # the broker is down: so is the connection
        except asyncio.CancelledError:
            pass  # the proxy ends: a task of a server that ends cancelled would be reported as an error
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
            # An end of the connection does not get through a cut cable either.
            await self._whole.wait()
