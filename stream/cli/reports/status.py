"""The report of `narrows status`, as JSON and as text."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from rich.table import Table

from stream.cli.reports.alerts import parse_time
from stream.events.alert import Alert
from stream.events.detector_events import Heartbeat
from stream.events.letter_view import LetterGroup
from stream.events.status import StatusView
from stream.events.status_event import kind_of
from stream.kafka.admin.fleet import PartitionStatus
from stream.messages import counted, some, tell
from stream.settings import Settings
from stream.terminal import console, duration, plain_table

# Conditions and incidents that are shown at most.
MOST_SHOWN = 10
HEARTBEAT = kind_of(Heartbeat)
# Of a heartbeat: all series, and those in each state.
STATES = ("known", "scored", "warming", "degraded", "off", "unwatched")


class OpenIncident(msgspec.Struct, frozen=True):
    """An open incident, in short."""

    series: str
    severity: str
    peak_score: float
    started_at: str
    alert_id: str


class HeartbeatView(msgspec.Struct, frozen=True):
    """The newest heartbeat of a partition, see `Heartbeat`; `at`: wall clock, RFC 3339."""

    partition: int
    at: str
    complete_through: str
    known: int
    scored: int
    warming: int
    degraded: int
    off: int
    open_incidents: int
    unwatched: int


def newest_heartbeats(views: Iterable[StatusView]) -> dict[int, HeartbeatView]:
    """The newest heartbeat of each partition; `views` in the order of their time."""
    beats = (view for view in views if view.kind == HEARTBEAT and view.partition is not None)
    named = ({**view.details, "partition": view.partition, "at": view.observed_at} for view in beats)
    return {beat.partition: beat for beat in (msgspec.convert(fields, HeartbeatView) for fields in named)}


class FleetReport(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON document of `narrows status`.

    Attributes:
        partitions: those that nobody has first, then those that are furthest behind.
        lag, lag_s: of all partitions together, and of the one that is furthest behind; null where it is not known.
        open: open incidents by severity. worst: those incidents, the worst first.
        conditions: status events whose end has not come, such as series that are not watched.
        dead_letters: those of the last hour, by reason.
        series: by their state at the heartbeats, with those that are unwatched. heartbeats: one of each partition.
    """

    detector: str
    group: str
    topic: str
    partitions: Sequence[PartitionStatus]
    lag: int
    lag_s: float | None
    open: dict[str, int]
    worst: Sequence[OpenIncident]
    conditions: Sequence[StatusView]
    dead_letters: dict[str, int]
    series: dict[str, int]
    heartbeats: Sequence[HeartbeatView]

    @classmethod
    def of(
        cls,
        settings: Settings,
        partitions: Sequence[PartitionStatus],
        incidents: Sequence[Alert],
        conditions: Sequence[StatusView],
        dead: Sequence[LetterGroup],
        heartbeats: Mapping[int, HeartbeatView],
    ) -> "FleetReport":
        """Report on all this: `incidents` the worst first, `dead` of the last hour."""
        lags = [one.lag_s for one in partitions]
        return cls(
            detector=settings.detector,
            group=settings.group,
            topic=settings.topics.readings,
            partitions=partitions,
            lag=sum(one.lag for one in partitions),
            lag_s=None if None in lags else max((lag for lag in lags if lag is not None), default=0.0),
            open=dict(Counter(one.severity for one in incidents)),
            worst=[
                OpenIncident(one.series, one.severity, one.peak_score, one.started_at, one.alert_id)
                for one in incidents
            ],
            conditions=conditions,
            dead_letters={group.reason: group.letters for group in dead},
            series={name: sum(getattr(beat, name) for beat in heartbeats.values()) for name in STATES},
            heartbeats=[heartbeats[number] for number in sorted(heartbeats)],
        )

    @property
    def unserved(self) -> list[int]:
        """Partitions that no member of the group has."""
        return sorted(one.partition for one in self.partitions if one.owner is None)

    @property
    def unwatched_series(self) -> list[str]:
        """Series that a condition is about."""
        return [one.series for one in self.conditions if one.series is not None]


def show(report: FleetReport) -> None:
    """Prints what is wrong first, then a line for each partition."""
    now = datetime.now(UTC)
    tell(f"detector {report.detector}, topic {report.topic}, group {report.group}")
    tell(f"  served      {_served(report)}")
    behind = "not known" if report.lag_s is None else duration(report.lag_s)
    tell(f"  behind      {counted(report.lag, 'message')}, {behind}")
    tell(f"  series      {_series(report)}")
    tell(f"  open        {_open(report)}")
    dead = ", ".join(f"{reason} {count:,}" for reason, count in report.dead_letters.items())
    tell(f"  dead        {dead or 'no message'} in the last hour")
    about = report.conditions
    tell(f"  conditions  {counted(len(about), 'condition') if about else 'none reported'}")
    for one in about[:MOST_SHOWN]:
        tell(f"    {duration(_age(one.observed_at, now))} ago: {one.message}")
    if len(about) > MOST_SHOWN:
        tell(f"    and {len(about) - MOST_SHOWN:,} more: --json has all")
    tell()
    console().print(_table(report, now))


def _served(report: FleetReport) -> str:
    owners = sorted({one.owner for one in report.partitions if one.owner is not None})
    if not owners:
        return f"NOT: the group has no members, so nobody reads {report.topic}; start `narrows run`"
    served = len(report.partitions) - len(report.unserved)
    by = f"{served} of {counted(len(report.partitions), 'partition')}, by {some(owners)}"
    return f"{by}; NOBODY HAS {', '.join(map(str, report.unserved))}" if report.unserved else by


def _series(report: FleetReport) -> str:
    if not report.heartbeats:
        return "not known: no partition has sent a heartbeat"
    counts = report.series
    states = ", ".join(f"{counts[name]:,} {name}" for name in STATES[1:] if counts[name] or name == "scored")
    return f"{counts['known']:,} known: {states}"


def _open(report: FleetReport) -> str:
    if not report.worst:
        return "no incident"
    first = report.worst[0]
    counts = ", ".join(f"{count:,} {severity}" for severity, count in report.open.items())
    return f"{counts}; the worst: {first.series}, peak {first.peak_score:.3g}, since {first.started_at}"


def _table(report: FleetReport, now: datetime) -> Table:
    beats = {beat.partition: beat for beat in report.heartbeats}
    right = ("partition", "committed", "end", "lag", "behind", "last commit", "heartbeat")
    headings = (right[0], "owner", *right[1:], "complete through", "bundle")
    table = plain_table(headings, right=right)
    for one in report.partitions:
        beat = beats.get(one.partition)
        table.add_row(
            str(one.partition),
            one.owner or "NOBODY",
            "nothing" if one.committed is None else f"{one.committed:,}",
            f"{one.end:,}",
            f"{one.lag:,}",
            "?" if one.lag_s is None else duration(one.lag_s),
            "?" if one.committed_at is None else f"{duration(_age(one.committed_at, now))} ago",
            "none" if beat is None else f"{duration(_age(beat.at, now))} ago",
            "" if beat is None else beat.complete_through[:19],
            one.bundle or "?",
        )
    return table


def _age(stamp: str, now: datetime) -> float:
    return max((now - parse_time(stamp)).total_seconds(), 0.0)
