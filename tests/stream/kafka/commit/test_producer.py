"""The transactional producer on its own: which refusals keep the client, replace it, or end the process."""

from typing import cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from stream.errors import BrokerError
from stream.kafka.client import Clients, ErrorCallback, KafkaOptions, Remedy
from stream.kafka.commit.producer import RETRY_SECONDS, TransactionalProducer
from tests.support.kafka_options import kafka_options

OPTIONS = kafka_options()


class RefusedClient:
    """Accepted by the broker after it has raised `faults`."""

    def __init__(self, *faults: KafkaException) -> None:
        self._faults = list(faults)

    def init_transactions(self, timeout: float) -> None:
        if self._faults:
            raise self._faults.pop(0)

    def purge(self) -> None:
        raise SystemError("a fatal error while a delivery callback ran")


class Setup:
    """A producer over `clients`, with a clock that is set by hand."""

    def __init__(self, *clients: RefusedClient) -> None:
        self.now = 0.0
        self._left = list(clients)
        self.producer = TransactionalProducer(OPTIONS, lambda _: None, lambda: self.now, Clients(producer=self._next))

    def _next(self, options: KafkaOptions, on_error: ErrorCallback) -> Producer:
        return cast(Producer, self._left.pop(0))


def test_a_client_whose_initialisation_times_out_is_asked_again() -> None:
    only = RefusedClient(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
    setup = Setup(only)
    assert not setup.producer.prepare()
    assert setup.producer.prepare()
    assert setup.producer.client is cast(Producer, only)


def test_a_client_that_is_refused_is_replaced_after_a_while() -> None:
    second = RefusedClient()
    setup = Setup(RefusedClient(KafkaException(KafkaError(KafkaError._STATE))), second)
    assert not setup.producer.prepare()
    assert not setup.producer.prepare(), "too early"
    setup.now = RETRY_SECONDS
    assert setup.producer.prepare()
    assert setup.producer.client is cast(Producer, second)


def test_a_missing_permission_ends_the_process() -> None:
    denied = KafkaError(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    with pytest.raises(BrokerError, match="grant this user Write on its transactional id"):
        Setup(RefusedClient(KafkaException(denied))).producer.prepare()


def test_a_discarded_client_is_replaced_even_where_its_queue_cannot_be_purged() -> None:
    first, second = RefusedClient(), RefusedClient()
    setup = Setup(first, second)
    assert setup.producer.prepare()
    setup.producer.discard(KafkaException(KafkaError(KafkaError._STATE)), Remedy.REBUILD)
    assert setup.producer.client is None
    assert setup.producer.prepare()
    assert setup.producer.client is cast(Producer, second)
