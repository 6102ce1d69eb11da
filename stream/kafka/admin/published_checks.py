"""Checks of what the service has published, for `narrows doctor`: what its status topic reports, its dead letters.

No cause has code of its own. A status event that another one ends is a failure until that one comes; a warning of the
last day is a warning; a dead letter of the last hour is one. Messages say what to do after their last semicolon.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from stream.detect.unwatched import CoverageReason
from stream.errors import BrokerError
from stream.events.letter_view import LetterGroup, grouped, letter_view
from stream.events.status import ENDS, KINDS, StatusView, standing
from stream.events.status_event import named
from stream.kafka.admin.check_result import CheckOutcome, CheckResult
from stream.kafka.admin.cluster import Cluster
from stream.kafka.client import KafkaOptions
from stream.kafka.topic_reader import TopicRecord
from stream.kafka.topic_sample import newest_records
from stream.messages import counted

# Newest records that are read. A heartbeat of each partition and minute is among the status events.
STATUS_RECORDS, LETTERS = 50_000, 5_000
WARNED_FOR, DEAD_FOR = timedelta(days=1), timedelta(hours=1)


def check_published(cluster: Cluster, options: KafkaOptions, detector: str, now: datetime) -> list[CheckResult]:
    """Reads the newest part of the status topic and of the dead letters, and checks it: the worst first."""
    results: list[CheckResult] = []
    if cluster.topic(options.status) is not None:
        try:
            records = newest_records(options.common, options.status, STATUS_RECORDS, committed=True)
            results += status_results(status_views(records, detector), now)
        except BrokerError as fault:
            results.append(_unread("status", options.status, fault))
    if cluster.topic(options.dead_letters) is not None:
        try:
            records = newest_records(options.common, options.dead_letters, LETTERS, committed=True)
            results += letter_results(records, now)
        except BrokerError as fault:
            results.append(_unread("dead_letters", options.dead_letters, fault))
    return sorted(results, key=lambda result: ("failure", "warning", "ok").index(result.outcome))


def status_views(records: Iterable[TopicRecord], detector: str) -> list[StatusView]:
    """The status events of a detector among the records, in the order of their time."""
    found = []
    for record in records:
        try:
            view = msgspec.json.decode(record.value or b"", type=StatusView)
        except msgspec.MsgspecError:
            continue
        if view.detector == detector:
            found.append(view)
    return sorted(found, key=lambda view: view.observed_at)


def status_results(views: Sequence[StatusView], now: datetime) -> list[CheckResult]:
    """A result for each kind of event that stands or warned of late; views in the order of their time."""
    open_by_kind: dict[str, list[StatusView]] = {}
    for view in standing(views):
        # An asset that rests by a rule needs nobody.
        if view.details.get("reason") == CoverageReason.OFF.label:
            continue
        open_by_kind.setdefault(view.kind, []).append(view)
    recent: dict[str, list[StatusView]] = {}
    for view in views:
        known = KINDS.get(view.kind)
        is_warning = known is not None and known.log_level >= logging.WARNING and view.kind not in ENDS.values()
        if is_warning and now - datetime.fromisoformat(view.observed_at) <= WARNED_FOR:
            recent.setdefault(view.kind, []).append(view)
    failed = sorted(open_by_kind.items(), key=lambda kind: (-KINDS[kind[0]].log_level, -len(kind[1])))
    results = [_status_result(kind, "failure", events) for kind, events in failed]
    results += [_status_result(kind, "warning", events) for kind, events in recent.items()]
    return results or [CheckResult("status", "ok", f"{counted(len(views), 'status event')}, none tells of a fault now")]


def letter_results(records: Iterable[TopicRecord], now: datetime) -> list[CheckResult]:
    """A warning for each reason of dead letters of the last hour, the most frequent first."""
    since_ms = (now - DEAD_FOR).timestamp() * 1000
    recent = [record for record in records if record.timestamp_ms >= since_ms]
    views = [letter_view(f"{r.partition}/{r.offset}", r.timestamp_ms, r.headers) for r in recent]
    groups = grouped(view for view in views if view is not None)
    return [_letter_result(group) for group in groups] or [
        CheckResult("dead_letters", "ok", "none in the last hour"),
    ]


def _status_result(kind: str, outcome: CheckOutcome, events: Sequence[StatusView]) -> CheckResult:
    newest = events[-1]
    said, _, do = newest.message.rpartition("; ")
    names = list(dict.fromkeys(event.series for event in events if event.series is not None))
    many = f"{len(names)} series ({named(names)}), the newest: " if len(names) > 1 else ""
    seen = f"since {newest.observed_at[:19]}Z: {many}{said or newest.message}"
    return CheckResult(kind, outcome, seen, "", do if said else "")


def _letter_result(group: LetterGroup) -> CheckResult:
    seen = (
        f"{counted(group.letters, 'dead letter')} of reason {group.reason} in the last hour, the newest at "
        f"{group.newest.written_at[:19]}Z: {group.newest.detail}"
    )
    do = f"`narrows dlq show {group.newest.place}` shows it; mend the sender or `input`"
    return CheckResult(f"dead_letters.{group.reason}", "warning", seen, "", f"{do}, then `narrows dlq replay`")


def _unread(check: str, topic: str, fault: BrokerError) -> CheckResult:
    return CheckResult(check, "warning", f"could not be checked: {fault}", "", f"grant this user Read on {topic!r}")
