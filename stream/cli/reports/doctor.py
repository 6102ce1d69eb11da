"""`narrows doctor`: every check there is, on demand.

It changes nothing, but for one thing that a start would do as well: what a dead process left open in a transaction is
aborted, because the permission on the transactional id cannot be asked for, only used.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from stream.detect.definition import Definition
from stream.detect.policy import SECOND
from stream.errors import NarrowsError
from stream.kafka.admin.check_result import CheckOutcome, CheckResult
from stream.kafka.admin.checks import check_cluster, snapshot_bytes
from stream.kafka.admin.cluster import describe_cluster
from stream.kafka.admin.live_checks import LOOK_AGAIN_SECONDS, check_service
from stream.kafka.client import KafkaOptions
from stream.registry.manifest import Manifest
from stream.serve.compose import bundle_of
from stream.serve.connection import kafka_options
from stream.serve.logs import configure
from stream.serve.service import in_seconds
from stream.serve.threshold_watch import ThresholdWatch
from stream.settings import Settings

WORST_LAST: tuple[CheckOutcome, ...] = ("ok", "warning", "failure")


def examine(settings: Settings, bundle: str | None = None) -> list[CheckResult]:
    """Configuration, bundle and broker; a check that fails keeps none of the others from being made.

    Args:
        bundle: a folder, version or alias instead of the configured one.
    """
    configure(settings.serve.log_format)
    found = [CheckResult("configuration", "ok", f"detector {settings.detector!r}, no faults")]
    judged, definition = _bundle(settings, bundle)
    found += judged
    snapshot = None if definition is None else snapshot_bytes(definition)
    # A transaction may rightly be open for one commit interval.
    pause_s = max(LOOK_AGAIN_SECONDS, settings.serve.commit_interval / SECOND + 1.0)
    return [*found, *_broker(kafka_options(settings), snapshot, pause_s)]


def as_data(findings: Sequence[CheckResult]) -> dict[str, Any]:
    """For `--json`: the worst outcome, and every finding."""
    worst = max((WORST_LAST.index(finding.outcome) for finding in findings), default=0)
    return {"outcome": WORST_LAST[worst], "checks": [asdict(finding) for finding in findings]}


def as_text(findings: Sequence[CheckResult]) -> str:
    """A line for each check; below those that are not ok, what was expected and what to do."""
    width = max((len(finding.check) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.outcome:<7}  {finding.check:<{width}}  {finding.seen}")
        for what, text in (("expected", finding.expected), ("do", finding.do)):
            if text:
                lines.append(f"{'':<7}  {what:>{width}}  {text}")
    counts = Counter(finding.outcome for finding in findings)
    summary = ", ".join(f"{outcome}: {counts[outcome]}" for outcome in WORST_LAST)
    return "\n".join([*lines, "", summary])


def _bundle(settings: Settings, bundle: str | None) -> tuple[list[CheckResult], Definition | None]:
    try:
        folder, manifest, definition = bundle_of(settings, bundle)
    except NarrowsError as fault:
        return [_told("bundle", str(fault))], None
    if manifest.detector != settings.detector:
        seen = f"{folder}: a bundle of detector {manifest.detector!r}, its alerts would carry the other's ids"
        return [CheckResult("bundle", "failure", seen, "", "set `detector`, or name a bundle of this one")], definition
    sensors = ", ".join(definition.sensors)
    verified = CheckResult("bundle", "ok", f"{manifest.version}, verified; sensors {sensors}")
    return [verified, _gate(manifest), _threshold(settings, definition)], definition


def _gate(manifest: Manifest) -> CheckResult:
    gate = manifest.metrics.gate
    if gate.refusals:
        seen = f"{manifest.version} was refused, and serves all the same: {'; '.join(gate.refusals)}"
        return CheckResult("gate", "warning", seen, "", "train again, or go back with `narrows models rollback`")
    return CheckResult("gate", "ok", gate.verdict or "not judged")


def _threshold(settings: Settings, definition: Definition) -> CheckResult:
    """As the service would tell of it."""
    watch = ThresholdWatch(in_seconds(settings.serve.stale_after), time.time)
    for notice in watch.update(definition, Counter()):
        return _told("threshold", notice.message, "warning")
    return CheckResult(
        "threshold", "ok", f"calibrated at {watch.health(definition).calibrated_at or 'a time nobody says'}"
    )


def _broker(options: KafkaOptions, snapshot: int | None, pause_s: float) -> list[CheckResult]:
    try:
        cluster = describe_cluster(options)
    except NarrowsError as fault:
        return [_told("broker", str(fault))]
    return [*check_cluster(cluster, options, snapshot), *check_service(cluster, options, pause_s)]


def _told(check: str, message: str, outcome: CheckOutcome = "failure") -> CheckResult:
    """What we say tells what was seen and, after the last semicolon, what to do."""
    seen, _, do = message.rpartition("; ")
    return CheckResult(check, outcome, seen or do, "", do if seen else "")
