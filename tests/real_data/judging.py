"""Published alerts beside labels: events found, delays, false incidents."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tests.real_data.cases import Asset, labels_of, times_of
from training.data.spans import Span
from training.metrics.events import OPEN_END, EventMetrics, compare, days_outside, spans_of


def incidents_of(alerts: Iterable[Mapping[str, Any]]) -> list[Span]:
    """Incidents by their last event, in order of their start; one that is still open has no end."""
    newest = {alert["alert_id"]: alert for alert in sorted(alerts, key=lambda alert: int(alert["sequence"]))}
    spans = [Span(a["series"], _ns(a["started_at"]), _end(a["ended_at"])) for a in newest.values()]
    return sorted(spans, key=lambda span: (span.start_ns, span.series))


def judge(assets: Sequence[Asset], alerts: Iterable[Mapping[str, Any]], grace_frames: int) -> EventMetrics:
    """Compares the alerts on the live rows of the assets with their labels."""
    events, days = [], 0.0
    for asset in assets:
        time = times_of(asset.live)
        mine = spans_of(asset.series, time, labels_of(asset.live), grace_frames)
        events += mine
        days += days_outside(time, mine)
    return compare(events, incidents_of(alerts), days)


def _end(stamp: str | None) -> int:
    return OPEN_END if stamp is None else _ns(stamp)


def _ns(stamp: str) -> int:
    return int(np.datetime64(stamp.removesuffix("Z"), "ns").astype(np.int64))
