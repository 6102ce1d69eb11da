"""A broker that answers at the bootstrap address, and advertises one that cannot be reached, is told as such."""

import socket
from collections.abc import Iterator

import pytest

from stream.errors import BrokerError
from stream.kafka import topic_reader
from stream.kafka.listeners import Node, check_reachable
from stream.kafka.mock_cluster import MockCluster
from stream.kafka.topic_sample import newest_records


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    """A port that takes connections, and one that refuses them."""
    with socket.create_server(("127.0.0.1", 0)) as there, socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
        gone.close()
        yield there.getsockname()[1], port


def test_the_node_the_address_and_the_remedy_are_named(ports: tuple[int, int]) -> None:
    _, gone = ports
    nodes = [Node(1, "127.0.0.1", gone), Node(2, "kafka.invalid", 9092)]
    with pytest.raises(BrokerError, match="the bootstrap localhost:29092 answered") as caught:
        check_reachable("localhost:29092", nodes)
    assert str(caught.value).startswith(
        f"the bootstrap localhost:29092 answered, but node 1 at 127.0.0.1:{gone} did not (Connection refused), "
        "node 2 at kafka.invalid:9092 did not ("
    )
    assert "set `advertised.listeners`" in str(caught.value)


def test_one_node_of_several_may_be_away(ports: tuple[int, int]) -> None:
    there, gone = ports
    found = check_reachable("b", [Node(1, "127.0.0.1", there), Node(2, "127.0.0.1", gone)])
    assert [one.node.id for one in found] == [2]


def test_a_command_that_reads_a_topic_names_the_listener(
    monkeypatch: pytest.MonkeyPatch, ports: tuple[int, int]
) -> None:
    """The mock cluster advertises its only address, so another one is put in the place of what it advertises."""
    monkeypatch.setattr(topic_reader, "Node", lambda number, host, port: Node(number, host, ports[1]))
    with MockCluster() as cluster:
        cluster.make(["readings"])
        with pytest.raises(BrokerError, match=f"node 1 at 127.0.0.1:{ports[1]} did not"):
            newest_records({"bootstrap.servers": cluster.bootstrap}, "readings")
