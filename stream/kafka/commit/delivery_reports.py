"""What the broker has acknowledged of a transaction, and which topics it takes nothing for."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from confluent_kafka import KafkaError, Message

FIRST_DELAY_SECONDS = 1.0
MAX_DELAY_SECONDS = 10.0
# With a producer that could write, and without another try that failed: it is not known any more to be refused.
STALE_SECONDS = 60.0


class DeliveryReports:
    """Records of one transaction that are not acknowledged yet, by topic.

    A transaction has its own: what a producer that was given up still reports is then nobody's concern.
    """

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()
        self._timed_out: set[str] = set()
        self.begun_on = datetime.now(UTC)
        # Why the first record that was not delivered was not.
        self.error: KafkaError | None = None

    def sent(self, topic: str) -> None:
        """A record was given to the client."""
        self._waiting[topic] += 1

    def reported(self, error: KafkaError | None, message: Message) -> None:
        """The client's delivery report."""
        topic = message.topic() or ""
        self._waiting[topic] -= 1
        if error is not None:
            self.error = self.error or error
            if error.code() == KafkaError._MSG_TIMED_OUT:
                self._timed_out.add(topic)

    def give_up(self) -> None:
        """What waits has had its time."""
        self._timed_out |= (+self._waiting).keys()

    def rejected(self) -> list[str]:
        """Topics that did not take all of their records within their time."""
        return sorted(self._timed_out)


class RejectedTopics:
    """Topics that take no records, over the transactions in a row that failed for it.

    The client says no more than that time has passed: it retries a full disk and missing replicas by itself.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[str, datetime] = {}
        self._tries = 0
        self._until: float | None = None

    def note(self, topics: Iterable[str], since: datetime) -> None:
        """One more transaction, begun then, has failed for these."""
        self._since = {topic: self._since.get(topic, since) for topic in topics}
        self._tries, self._until = self._tries + 1, None

    def clear(self) -> None:
        """All was taken."""
        self._since, self._tries, self._until = {}, 0, None

    def expire_later(self) -> None:
        """A new producer was let in: the next try tells, if there is one."""
        self._until = self._clock() + STALE_SECONDS

    @property
    def delay(self) -> float:
        """Seconds until the next try."""
        return float(min(FIRST_DELAY_SECONDS * 2 ** (self._tries - 1), MAX_DELAY_SECONDS))

    @property
    def reason(self) -> str | None:
        """What is wrong and what to look at; None where nothing is."""
        if not self._since or (self._until is not None and self._clock() > self._until):
            return None
        topics = ", ".join(map(repr, self._since))
        return (
            f"the broker has not taken records of {topics} since {min(self._since.values()):%Y-%m-%dT%H:%M:%SZ}: "
            "is its disk full, are min.insync.replicas there, is it away?"
        )
