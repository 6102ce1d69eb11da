"""Health server (`serve.health`): answers HTTP requests from a thread beside the loop.

`/live`: 503 if the process should be restarted. `/ready`: 503 with the reasons while something keeps alerts from
coming. `/status`: everything that is known, always 200.
"""

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stream.errors import ConfigError
from stream.serve.health import Answer, HealthBoard

log = structlog.get_logger()

JOIN_SECONDS = 5.0


class HealthServer:
    """A context manager that answers requests until it is left.

    Args:
        host, port: address to listen on; port 0 takes a free port.
        board: gives the answers.

    Attributes:
        port: the port it listens on.

    Raises:
        ConfigError: on entering: the address cannot be listened on.
    """

    def __init__(self, host: str, port: int, board: HealthBoard) -> None:
        self._host, self.port = host, port
        answers = {"/live": board.live, "/ready": board.ready, "/status": board.status}
        app = Starlette(routes=[_route(path, answer) for path, answer in answers.items()])
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1
            )
        )

    def __enter__(self) -> Self:
        self._socket = _listen(self._host, self.port)
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="health", daemon=True)
        self._thread.start()
        log.info("health.listening", host=self._host, port=self.port)
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._server.should_exit = True
        self._thread.join(JOIN_SECONDS)
        self._socket.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as fault:
        raise ConfigError(
            f"serve.health: cannot listen on {host}, port {port} ({fault.strerror}), expected a free address; stop "
            "the process that listens there, or set another address"
        ) from fault


def _route(path: str, answer: Callable[[], Answer]) -> Route:
    async def respond(_request: Request) -> Response:
        well, body = answer()
        return Response(msgspec.json.encode(body), 200 if well else 503, media_type="application/json")

    return Route(path, respond)
