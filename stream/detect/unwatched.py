"""Reasons why a series is not watched, and the events that tell of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from stream.detect.policy import SECOND, FramePolicy

# The least time without a score that is worth an event, and the steps that are.
LEAST_NS, LEAST_STEPS = 60 * SECOND, 10


class CoverageReason(IntEnum):
    """A reason why readings or frames of a series did not count: a closed list. One more is one more line.

    Attributes:
        words: in a message. remedy: what to do.
    """

    words: str
    remedy: str

    def __new__(cls, code: int, words: str, remedy: str) -> "CoverageReason":
        """A member with its words."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.words, member.remedy = words, remedy
        return member

    SILENT = 0, "nothing came", "see whether its sender runs, and under which name and to which partition it sends"
    LATE = 1, "{} readings late", "set its clock right, or send a backlog before newer readings"
    DUPLICATE = 2, "{} readings repeated", "see why its sender repeats readings, or stamps different ones alike"
    WARMING = 3, "{} frames warming up", "send in the step of training, or train with a larger `frames.max_gap`"
    DEGRADED = 4, "{} frames with too few sensors", "look at its wiring and its gateway, or raise `frames.max_missing`"
    OFF = 5, "{} frames off", "nothing to do if it rests; otherwise look at `frames.score_when` and at maintenance"
    UNCONFIRMED = (
        6,
        "{} readings far ahead of its clock",
        "set its clock right: nothing confirmed these times",
    )

    LOST = (
        7,
        "{} frames scored without a sensor, or with a frozen one",
        "look at its wiring, or train without it",
    )

    @property
    def label(self) -> str:
        """The reason's name on the topic."""
        return self.name.lower()

    def said(self, count: int) -> str:
        """The reason in words, of so many readings or frames."""
        return self.words.format(f"{count:,}")


class CoverageState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The coverage of one series, as its snapshot keeps it; see `Coverage` and `LostSensors`."""

    framed_at: int
    since: int
    best: int = 0
    unwatched: bool = False
    counts: tuple[int, ...] = ()
    unused: int = 0
    lapsed: bool = False
    told_since: int = 0
    lost: bytes | None = b""


# Reasons of readings that gave no frame.
UNUSED = (CoverageReason.LATE, CoverageReason.DUPLICATE, CoverageReason.UNCONFIRMED)


@dataclass(frozen=True, slots=True)
class CoverageEvent:
    """A series is no longer watched, or is watched again. Times are ns.

    Attributes:
        watched: True: it is watched again.
        since: event time of the last frame that counted; before any, of the first reading.
        time: stream time at which the series counts as unwatched; event time of the frame that ends it.
        counts: of readings and frames that did not count since then, by `CoverageReason`.
        masked: sensors without a value in the last frame, where frames were degraded; sensors that are lost.
        row: the reading of the batch that shows it, of any series; -1: a silence closed a tick.
    """

    series: str
    watched: bool
    since: int
    time: int
    counts: tuple[int, ...]
    masked: tuple[str, ...]
    row: int

    @property
    def reasons(self) -> list[tuple[CoverageReason, int]]:
        """The reasons with their counts, most first."""
        return ranked(self.counts)


def ranked(counts: Sequence[int]) -> list[tuple[CoverageReason, int]]:
    """Reasons with their counts, most first; where nothing was counted, nothing came."""
    found = [(reason, counts[reason]) for reason in CoverageReason if counts[reason]]
    return sorted(found, key=lambda pair: -pair[1]) or [(CoverageReason.SILENT, 0)]


def unwatched_limit(policy: FramePolicy, after_ns: int | None) -> int:
    """Time without a score after which a series counts as unwatched, ns; `after_ns`: the setting, None: by the bundle.

    By the bundle: a minute, ten steps, or two gaps that windows may span, whichever is longest, and the time for which
    a tick waits.
    """
    if after_ns is not None:
        return after_ns
    return max(LEAST_NS, LEAST_STEPS * policy.interval_ns, 2 * policy.max_gap_ns) + policy.grace_ns
