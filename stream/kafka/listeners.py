"""Tries the addresses that a broker gives for itself and its peers: its advertised listeners.

A client asks the bootstrap address for these, and then talks to them alone. A broker in a container often advertises a
name that only its own network knows: the bootstrap answers, and nothing else does.
"""

import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from stream.errors import BrokerError

# For a connection to a broker whose peer has just answered.
_CONNECT_SECONDS = 3.0
# Nodes that a message names.
_LISTED = 5
REMEDY = (
    "set `advertised.listeners` of the brokers to addresses that this machine can reach, and `kafka.bootstrap` to that "
    "listener, or let this machine resolve and reach the names"
)


class Node(NamedTuple):
    """A broker as it advertises itself."""

    id: int
    host: str
    port: int


class Unreachable(NamedTuple):
    """A node that cannot be connected to, and the reason."""

    node: Node
    reason: str

    def __str__(self) -> str:
        return f"node {self.node.id} at {self.node.host}:{self.node.port} did not ({self.reason})"


def unreachable(nodes: Iterable[Node]) -> list[Unreachable]:
    """The nodes that take no connection."""
    nodes = list(nodes)
    with ThreadPoolExecutor(max_workers=16) as pool:
        return [found for found in pool.map(_attempt, nodes) if found is not None]


def described(bootstrap: object, found: Sequence[Unreachable]) -> str:
    """The sentence about nodes that cannot be reached."""
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return f"the bootstrap {bootstrap} answered, but {', '.join(map(str, found[:_LISTED]))}{more}"


def check_reachable(bootstrap: object, nodes: Sequence[Node]) -> list[Unreachable]:
    """The nodes that cannot be reached, where at least one can.

    Raises:
        BrokerError: none can be reached.
    """
    found = unreachable(nodes)
    if nodes and len(found) == len(nodes):
        raise BrokerError(f"{described(bootstrap, found)}; {REMEDY}")
    return found


def _attempt(node: Node) -> Unreachable | None:
    try:
        socket.create_connection((node.host, node.port), _CONNECT_SECONDS).close()
    except socket.gaierror:
        return Unreachable(node, "its name is not known here")
    except TimeoutError:
        return Unreachable(node, f"no answer within {_CONNECT_SECONDS:g} s")
    except OSError as error:
        return Unreachable(node, error.strerror or str(error))
    return None
