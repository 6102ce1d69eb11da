"""Status events about the data: readings, series, sensors and partitions."""

import logging
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from stream.detect.incidents.usual_events import UsualEvent
from stream.detect.outcome import ClockRestart
from stream.detect.policy import SECOND
from stream.detect.unwatched import CoverageEvent, CoverageReason
from stream.events.record import rfc3339
from stream.events.status_event import StatusEvent, named
from stream.intake.intervals import spoken


class ReadingsLost(StatusEvent, frozen=True, tag="data.readings_lost"):
    """Retention deleted `lost` readings of the partition before they were scored."""

    log_level: ClassVar[int] = logging.WARNING
    lost: int

    @classmethod
    def of(cls, lost: int, offset: int) -> "ReadingsLost":
        """`offset`: where the partition goes on."""
        message = f"retention deleted {lost} messages before they were scored, up to offset {offset}"
        return cls(lost, message=message, offset=offset)


class HistoryLost(StatusEvent, frozen=True, tag="data.history_lost"):
    """Readings that a restart needs are gone, or a tool has moved the offset past them.

    Attributes:
        count: series of the partition that warm up. oldest: the first offset that is left.
    """

    log_level: ClassVar[int] = logging.WARNING
    count: int
    oldest: int

    @classmethod
    def of(cls, series: Sequence[str], oldest: int, offset: int) -> "HistoryLost":
        """`series`: those that warm up. `offset`: where the partition goes on."""
        known = named(series) or "those that no snapshot knows"
        message = f"readings before offset {oldest} are gone or passed over; series that warm up: {known}"
        return cls(len(series), oldest, message=message, offset=offset)


class SeriesInTwoPartitions(StatusEvent, frozen=True, tag="data.series_in_two_partitions"):
    """From now on, readings of `series` in this partition are dead letters; partition `kept_in` scores the series."""

    log_level: ClassVar[int] = logging.WARNING
    kept_in: int

    @classmethod
    def of(cls, series: str, kept_in: int, refused_in: int, offset: int) -> "SeriesInTwoPartitions":
        """`refused_in`: the partition whose readings become dead letters."""
        message = f"{series!r} is scored in partition {kept_in}; its readings in {refused_in} are dead letters"
        return cls(kept_in, message=message, series=series, offset=offset)


class SeriesRetired(StatusEvent, frozen=True, tag="data.series_retired"):
    """`count` series have left memory: silent for `serve.retire_after`, or moved to another partition."""

    count: int

    @classmethod
    def of(cls, series: Sequence[str], reason: str, offset: int) -> "SeriesRetired":
        """One event for all series that leave together."""
        only = series[0] if len(series) == 1 else None
        return cls(len(series), message=f"{named(series)}: {reason}", series=only, offset=offset)


def _counted(change: CoverageEvent) -> str:
    """Counts of readings and frames that did not count, by reason, most first."""
    return ", ".join(f"{reason.label} {count}" for reason, count in change.reasons)


class SeriesUnwatched(StatusEvent, frozen=True, tag="data.series_unwatched"):
    """No frame of the series was scored for longer than `serve.unwatched_after`.

    Attributes:
        since, at: event time of the last frame that counted, and stream time of the event, RFC 3339.
        reason: why most readings since then do not count, by `CoverageReason`, in small letters.
        counts: each reason with the number of readings or frames, most first, such as `late 61, warming 2`.
        masked: sensors without a value in the last frame, where frames were degraded, separated by commas.
    """

    log_level: ClassVar[int] = logging.WARNING
    ended_by: ClassVar[str | None] = "data.series_watched"
    since: str
    at: str
    reason: str
    counts: str
    masked: str

    @property
    def level(self) -> int:
        """An asset that rests is no reason to look."""
        return logging.INFO if self.reason == CoverageReason.OFF.label else self.log_level

    @classmethod
    def of(cls, change: CoverageEvent, offset: int) -> "SeriesUnwatched":
        """`offset`: of the message that shows it, of any series."""
        reasons, since = change.reasons, rfc3339(change.since)
        why = ", ".join(reason.said(count) for reason, count in reasons)
        lost = reasons[0][0] is CoverageReason.LOST
        state = "is watched in part only" if lost else "is not watched: no score"
        names = named(change.masked)
        without = "" if not names else f" ({names})" if lost else f", without a value of {names}"
        message = (
            f"{change.series!r} {state} since {since}: {why}{without}; {reasons[0][0].remedy}. "
            "The limit is `serve.unwatched_after`"
        )
        counts = _counted(change)
        return cls(
            since, rfc3339(change.time), reasons[0][0].label, counts, ", ".join(change.masked),
            message=message, series=change.series, offset=offset,
        )  # fmt: skip


class SeriesWatched(StatusEvent, frozen=True, tag="data.series_watched"):
    """A series that was not watched `since` then has a frame that is scored, or that is nearer to a score again.

    Attributes:
        since, at: event times of the last frame that counted before, and of this one, RFC 3339.
        seconds: between them. counts: why readings between did not count, as in `data.series_unwatched`.
    """

    since: str
    at: str
    seconds: int
    counts: str

    @classmethod
    def of(cls, change: CoverageEvent, offset: int) -> "SeriesWatched":
        """`offset`: of the message that completed the frame."""
        since, at = rfc3339(change.since), rfc3339(change.time)
        seconds = (change.time - change.since) // SECOND
        counts = _counted(change)
        message = f"{change.series!r} is watched again since {at}, after {spoken(seconds * SECOND)} without a score"
        return cls(since, at, seconds, counts, message=message, series=change.series, offset=offset)


class PartitionUnwatched(StatusEvent, frozen=True, tag="data.partition_unwatched"):
    """No reading has come from the partition for longer than `serve.unwatched_after`, by wall clock.

    Attributes:
        count: series that are not watched because of this. seconds: since the last reading.
        dead: dead letters since then. since: stream time, RFC 3339.
    """

    log_level: ClassVar[int] = logging.WARNING
    ended_by: ClassVar[str | None] = "data.partition_watched"
    count: int
    seconds: int
    dead: int
    since: str

    @classmethod
    def of(
        cls, number: int, series: Sequence[str], seconds: float, dead: int, stream_time: int, offset: int
    ) -> "PartitionUnwatched":
        """`series`: that are not watched because of this. `offset`: of the next message."""
        since = rfc3339(stream_time)
        instead = f", but {dead:,} dead letters" if dead else ""
        remedy = "look at the dead letters" if dead else "see whether senders run, and whether they send to this topic"
        message = (
            f"no reading has come from partition {number} for {seconds:,.0f} s{instead}; its {len(series):,} series "
            f"({named(series)}) are not watched since {since}; {remedy}"
        )
        return cls(len(series), int(seconds), dead, since, message=message, offset=offset)


class PartitionWatched(StatusEvent, frozen=True, tag="data.partition_watched"):
    """A series of the partition has a frame again that is scored or warms up."""

    @classmethod
    def of(cls, number: int, series: str, offset: int) -> "PartitionWatched":
        """`series`: the one with the frame. `offset`: of the last message of its batch."""
        message = f"partition {number} is watched again, as {series!r} for one sends; others that do not are told of"
        return cls(message=message, series=None, offset=offset)


class UsualLevelMoved(StatusEvent, frozen=True, tag="data.usual_level_moved"):
    """A level above the threshold since `since` is the new usual one of the series, or it has the trained one again.

    Attributes:
        since, at: event times of the first frame of the new level, and of the frame that shows the change, RFC 3339.
        factor: the new threshold as a multiple of the trained one; 1: it is the trained one again.
        sensors: those that the error comes from, separated by commas.
    """

    log_level: ClassVar[int] = logging.WARNING
    since: str
    at: str
    factor: str
    sensors: str

    @classmethod
    def of(cls, change: UsualEvent, offset: int) -> "UsualLevelMoved":
        """`offset`: of the message that caused it."""
        since, factor = rfc3339(change.since), f"{change.factor:.3g}"
        if change.returned:
            message = f"{change.series!r} has its trained usual level again since {since}, with the trained threshold"
            return cls(since, rfc3339(change.time), factor, "", message=message, series=change.series, offset=offset)
        message = (
            f"{change.series!r} has changed its state: its errors have been above the threshold since {since}, most in "
            f"{named(change.sensors) or 'no sensor in particular'}. This is its usual level from now on, with a "
            f"threshold {factor} times the trained one; repair what is broken, or train on data from then on"
        )
        fields = since, rfc3339(change.time), factor, ", ".join(change.sensors)
        return cls(*fields, message=message, series=change.series, offset=offset)


class ClockRestarted(StatusEvent, frozen=True, tag="data.clock_restarted"):
    """The clock of a series was set back: its readings stay behind, so the series starts anew at their time.

    Attributes:
        seen: time of the reading that starts it anew. expected: the newest time before, RFC 3339.
        behind: readings in a row that were far behind; all but the last are late.
    """

    log_level: ClassVar[int] = logging.WARNING
    seen: str
    expected: str
    behind: int

    @classmethod
    def of(cls, change: ClockRestart, offset: int) -> "ClockRestarted":
        """`offset`: of the message that caused it."""
        seen, expected = rfc3339(change.seen), rfc3339(change.expected)
        message = (
            f"{change.series!r} starts anew at {seen} and warms up: {change.behind} readings in a row were far behind "
            f"{expected}, its newest time. If its clock was set back, nothing is to be done. If it sends old readings "
            "once more, or two sources send it with different clocks, correct that; `frames.restart_after: 0` keeps "
            "the newest time, and all readings behind it are late"
        )
        return cls(seen, expected, change.behind, message=message, series=change.series, offset=offset)


def series_event(change: CoverageEvent | UsualEvent | ClockRestart, offset: int) -> StatusEvent:
    """The event about a series that the detector reports; `offset`: of the message that caused it."""
    if isinstance(change, ClockRestart):
        return ClockRestarted.of(change, offset)
    if isinstance(change, UsualEvent):
        return UsualLevelMoved.of(change, offset)
    return SeriesWatched.of(change, offset) if change.watched else SeriesUnwatched.of(change, offset)


class SensorsMissing(StatusEvent, frozen=True, tag="data.sensors_missing"):
    """Some sensors of `bundle` have never come with a value: the bundle is for another topic, or the topic is misread.

    Attributes:
        missing, seen: sensors of the bundle that never came, and those that did.
        others: other names in the messages. All three are separated by commas.
    """

    log_level: ClassVar[int] = logging.ERROR
    ended_by: ClassVar[str | None] = "data.sensors_complete"
    bundle: str
    missing: str
    seen: str
    others: str

    @classmethod
    def of(cls, bundle: str, missing: Sequence[str], seen: Sequence[str], others: Sequence[str]) -> "SensorsMissing":
        """`missing` and `seen` together are all sensors of the bundle."""
        message = (
            f"{len(missing)} of the {len(missing) + len(seen)} sensors of bundle {bundle} have never come with a "
            f"value: {named(missing)}. Seen: {named(seen) or 'none of them'}; other names in the messages: "
            f"{named(others) or 'none'}. Point `bundle` at one trained on what this topic sends, or set "
            "`input.format`, `input.sensors` and its neighbours to where the sensors stand"
        )
        return cls(bundle, *(", ".join(names) for names in (missing, seen, others)), message=message)


class SensorsComplete(StatusEvent, frozen=True, tag="data.sensors_complete"):
    """All sensors of `bundle` have come with a value, after some were reported missing."""

    bundle: str

    @classmethod
    def of(cls, bundle: str, sensors: int) -> "SensorsComplete":
        """`sensors`: how many the bundle has."""
        return cls(bundle, message=f"all {sensors} sensors of bundle {bundle} have come with a value")


class PartitionsChanged(StatusEvent, frozen=True, tag="data.partitions_changed"):
    """The input topic has `to` partitions, it had `from` (`old` in Python): series may have moved to another one."""

    old: int = msgspec.field(name="from")
    to: int

    @classmethod
    def of(cls, topic: str, old: int, new: int) -> "PartitionsChanged":
        """`topic`: the input topic."""
        message = f"{topic} has {new} partitions, it had {old}: series that have moved warm up in their new one"
        return cls(old, new, message=message)
