"""Status events about the detector: its bundle and its thresholds."""

import logging
from typing import ClassVar, Literal

import msgspec

from stream.events.record import rfc3339
from stream.events.status_event import StatusEvent

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

    version: str
    serving: str


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
