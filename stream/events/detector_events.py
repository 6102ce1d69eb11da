"""Status events about the detector: its bundle and its thresholds."""

import logging
from collections.abc import Sequence
from typing import ClassVar, Literal

import msgspec

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.outcome import Verdict
from stream.events.record import rfc3339
from stream.events.status_event import StatusEvent, named

DriftKind = Literal["many", "none"]


class BundleActivated(StatusEvent, frozen=True, tag="detector.bundle_activated"):
    """From `offset` of the partition on, scores are those of bundle `to`.

    Attributes:
        from (`old` in Python), to: versions.
        frames: whether the windows of the series were kept; if dropped, the series warm up.
    """

    old: str = msgspec.field(name="from")
    to: str
    frames: Literal["kept", "dropped"]

    @classmethod
    def of(cls, old: str, new: str, *, warm: bool, offset: int) -> "BundleActivated":
        """`warm`: the frames are kept."""
        effect = "frames kept" if warm else "sensors or ticks differ, series warm up"
        return cls(old, new, "kept" if warm else "dropped", message=f"{old} -> {new}: {effect}", offset=offset)


class BundleRefused(StatusEvent, frozen=True, tag="detector.bundle_refused"):
    """Bundle `version` is not served, bundle `serving` goes on; the message gives the reason."""

    log_level: ClassVar[int] = logging.WARNING
    version: str
    serving: str


class MutesChanged(StatusEvent, frozen=True, tag="detector.mutes_changed"):
    """From `offset` of the partition on, other series are muted.

    Attributes:
        muted: the series, separated by commas; `all` for every series. Those whose mute has ended may be among them.
    """

    muted: str

    @classmethod
    def of(cls, muted: Sequence[str], offset: int) -> "MutesChanged":
        """`muted`: names of series; "" for every series."""
        names = sorted(name or "all" for name in muted)
        return cls(", ".join(names), message=f"muted: {named(names) or 'no series'}", offset=offset)


def changes(old: Definition, new: Definition, *, warm: bool, offset: int) -> list[StatusEvent]:
    """The events of a partition that goes on with `new` from `offset` on; `warm`: the frames are kept."""
    events: list[StatusEvent] = []
    if old.version != new.version or old.revision == new.revision:
        events.append(BundleActivated.of(old.version, new.version, warm=warm, offset=offset))
    if old.revision != new.revision:
        events.append(MutesChanged.of(new.muted, offset))
    return events


class StaleThreshold(StatusEvent, frozen=True, tag="detector.stale_threshold"):
    """The thresholds of `bundle` are older than `serve.stale_after`; repeated once a day.

    Attributes:
        calibrated_at: RFC 3339. age_days: whole days since then.
    """

    log_level: ClassVar[int] = logging.WARNING
    bundle: str
    calibrated_at: str
    age_days: int

    @classmethod
    def of(cls, bundle: str, calibrated_at: int, age_days: int) -> "StaleThreshold":
        """`calibrated_at`: ns since 1970."""
        message = (
            f"the thresholds of bundle {bundle} are {age_days} days old; see whether they still fit with "
            "`narrows recalibrate --data NEWER --dry-run`, then recalibrate or train"
        )
        return cls(bundle, rfc3339(calibrated_at), age_days, message=message)


class ReadingsUsedAgain(StatusEvent, frozen=True, tag="detector.readings_used_again"):
    """Readings of the topic are used again, after hardly any was.

    Attributes:
        received: readings of the last segment. percent: share of them that is of use.
    """

    received: int
    percent: int

    @classmethod
    def of(cls, topic: str, received: int, share: float) -> "ReadingsUsedAgain":
        """`share`: 0 to 1."""
        message = f"readings of topic {topic!r} are used again: {share:.0%} of the last {received:,}"
        return cls(received, round(100 * share), message=message)


class HardlyAnythingUsed(StatusEvent, frozen=True, tag="detector.hardly_anything_used"):
    """Hardly any reading of the topic is of use to this process: no asset is watched.

    Attributes:
        cause: the most frequent one: the reason of dead letters, the end of a reading or of a frame, `nothing_came`, or
            `other_series`, where none of the bundle's series comes.
        causes: each with its count, most first, as text.
        received, used: readings since `since`, wall clock, RFC 3339, and those that became part of a frame.
        example: the newest reading with the first cause, for people; empty where there is none.
    """

    log_level: ClassVar[int] = logging.ERROR
    ended_by: ClassVar[str | None] = "detector.readings_used_again"
    cause: str
    causes: str
    received: int
    used: int
    example: str
    since: str

    @classmethod
    def of(
        cls, message: str, causes: Sequence[tuple[str, int]], received: int, used: int, example: str, since: str
    ) -> "HardlyAnythingUsed":
        """`causes`: with their counts, most first."""
        cause = causes[0][0] if causes else "no_frames"
        listed = ", ".join(f"{name}: {count}" for name, count in causes)
        return cls(cause, listed, received, used, example, since, message=message)


class Heartbeat(StatusEvent, frozen=True, tag="detector.heartbeat"):
    """Every reading of the partition below `offset` is processed, and its alerts are published. One for each period.

    Attributes:
        period: start of the period of `serve.heartbeat`, RFC 3339, by `clock`. The wall clock serves where stream time
            stands still.
        complete_through: watch time of the partition, RFC 3339; empty: there is no reading yet.
        known: series in memory; each is scored, warming, degraded or off, as its newest frame is.
        open_incidents, unwatched: series with an open incident, and series that are reported unwatched.
    """

    log_level: ClassVar[int] = logging.DEBUG
    period: str
    clock: Literal["stream", "wall"]
    complete_through: str
    known: int
    scored: int
    warming: int
    degraded: int
    off: int
    open_incidents: int
    unwatched: int

    @classmethod
    def of(
        cls, period: int, clock: Literal["stream", "wall"], through: int | None, detector: Detector, offset: int
    ) -> "Heartbeat":
        """`period`, `through`: ns since 1970; None: no reading yet. `offset`: of the next reading."""
        known = len(detector.slots)
        states = detector.last_verdicts.counts(known)
        told = "" if through is None else rfc3339(through)
        message = f"complete through {told or 'no reading yet'}; {states[Verdict.SCORED]} of {known} series are scored"
        return cls(
            period=rfc3339(period),
            clock=clock,
            complete_through=told,
            known=known,
            scored=states[Verdict.SCORED],
            warming=states[Verdict.WARMING],
            degraded=states[Verdict.DEGRADED],
            off=states[Verdict.OFF],
            open_incidents=detector.open_incidents,
            unwatched=int(detector.coverage.is_unwatched.sum()),
            message=message,
            offset=offset,
        )


class Drift(StatusEvent, frozen=True, tag="detector.drift"):
    """One process opened far more incidents than were promised, for long, or none; repeated once a day.

    Attributes:
        opened, promised: incidents, and the number that the thresholds of `bundle` promise for the same time.
        drift: far too many, or none.
    """

    log_level: ClassVar[int] = logging.WARNING
    bundle: str
    opened: int
    promised: str
    drift: DriftKind

    @classmethod
    def of(cls, bundle: str, drift: DriftKind, opened: int, promised: float, per_week: float | None) -> "Drift":
        """`per_week`: incidents that are promised per series and week."""
        message = (
            f"{opened} incidents where the thresholds of bundle {bundle} promise {promised:.3g}, "
            f"{per_week:.3g} per series and week; look at what they are, then see what has "
            "drifted with `narrows recalibrate --data NEWER --dry-run`"
        )
        return cls(bundle, opened, f"{promised:.3g}", drift, message=message)
