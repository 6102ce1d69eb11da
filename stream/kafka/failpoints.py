"""Failpoints: named places of the commit, restore and rebalance paths where a test can end the process.

`NARROWS_FAULT=<place>:<n>` kills the process (SIGKILL, nothing is cleaned up) at the n-th passage of that place.
`NARROWS_FAULT=<place>:<n>:freeze` stops it there (SIGSTOP) until somebody continues it. Without the variable, a place
costs one comparison.
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
    """The failpoint that is armed, if any.

    Args:
        spec: `<place>:<n>[:kill|freeze]`, or "" for none.
        act: performs the action.

    Raises:
        ConfigError: no such place or action, or the count is no number.
    """

    def __init__(self, spec: str, act: Callable[[str], None] = _end) -> None:
        self._act = act
        self._passed: Counter[str] = Counter()
        place, _, rest = spec.partition(":")
        count, _, action = rest.partition(":")
        self._place, self._action = place, action or "kill"
        if not spec:
            return
        if place not in PLACES or not count.isdecimal() or self._action not in ACTIONS:
            raise ConfigError(
                f"{VARIABLE}={spec!r}: expected <place>:<n>[:kill|freeze] with a place of {', '.join(PLACES)}"
            )
        self._count = int(count)

    def at(self, place: str) -> None:
        """Acts if this is the armed passage of `place`."""
        if place != self._place:
            return
        self._passed[place] += 1
        if self._passed[place] == self._count:
            self._act(self._action)


_points = Failpoints(os.environ.get(VARIABLE, ""))


def at(place: str) -> None:
    """Marks that the process passes `place`."""
    _points.at(place)


def install(points: Failpoints) -> Failpoints:
    """Replaces the failpoints, and returns the former ones: for tests that run the loop in their own process."""
    global _points
    before, _points = _points, points
    return before
