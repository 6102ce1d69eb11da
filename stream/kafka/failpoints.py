"""Named places of the commit, restore and rebalance paths where a test can end the process.

`NARROWS_FAULT=<place>:<n>` kills it (SIGKILL, nothing is cleaned up) at the n-th passage of that place;
`NARROWS_FAULT=<place>:<n>:freeze` stops it there (SIGSTOP) until somebody continues it. Unset, a place costs a
comparison.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping

from stream.errors import ConfigError

VARIABLE = "NARROWS_FAULT"
# In the order of a partition's life: assigned, restored, replayed, live, committed, given away.
PLACES = (
    "assigned",
    "asked",
    "snapshots_read",
    "restored",
    "replaying",
    "processed",
    "published",
    "snapshots_written",
    "flushed",
    "offsets_sent",
    "committed",
    "aborting",
    "rolled_back",
    "swapping",
    "swapped",
    "revoke_entered",
    "revoke_left",
    "lost_entered",
)
ACTIONS: Mapping[str, signal.Signals] = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}


def _end(action: str) -> None:
    os.kill(os.getpid(), ACTIONS[action])


class Failpoints:
    """What to do where.

    Args:
        order: `<place>:<n>[:kill|freeze]`, or "" for nothing.
        act: carries the action out.

    Raises:
        ConfigError: the order names no place, count or action that there is.
    """

    def __init__(self, order: str, act: Callable[[str], None] = _end) -> None:
        self._act = act
        self._passed: Counter[str] = Counter()
        place, _, rest = order.partition(":")
        count, _, action = rest.partition(":")
        self._place, self._action = place, action or "kill"
        if not order:
            return
        if place not in PLACES or not count.isdecimal() or self._action not in ACTIONS:
            raise ConfigError(
                f"{VARIABLE}={order!r}: expected <place>:<n>[:kill|freeze] with a place of {', '.join(PLACES)}"
            )
        self._count = int(count)

    def at(self, place: str) -> None:
        """Called on the way through `place`."""
        if place != self._place:
            return
        self._passed[place] += 1
        if self._passed[place] == self._count:
            self._act(self._action)


_points = Failpoints(os.environ.get(VARIABLE, ""))


def at(place: str) -> None:
    """The process passes `place`."""
    _points.at(place)


def install(points: Failpoints) -> Failpoints:
    """Puts other orders in force, and returns those that were: for tests that run the loop in their own process."""
    global _points
    before, _points = _points, points
    return before
