"""The seeded list of what is done to the consumers, and the sizes of a run."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from stream.kafka.failpoints import PLACES

Push = Literal["", "stop", "zombie"]


@dataclass(frozen=True)
class Fault:
    """What ends, or pauses, one life of a consumer.

    Attributes:
        kind: "kill": kill -9 `seconds` after the start. "place": it kills itself at the `count`-th passage of `place`.
            "pause": frozen for `seconds`, at `place` or where it happens to be; then it lives on and is stopped.
        push: what leads it to that place: "stop" = SIGTERM, "zombie" = pauses longer than the session.
        down: seconds until its instance is started again.
    """

    kind: Literal["kill", "place", "pause"]
    place: str = ""
    count: int = 1
    seconds: float = 0.0
    push: Push = ""
    down: float = 0.0

    @property
    def order(self) -> str:
        """For the fault points of the process."""
        if not self.place:
            return ""
        return f"{self.place}:{self.count}" + (":freeze" if self.kind == "pause" else "")

    def __str__(self) -> str:
        push = {"": "", "stop": " after SIGTERM", "zombie": " after pauses"}[self.push]
        where = f" at {self.place}:{self.count}{push}" if self.place else ""
        seconds = f" {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.kind}{where}{seconds}" + (f", down {self.down:.1f} s" if self.down else "")


@dataclass(frozen=True)
class Size:
    """How much of everything.

    Attributes:
        records: at least so many are sent, `rate` per second while the chaos goes on.
        kills: of consumers, those at places included. places: at each at least one.
        down_share: of the killed, how many are not started again before the others have taken over.
        pauses: longer than the session timeout. cut_s: for so long the consumers are cut off from the broker.
        restarts, takeovers: how often the time to recovery is measured; these kills come on top.
    """

    records: int
    series: int
    rate: float
    kills: int
    pauses: int
    cut_s: float
    restarts: int
    takeovers: int
    down_share: float
    places: tuple[str, ...]


# A run changes no bundle, so nothing passes these.
NO_SWAP = ("swapping", "swapped")
ALL_PLACES = tuple(place for place in PLACES if place not in NO_SWAP)
COMMIT_PATH = ("processed", "published", "snapshots_written", "flushed", "offsets_sent", "committed")
SHORT_PLACES = ("published", "flushed", "offsets_sent", "committed", "restored", "replaying", "revoke_entered")
SIZES: Mapping[str, Size] = {
    "short": Size(10_000, 100, 250, 9, 1, 7.0, 0, 0, 0.0, SHORT_PLACES),
    "bars": Size(100_000, 200, 300, 40, 3, 70.0, 12, 6, 0.15, ALL_PLACES),
    "goal": Size(1_000_000, 10_000, 600, 300, 10, 70.0, 30, 15, 0.15, ALL_PLACES),
}

# Passages until the n-th, at most: about 100 batches and 5 commits a second.
COUNTS: Mapping[str, int] = {"processed": 150, "published": 150} | dict.fromkeys(COMMIT_PATH[2:], 8)
PUSHES: Mapping[str, Push] = {
    "revoke_entered": "stop", "revoke_left": "stop",
    "aborting": "zombie", "lost_entered": "zombie", "rolled_back": "zombie",
}  # fmt: skip
# Share of the kills that are at places, where there are not more places anyway.
PLACED = 0.6
PAUSED_AT = ("offsets_sent", "", "published", "flushed", "snapshots_written", "restored")
LIFE_S = (0.3, 8.0)
PAUSE_S = (7.5, 11.0)
# Longer than the session: the partitions go to others meanwhile, and come back.
DOWN_S = (7.0, 10.0)


def make(size: Size, seed: int) -> list[Fault]:
    """The faults of a run, in order: the same for the same size and seed."""
    draw = random.Random(seed)
    places = list(size.places)
    # Further rounds: the places where a crash is most delicate.
    while len(places) < size.kills * PLACED:
        places += draw.sample(COMMIT_PATH, len(COMMIT_PATH))
    faults = [_at(place, size, draw) for place in places[: size.kills]]
    faults += [_at_random(size, draw) for _ in range(size.kills - len(faults))]
    faults += [_pause(PAUSED_AT[i % len(PAUSED_AT)], draw) for i in range(size.pauses)]
    draw.shuffle(faults)
    return faults


def _at(place: str, size: Size, draw: random.Random) -> Fault:
    push = PUSHES.get(place, "")
    # A zombie's transaction is a long one: the others would wait for its end.
    down = 0.0 if push == "zombie" else _down(size, draw)
    return Fault("place", place, draw.randint(1, COUNTS.get(place, 1)), push=push, down=down)


def _at_random(size: Size, draw: random.Random) -> Fault:
    return Fault("kill", seconds=round(draw.uniform(*LIFE_S), 2), down=_down(size, draw))


def _pause(place: str, draw: random.Random) -> Fault:
    count = draw.randint(1, COUNTS.get(place, 1))
    return Fault("pause", place, count, seconds=round(draw.uniform(*PAUSE_S), 2))


def _down(size: Size, draw: random.Random) -> float:
    return round(draw.uniform(*DOWN_S), 2) if draw.random() < size.down_share else 0.0
