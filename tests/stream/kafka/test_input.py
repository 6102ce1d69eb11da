"""Errors of the clients: those that pass, those that end the process, and a fencing that is survived once."""

import pytest
from confluent_kafka import KafkaError

from stream.errors import BrokerError, FencedError
from stream.kafka.broker_liveness import BrokerLiveness
from stream.kafka.client import TWIN_SECONDS
from stream.kafka.input import ClientErrors
from tests.support.kafka_options import kafka_options

OPTIONS = kafka_options()
# Text of the client when the group has given the name of a static member to a later one.
TAKEN = "Fatal error: Broker: Static consumer fenced by other consumer with same group.instance.id"


class Clock:
    """Time in seconds that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def faults(clock: Clock) -> ClientErrors:
    return ClientErrors(OPTIONS, BrokerLiveness(clock), clock)


def fenced(faults: ClientErrors) -> FencedError:
    """The error that the loop gets after the group has fenced the consumer."""
    faults.note(KafkaError(KafkaError._FATAL, TAKEN))
    with pytest.raises(FencedError, match="another process runs as instance 'one'") as raised:
        faults.check()
    return raised.value


def test_a_consumer_that_was_fenced_once_may_join_again(faults: ClientErrors) -> None:
    """A broker that is killed while we join can keep a member that never was."""
    assert faults.allows_rejoin(fenced(faults))
    faults.check()


@pytest.mark.parametrize(("seconds", "survives"), [(0.0, False), (TWIN_SECONDS, False), (TWIN_SECONDS + 0.1, True)])
def test_a_second_fencing_soon_after_ends_the_process(
    faults: ClientErrors, clock: Clock, seconds: float, survives: bool
) -> None:
    """A living twin takes the name back at once."""
    assert faults.allows_rejoin(fenced(faults))
    clock.now += seconds
    assert faults.allows_rejoin(fenced(faults)) is survives


def test_it_is_the_time_since_the_last_fencing_that_counts(faults: ClientErrors, clock: Clock) -> None:
    for _ in range(5):
        assert faults.allows_rejoin(fenced(faults))
        clock.now += TWIN_SECONDS + 1
    assert faults.allows_rejoin(fenced(faults))
    clock.now += TWIN_SECONDS - 1
    assert not faults.allows_rejoin(fenced(faults))


def test_a_fencing_that_the_group_did_not_report_ends_the_process(faults: ClientErrors) -> None:
    """It is the second one of the producer, which means a twin."""
    assert not faults.allows_rejoin(FencedError("fenced twice"))
    assert faults.allows_rejoin(fenced(faults)), "and it does not count as one of the consumer's"


def test_an_earlier_final_error_is_not_hidden_by_a_later_fencing(faults: ClientErrors) -> None:
    faults.note(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    faults.note(KafkaError(KafkaError._FATAL, TAKEN))
    with pytest.raises(BrokerError, match="grant this user Read") as raised:
        faults.check()
    assert not isinstance(raised.value, FencedError)
