"""Alerts against labels: which labelled events an incident overlaps, how late it came, which incidents are false."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.real_data.cases import Asset, labels_of, times_of

DAY_NS = 86_400 * 1_000_000_000
OPEN_END = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Span:
    """start <= t < end, ns, of one series."""

    series: str
    start: int
    end: int

    def overlaps(self, other: "Span") -> bool:
        return self.series == other.series and self.start < other.end and other.start < self.end


@dataclass(frozen=True)
class Found:
    """What the incidents were worth.

    Attributes:
        events: labelled events; found: those that an incident overlaps, `grace` included.
        opened_inside: those in which an incident opened; an incident that was open already needs no skill to overlap.
        delays_s: event time from the start of each of the latter to the first incident that opened inside.
        incidents: all; false: those that overlap no event, grace included.
        normal_days: series-days outside of all events and their grace.
    """

    events: int
    found: int
    opened_inside: int
    delays_s: tuple[float, ...]
    incidents: int
    false: int
    normal_days: float

    @property
    def false_per_day(self) -> float:
        """False incidents per series and day of normal data."""
        return self.false / self.normal_days

    @property
    def median_delay_s(self) -> float | None:
        """None where no incident opened inside an event."""
        return float(np.median(self.delays_s)) if self.delays_s else None


def step_of(asset: Asset) -> int:
    """The median step of the live rows, ns."""
    return int(np.median(np.diff(times_of(asset.live))))


def events_of(asset: Asset, grace_frames: int) -> list[Span]:
    """Runs of labelled rows, each up to `grace_frames` after its last row: so long it stays in windows and levels."""
    time, labels = times_of(asset.live), labels_of(asset.live)
    edges = np.flatnonzero(np.diff(labels.astype(np.int8), prepend=0, append=0))
    after = step_of(asset) * (grace_frames + 1)
    return [Span(asset.series, int(time[a]), int(time[b - 1]) + after) for a, b in edges.reshape(-1, 2).tolist()]


def incidents_of(alerts: Iterable[Mapping[str, Any]]) -> list[Span]:
    """Incidents by what was told of them last, in order of their start; one that is still open has no end."""
    newest = {alert["alert_id"]: alert for alert in sorted(alerts, key=lambda alert: int(alert["sequence"]))}
    spans = [Span(a["series"], _ns(a["started_at"]), _end(a["ended_at"])) for a in newest.values()]
    return sorted(spans, key=lambda span: (span.start, span.series))


def compare(events: Sequence[Span], incidents: Sequence[Span], normal_days: float) -> Found:
    """Both with their series; times need not be in order."""
    inside = [_opened_inside(event, incidents) for event in events]
    return Found(
        events=len(events),
        found=sum(any(event.overlaps(incident) for incident in incidents) for event in events),
        opened_inside=sum(delay is not None for delay in inside),
        delays_s=tuple(delay / 1e9 for delay in inside if delay is not None),
        incidents=len(incidents),
        false=sum(not any(incident.overlaps(event) for event in events) for incident in incidents),
        normal_days=normal_days,
    )


def judge(assets: Sequence[Asset], alerts: Iterable[Mapping[str, Any]], grace_frames: int) -> Found:
    """What the alerts on the live rows of the assets were worth."""
    events = [event for asset in assets for event in events_of(asset, grace_frames)]
    days = sum(_normal_days(asset, events) for asset in assets)
    return compare(events, incidents_of(alerts), days)


def _opened_inside(event: Span, incidents: Sequence[Span]) -> int | None:
    delays = [
        i.start - event.start for i in incidents if i.series == event.series and event.start <= i.start < event.end
    ]
    return min(delays, default=None)


def _normal_days(asset: Asset, events: Sequence[Span]) -> float:
    time = times_of(asset.live)
    normal: NDArray[np.bool_] = np.ones(len(time), np.bool_)
    for event in events:
        if event.series == asset.series:
            normal &= (time < event.start) | (time >= event.end)
    return float(normal.sum()) * step_of(asset) / DAY_NS


def _end(stamp: str | None) -> int:
    return OPEN_END if stamp is None else _ns(stamp)


def _ns(stamp: str) -> int:
    return int(np.datetime64(stamp.removesuffix("Z"), "ns").astype(np.int64))
