"""Whether the broker answers, and since when it has not."""

from collections.abc import Callable
from datetime import UTC, datetime

# Heard of within this time, it is not asked. Longer than between two commits; an idle topic costs a question in 5 s.
QUIET_SECONDS = 5.0
# Not heard of for this time, it is away: a question that a busy broker answers late is no outage yet.
SILENT_SECONDS = 10.0


class BrokerLiveness:
    """When the broker was last heard of.

    Told by commits, which nothing else can answer, and by clients that have lost every broker. What was fetched says
    nothing: a client goes on handing it out while the broker is gone.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lost = False
        self.answered()

    def answered(self) -> None:
        """The broker has answered."""
        self._lost = False
        self._heard_at, self._heard_on = self._clock(), datetime.now(UTC)

    def disconnected(self) -> None:
        """A client has no connection to any broker left."""
        self._lost = True

    def away_since(self, is_answered: Callable[[], bool]) -> datetime | None:
        """When it was last heard of, where it is away; asks where nothing was heard of it lately."""
        if not self._lost and self._silence() < QUIET_SECONDS:
            return None
        if is_answered():
            self.answered()
            return None
        return self._heard_on if self._lost or self._silence() >= SILENT_SECONDS else None

    def _silence(self) -> float:
        return self._clock() - self._heard_at
