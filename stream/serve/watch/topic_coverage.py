"""Topic coverage: what becomes of the readings of a process, reported where hardly any of them is used.

The causes are the counters themselves: every end of a reading and of a frame that is no use is a cause, under its own
name. A new end of a reading needs a member of `Count` and nothing here.

Wall clock is cut into segments of `serve.unused_after`, or of a usual step of the data where that is longer. A segment
with few readings goes on. A reading is of use if its frame is scored, off by a rule, or warming up. Where hardly any
series is watched, or none that the bundle knows comes, that is reported too.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import structlog

from stream.counters import DEAD_PREFIX, Count
from stream.detect.definition import Definition
from stream.detect.frames.scale import POOLED
from stream.detect.policy import SECOND
from stream.detect.unwatched import CoverageReason, ranked
from stream.events.detector_events import HardlyAnythingUsed, ReadingsUsedAgain
from stream.events.record import rfc3339
from stream.events.status_event import StatusEvent, named
from stream.intake.columns import Disposition
from stream.kafka.batch_result import BatchResult
from stream.kafka.partition import Partition
from stream.serve.watch.open_report import OpenReport

# Share of use below which a report is made, and above which it ends.
HARDLY, AGAIN = 0.1, 0.2
# Readings of a segment, so that a few odd ones make no report.
ENOUGH = 20
# Segments without any reading after which a topic counts as quiet; a segment of few readings ends then as well.
QUIET_SEGMENTS = 10
# Probability that none of a bundle's series is in the partitions of this process, below which that is no chance.
NO_CHANCE = 1e-3
LOOK_SECONDS, REPEAT_SECONDS = 0.5, 3600.0
QUIET, OTHER_SERIES = "nothing_came", "other_series"
READING_ENDS = tuple(
    count
    for count in Count
    if count.unit == "readings" and count not in (Count.RECEIVED, Count.USED, Count.DEAD, Count.LOST)
)
# Ends of readings that the detector decides on, of which an example is kept.
SHOWN = tuple(end for end in Disposition if end not in (Disposition.USED, Disposition.IGNORED, Disposition.DEAD))
# Readings that a bundle, or a setting, leaves out on purpose while others are used.
BY_CHOICE = (Count.IGNORED, Count.DEAD_UNKNOWN_SERIES)
REMEDIES: Mapping[str, str] = {
    QUIET: "see whether senders run, send to `input.topic`, and commit their transactions (`narrows doctor` names one "
    "that stays open)",
    OTHER_SERIES: "set `input.series` to the field that names the asset as training did, or train on these series",
    Count.LATE: "set clocks right, or send a backlog before newer readings (`input.late: dead` keeps late ones)",
    Count.DUPLICATE: "send all sensors of one time in one message, or set `frames.resample: last` and train again",
    Count.IGNORED: "set `input.sensors` and `input.sensor` to the names of the bundle, or train on what comes",
    Count.DEGRADED: "look at wiring and gateways of the sensors without a value, or point `bundle` at one for this "
    "topic",
}
OTHER_REMEDY = (
    "mend the senders (`narrows dlq list`), or let `narrows init --from-topic` guess `input` from what they send"
)
log = structlog.get_logger()


class Segment(NamedTuple):
    """The readings of a segment: number of readings, share of use, causes with counts, most first."""

    received: int
    used: int
    share: float
    causes: list[tuple[str, int]]


class TopicCoverage:
    """Use of the readings of one process, over all of its partitions.

    Args:
        after_s: least length of a segment, s of wall clock; None = nothing is watched.
        clock: s.

    Attributes:
        reason: why this process is not ready, for people; None where readings are used.
        report: whether it was reported.
    """

    def __init__(self, topic: str, after_s: float | None, clock: Callable[[], float]) -> None:
        self._topic, self._after_s, self._clock = topic, after_s, clock
        self.report = OpenReport("unused")
        self.reason: str | None = None
        # By cause, the newest reading that shows it.
        self._examples: dict[str, str] = {}
        self._looked_at = clock()
        self._logged_at = -REPEAT_SECONDS
        self._begin(Counter())

    def _begin(self, counts: Counter[Count]) -> None:
        self._begun_at, self._begun_on = self._clock(), datetime.now(UTC)
        self._before = counts.copy()

    def note(self, partition: Partition, result: BatchResult) -> None:
        """Keeps the newest example of each cause in a batch."""
        if result.decoded is None or result.outcome is None:
            return
        if result.decoded.ignored:
            self._examples[Count.IGNORED] = f"sensors {named(sorted(partition.decoder.unused_names))}"
        readings, ends = result.decoded.readings, result.outcome.disposition
        for end in SHOWN if len(ends) == len(readings) else ():
            for row in np.flatnonzero(ends == end)[-1:].tolist():
                series, time = readings.names[readings.series[row]], rfc3339(int(readings.time[row]))
                self._examples[Count[end.name]] = f"{time} of series {series!r}"
        self._examples.update((dead.reason.value, dead.detail) for dead in result.dead)

    def update(
        self, served: Definition, counts: Counter[Count], partitions: Collection[Partition], share_held: float
    ) -> list[StatusEvent]:
        """Takes what the process has committed since its start; returns what is to be reported.

        Args:
            share_held: share of the partitions of the topic that this process has.
        """
        now, live = self._clock(), [partition for partition in partitions if partition.is_live]
        if self._after_s is None or now - self._looked_at < LOOK_SECONDS:
            return []
        self._looked_at = now
        if not live:
            self._begin(counts)
            return []
        step = max(self._after_s, served.policy.interval_ns / SECOND)
        elapsed, received = now - self._begun_at, counts[Count.RECEIVED] - self._before[Count.RECEIVED]
        few = received < (1 if self.report.is_open else ENOUGH)
        if elapsed < step or (few and elapsed < QUIET_SEGMENTS * step):
            return []
        segment = _segment(counts - self._before)
        message = self._fault(segment, served, live, share_held, elapsed)
        events = self._told(message, segment)
        self._begin(counts)
        return events

    def _fault(
        self, segment: Segment, served: Definition, live: Collection[Partition], share_held: float, elapsed: float
    ) -> str | None:
        """The fault of the segment, for people; None: there is none."""
        if not segment.received:
            if share_held < 1.0 and not any(len(partition.detector.slots) for partition in live):
                return None
            segment.causes.append((QUIET, 0))
            return f"nothing has come from topic {self._topic!r} for {elapsed:,.0f} s"
        least = AGAIN if self.report.is_open else HARDLY
        if segment.share < least:
            causes = ", ".join(f"{cause} {count:,}" for cause, count in segment.causes)
            return (
                f"of {segment.received:,} readings of topic {self._topic!r} in {elapsed:,.0f} s, hardly any is of use: "
                f"{causes or 'none is part of a frame'}"
            )
        series = sum(len(partition.detector.slots) for partition in live)
        unwatched = Counter(reason for partition in live for reason in _unwatched(partition))
        # An asset that rests by a rule needs nobody.
        del unwatched[CoverageReason.OFF]
        if unwatched.total() > (1.0 - least) * series:
            found = unwatched.most_common()
            segment.causes.insert(0, (found[0][0].label, found[0][1]))
            why = ", ".join(f"{reason.label} {count:,}" for reason, count in found)
            return f"of {series:,} series, {unwatched.total():,} are not watched: {why}"
        known = set(served.scales.names) - {POOLED}
        came = [name for partition in live for name in partition.detector.slots.names()]
        if known and came and known.isdisjoint(came) and (1.0 - share_held) ** len(known) < NO_CHANCE:
            segment.causes.insert(0, (OTHER_SERIES, segment.used))
            return (
                f"none of the {len(known)} series of bundle {served.version} comes from topic {self._topic!r} "
                f"({named(sorted(known))}), but others ({named(sorted(came))}), whose thresholds were not learned"
            )
        return None

    def _told(self, fault: str | None, segment: Segment) -> list[StatusEvent]:
        """The event of the segment, if the report opens or ends with it."""
        was_open, self.report.is_open = self.report.is_open, fault is not None
        if fault is None:
            self.reason, self._logged_at = None, -REPEAT_SECONDS
            return [ReadingsUsedAgain.of(self._topic, segment.received, segment.share)] if was_open else []
        cause = segment.causes[0][0] if segment.causes else ""
        example = self._examples.get(cause, "")
        newest = f"; newest {cause}: {example}" if example else ""
        by_series = {reason.label: reason.remedy for reason in CoverageReason}
        remedy = REMEDIES.get(cause) or by_series.get(cause, OTHER_REMEDY)
        self.reason = f"{fault}{newest}; {remedy}"
        if self._clock() - self._logged_at >= REPEAT_SECONDS:
            self._logged_at = self._clock()
            if was_open:
                log.error("topic.hardly_used", message=self.reason)
        if was_open:
            return []
        since = self._begun_on.isoformat(timespec="seconds").replace("+00:00", "Z")
        return [HardlyAnythingUsed.of(self.reason, segment.causes, segment.received, segment.used, example, since)]


def _unwatched(partition: Partition) -> Iterator[CoverageReason]:
    """The most frequent reason of each series that is not watched."""
    coverage = partition.detector.coverage
    for slot in np.flatnonzero(coverage.is_unwatched).tolist():
        state = coverage.state(slot)
        yield ranked(state.counts)[0][0] if state is not None and state.counts else CoverageReason.SILENT


def _segment(spent: Counter[Count]) -> Segment:
    used, came = spent[Count.USED], spent[Count.RECEIVED]
    if used:
        came -= sum(spent[count] for count in BY_CHOICE)
    frames = sum(spent[count] for count in (Count.SCORED, Count.WARMING, Count.DEGRADED, Count.OFF))
    useful = 1.0 - spent[Count.DEGRADED] / frames if frames else 1.0
    ends = [count for count in (*READING_ENDS, Count.DEGRADED) if spent[count]]
    ends.sort(key=lambda count: (bool(used) and count in BY_CHOICE, -spent[count]))
    causes = [(count.removeprefix(DEAD_PREFIX), spent[count]) for count in ends]
    return Segment(spent[Count.RECEIVED], used, useful * used / max(came, 1), causes)
