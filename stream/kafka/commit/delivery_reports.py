"""Delivery reports of a transaction, and the topics that the broker accepts no records of."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from confluent_kafka import KafkaError, Message

FIRST_DELAY_SECONDS = 1.0
MAX_DELAY_SECONDS = 10.0
# A rejection is forgotten after this time with a producer that could write, and without another failed attempt.
STALE_SECONDS = 60.0


class DeliveryReports:
    """Number of records of one transaction that are not acknowledged yet, by topic.

    Each transaction has its own. Reports of a producer that was discarded reach an object that is no longer read.
    """

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()
        self._timed_out: set[str] = set()
        self.begun_on = datetime.now(UTC)
        # Error of the first record that was not delivered.
        self.error: KafkaError | None = None

    def sent(self, topic: str) -> None:
        """Notes that a record was given to the client."""
        self._waiting[topic] += 1

    def reported(self, error: KafkaError | None, message: Message) -> None:
        """Notes the client's delivery report of a record."""
        topic = message.topic() or ""
        self._waiting[topic] -= 1
        if error is not None:
            self.error = self.error or error
            if error.code() == KafkaError._MSG_TIMED_OUT:
                self._timed_out.add(topic)

    def give_up(self) -> None:
        """Counts the records that still wait as timed out."""
        self._timed_out |= (+self._waiting).keys()

    def rejected(self) -> list[str]:
        """Topics with records that the broker did not accept in time."""
        return sorted(self._timed_out)


class RejectedTopics:
    """Topics whose records made transactions fail, over the failed transactions in a row.

    The client reports a time-out and no reason: it retries a full disk and missing replicas by itself.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[str, datetime] = {}
        self._attempts = 0
        # Time at which the rejection is forgotten; None: it holds.
        self._until: float | None = None

    def note(self, topics: Iterable[str], since: datetime) -> None:
        """Notes a transaction, begun at `since`, that failed because of these topics."""
        self._since = {topic: self._since.get(topic, since) for topic in topics}
        self._attempts, self._until = self._attempts + 1, None

    def clear(self) -> None:
        """Notes a transaction whose records were all accepted."""
        self._since, self._attempts, self._until = {}, 0, None

    def expire_later(self) -> None:
        """Notes that a new producer is ready: the next attempt decides, and without one the rejection expires."""
        self._until = self._clock() + STALE_SECONDS

    @property
    def delay(self) -> float:
        """Seconds until the next attempt."""
        return float(min(FIRST_DELAY_SECONDS * 2 ** (self._attempts - 1), MAX_DELAY_SECONDS))

    @property
    def reason(self) -> str | None:
        """The rejected topics and what to check; None where no topic is rejected."""
        if not self._since or (self._until is not None and self._clock() > self._until):
            return None
        topics = ", ".join(map(repr, self._since))
        return (
            f"the broker has not taken records of {topics} since {min(self._since.values()):%Y-%m-%dT%H:%M:%SZ}: "
            "is its disk full, are min.insync.replicas there, is it away?"
        )
