"""The examination of `narrows doctor`, and its report: configuration, bundle, broker."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from stream.detect.definition import Definition
from stream.detect.policy import SECOND
from stream.errors import NarrowsError
from stream.kafka.admin.check_result import CheckOutcome, CheckResult
from stream.kafka.admin.checks import check_cluster, snapshot_bytes
from stream.kafka.admin.cluster import describe_cluster
from stream.kafka.admin.live_checks import LOOK_AGAIN_SECONDS, check_service
from stream.kafka.admin.published_checks import check_published
from stream.kafka.client import KafkaOptions
from stream.registry.manifest import Manifest
from stream.serve.compose import bundle_of
from stream.serve.connection import kafka_options
from stream.serve.logs import configure
from stream.serve.service import in_seconds
from stream.serve.watch.threshold_watch import ThresholdWatch
from stream.settings import Settings
from stream.settings.overruled import overruled
from stream.settings.run_faults import run_faults

WORST_LAST: tuple[CheckOutcome, ...] = ("ok", "warning", "failure")


@dataclass(frozen=True)
class DoctorReport:
    """The JSON document of `narrows doctor`: the worst outcome, and the result of every check."""

    outcome: CheckOutcome
    checks: Sequence[CheckResult]

    @classmethod
    def of(cls, results: Sequence[CheckResult]) -> "DoctorReport":
        """Report on these results."""
        return cls(max((result.outcome for result in results), key=WORST_LAST.index, default="ok"), results)


def examine(settings: Settings, bundle: str | None = None) -> list[CheckResult]:
    """Runs all checks; those after a failure run too.

    Args:
        bundle: folder, version or alias; None = the configured one.
    """
    configure(settings.serve.log_format)
    faults = run_faults(settings)
    configuration = [_from_message("configuration", fault) for fault in faults] or [
        CheckResult("configuration", "ok", f"detector {settings.detector!r}, no faults")
    ]
    bundle_results, definition = _bundle(settings, bundle)
    snapshot = None if definition is None else snapshot_bytes(definition)
    # A transaction may rightly be open for one commit interval.
    pause_s = max(LOOK_AGAIN_SECONDS, settings.serve.commit_interval / SECOND + 1.0)
    broker = [] if faults else _broker(kafka_options(settings), settings.detector, snapshot, pause_s)
    return [*configuration, *bundle_results, *broker]


def as_text(results: Sequence[CheckResult]) -> str:
    """Writes a line for each check. Below a line that is not ok stand what was expected and what to do."""
    width = max((len(result.check) for result in results), default=0)
    lines = []
    for result in results:
        lines.append(f"{result.outcome:<7}  {result.check:<{width}}  {result.seen}")
        for what, text in (("expected", result.expected), ("do", result.do)):
            if text:
                lines.append(f"{'':<7}  {what:>{width}}  {text}")
    counts = Counter(result.outcome for result in results)
    summary = ", ".join(f"{outcome}: {counts[outcome]}" for outcome in WORST_LAST)
    return "\n".join([*lines, "", summary])


def _bundle(settings: Settings, bundle: str | None) -> tuple[list[CheckResult], Definition | None]:
    try:
        folder, manifest, definition = bundle_of(settings, bundle)
    except NarrowsError as error:
        return [_from_message("bundle", str(error))], None
    if manifest.detector != settings.detector:
        seen = f"{folder}: a bundle of detector {manifest.detector!r}, its alerts would carry the other's ids"
        return [CheckResult("bundle", "failure", seen, "", "set `detector`, or name a bundle of this one")], definition
    sensors = ", ".join(definition.sensors)
    verified = CheckResult("bundle", "ok", f"{manifest.version}, verified; sensors {sensors}")
    return [verified, _gate(manifest), _threshold(settings, definition), *_in_force(settings, manifest)], definition


def _in_force(settings: Settings, manifest: Manifest) -> list[CheckResult]:
    found = [_from_message("settings", str(one), "warning") for one in overruled(settings, manifest)]
    return found or [CheckResult("settings", "ok", "the bundle has what the configuration sets")]


def _gate(manifest: Manifest) -> CheckResult:
    gate = manifest.metrics.gate
    if gate.refusals:
        seen = f"{manifest.version} was refused, and serves all the same: {'; '.join(gate.refusals)}"
        return CheckResult("gate", "warning", seen, "", "train again, or go back with `narrows models rollback`")
    if gate.in_alarm:
        seen = f"{manifest.version} serves, in alarm on its own newest data: {'; '.join(gate.in_alarm)}"
        return CheckResult("gate", "warning", seen, "", "label or exclude the fault, or train from the change on")
    return CheckResult("gate", "ok", gate.verdict or "not judged")


def _threshold(settings: Settings, definition: Definition) -> CheckResult:
    """Checks the age of the threshold as the service does."""
    watch = ThresholdWatch(in_seconds(settings.serve.stale_after), time.time)
    for event in watch.update(definition, Counter()):
        return _from_message("threshold", event.message, "warning")
    return CheckResult(
        "threshold", "ok", f"calibrated at {watch.health(definition).calibrated_at or 'an unknown time'}"
    )


def _broker(options: KafkaOptions, detector: str, snapshot: int | None, pause_s: float) -> list[CheckResult]:
    try:
        cluster = describe_cluster(options)
    except NarrowsError as error:
        return [_from_message("broker", str(error))]
    published = check_published(cluster, options, detector, datetime.now(UTC))
    return [*check_cluster(cluster, options, snapshot), *check_service(cluster, options, pause_s), *published]


def _from_message(check: str, message: str, outcome: CheckOutcome = "failure") -> CheckResult:
    """Makes a result of one of our messages: after its last semicolon it says what to do."""
    seen, _, do = message.rpartition("; ")
    return CheckResult(check, outcome, seen or do, "", do if seen else "")
