"""Time since which the broker has not answered."""

from collections.abc import Callable
from datetime import UTC, datetime

# A broker that answered within this time is not asked. Longer than the time between two commits; on an idle topic, one
# question is asked in 5 s.
QUIET_SECONDS = 5.0
# A broker without an answer for this time is away. A busy broker that answers late is not.
SILENT_SECONDS = 10.0


class BrokerLiveness:
    """Time of the broker's last answer.

    Commits report answers, because only the broker can answer them. Clients report when they lose every broker.
    Fetched records prove nothing: a client still hands out the ones in its queue while the broker is away.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._is_disconnected = False
        self.answered()

    def answered(self) -> None:
        """Notes an answer of the broker."""
        self._is_disconnected = False
        self._answered_at, self._answered_on = self._clock(), datetime.now(UTC)

    def disconnected(self) -> None:
        """Notes that a client has no connection to any broker."""
        self._is_disconnected = True

    def away_since(self, is_answered: Callable[[], bool]) -> datetime | None:
        """Time of the last answer where the broker is away, else None; asks it where no answer is recent."""
        if not self._is_disconnected and self._silence() < QUIET_SECONDS:
            return None
        if is_answered():
            self.answered()
            return None
        return self._answered_on if self._is_disconnected or self._silence() >= SILENT_SECONDS else None

    def _silence(self) -> float:
        return self._clock() - self._answered_at
