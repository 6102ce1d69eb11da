"""The report of `narrows why`, as JSON and as text."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from rich.table import Table

from stream.detect.definition import Definition
from stream.detect.frames.clock import NEVER
from stream.detect.incidents.incident import Incident
from stream.detect.policy import SEVERITIES
from stream.detect.series_state import SeriesState
from stream.detect.unwatched import ranked
from stream.events.account import frames_to_first_score
from stream.events.alert import NamedSensor, named_sensor
from stream.events.letter_view import LetterView
from stream.events.record import rfc3339
from stream.kafka.look.rescoring import Rescoring, SeriesVerdict, UnusedReading
from stream.kafka.look.series_place import SeriesPlace
from stream.messages import counted, figure, shortened, some, tell
from stream.terminal import console, plain_table

# Verdicts, unused readings, letters and sensors that are shown.
VERDICTS, UNUSED, LETTERS, SENSORS = 10, 5, 3, 5


class IncidentFacts(msgspec.Struct, frozen=True):
    """The open incident; `quiet`: frames in a row below the ratio at which it closes."""

    alert_id: str
    started_at: str
    severity: str
    peak_score: float
    cause: str
    quiet: int

    @classmethod
    def of(cls, incident: Incident) -> "IncidentFacts":
        """The facts of the incident in a state."""
        started, severity = rfc3339(incident.started_at), SEVERITIES[incident.severity]
        return cls(incident.alert_id, started, severity, incident.peak_score, incident.cause, incident.quiet)


class SeriesReport(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON document of `narrows why`. Times are RFC 3339.

    Attributes:
        committed: the offset that all this is true at. behind: messages of the partition after it.
        in_memory: false: the series has retired, or another partition has it.
        state: verdict of the last frame; null: no frame was seen.
        last_heard: newest event time of the series; stream_time: that of its partition.
        frames: frames in a row, up to those that one level needs. needed: as many give the first score.
        threshold: that its level may reach; trained_threshold: the same, as training left it.
        watched: false: `serve.unwatched_after` has passed without a score, for the reasons `not_counted`.
        verdicts: the last ones. rescored: they are of earlier readings, scored again with the thresholds of now.
        unused: the last readings that became part of no frame. dead_letters: the newest that name the series.
        sensors: those that the error of the newest frame comes from; of an open incident, those of its peak.
        prospects: what would change the state, in words.
    """

    series: str
    partition: int
    committed: int
    behind: int
    bundle: str
    in_training: bool
    in_memory: bool
    state: str | None
    last_heard: str | None
    stream_time: str | None
    frames: int
    needed: int
    score: float | None
    level: float | None
    threshold: float | None
    trained_threshold: float
    watched: bool
    not_counted: dict[str, int]
    not_counted_since: str | None
    verdicts: Sequence[SeriesVerdict]
    rescored: bool
    unused: Sequence[UnusedReading]
    dead_letters: Sequence[LetterView]
    sensors: Sequence[NamedSensor]
    incident: IncidentFacts | None
    prospects: Sequence[str]

    @classmethod
    def of(
        cls,
        series: str,
        place: SeriesPlace,
        definition: Definition,
        rescoring: Rescoring,
        letters: Sequence[LetterView],
    ) -> "SeriesReport":
        """Scores the series, and reports on it; `letters`: its dead letters, the newest last."""
        exact = rescoring.exact()
        state = exact.state
        shown = exact if len(exact.verdicts) >= VERDICTS else rescoring.rewound(state)
        verdicts = shown.verdicts[-VERDICTS:]
        last = verdicts[-1] if verdicts else None
        incident = None if state is None else state.incident
        shares = () if state is None else incident.sensors if incident is not None else rescoring.sensors(state)
        coverage = None if state is None else state.coverage
        reasons = ranked(coverage.counts) if coverage is not None and any(coverage.counts) else []
        frames = 0 if state is None else len(state.time) // 8
        trained = float(definition.thresholds.of(series))
        report = cls(
            series=series,
            partition=place.partition,
            committed=place.point.committed,
            behind=max(place.high - place.point.committed, 0),
            bundle=definition.stamp,
            in_training=series in definition.scales.names,
            in_memory=state is not None,
            state=None if last is None else last.verdict,
            last_heard=_time(NEVER if state is None else state.ticks.newest),
            stream_time=_time(exact.stream_time),
            frames=frames,
            needed=frames_to_first_score(definition.spec),
            score=None if last is None else last.score,
            level=None if last is None else last.level,
            threshold=None if last is None else last.threshold,
            trained_threshold=trained,
            watched=coverage is None or not coverage.unwatched,
            not_counted={reason.label: count for reason, count in reasons},
            not_counted_since=None if coverage is None else _time(coverage.since),
            verdicts=verdicts,
            rescored=shown is not exact,
            unused=shown.unused[-UNUSED:],
            dead_letters=letters[-LETTERS:],
            sensors=[named_sensor(share) for share in shares[:SENSORS]],
            incident=None if incident is None else IncidentFacts.of(incident),
            prospects=(),
        )
        return msgspec.structs.replace(report, prospects=list(_prospects(report, place, definition, state)))


def _time(ns: int) -> str | None:
    return None if ns == NEVER else rfc3339(ns)


def _prospects(
    report: SeriesReport, place: SeriesPlace, definition: Definition, state: SeriesState | None
) -> Iterator[str]:
    """Sentences about what would change the state of the series."""
    if report.behind:
        verb, they = ("is", "it comes") if report.behind == 1 else ("are", "they come")
        waiting = counted(report.behind, "message")
        yield f"{waiting} of partition {report.partition} {verb} not committed: {they} first"
    if state is None:
        yield from _absent(place)
        return
    if report.incident is not None:
        rules = definition.rules
        left = max(rules.close_after - report.incident.quiet, 1)
        yield f"the incident ends after {counted(left, 'more frame')} in a row with a score below {rules.close_ratio:g}"
    elif report.score is not None and report.threshold is not None:
        yield f"an incident opens at a score above 1, which is a level above {figure(report.threshold)}"
    if report.state == "warming":
        yield f"a score needs {report.needed} frames in a row, {report.frames} are there"
    if report.state == "degraded":
        yield from _masked(definition, state)
    if report.state == "off":
        yield _off(report, definition)
    if not report.watched and state.coverage is not None:
        reason, count = ranked(state.coverage.counts)[0]
        yield f"it is not watched since {report.not_counted_since}, as {reason.said(count)}: {reason.remedy}"
    if report.last_heard and report.stream_time and report.stream_time > report.last_heard:
        yield f"its newest reading is of {report.last_heard}, the newest of its partition of {report.stream_time}"


def _off(report: SeriesReport, definition: Definition) -> str:
    if {"", report.series} & set(definition.muted):
        return "it is muted: `narrows mutes` shows until when"
    if definition.policy.score_when:
        return f"`frames.score_when: {definition.policy.score_when}` does not hold, or it is in maintenance"
    return "it is in maintenance"


def _absent(place: SeriesPlace) -> Iterator[str]:
    snapshot = place.snapshot
    if snapshot is not None and snapshot.fate == "refused":
        holder = snapshot.holder
        yield f"its readings here are dead letters, as partition {holder} has it; send each series to one partition"
    else:
        yield "it has left memory (`serve.retire_after`, or it moved); its next reading brings it back, to warm up"


def _masked(definition: Definition, state: SeriesState) -> Iterator[str]:
    """Names the sensors without a value in the last frame."""
    policy, ages = definition.policy, np.frombuffer(state.age, "<i4")
    masked = [name for name, age in zip(definition.sensors, ages.tolist(), strict=True) if age > policy.max_carry]
    yield (
        f"{len(masked)} sensors have no value ({some(masked)}), more than `frames.max_missing`, {policy.max_missing}: "
        "look at its wiring and its gateway"
    )


def show(report: SeriesReport) -> None:
    """Prints the state first, then what it rests on."""
    tell(f"series {report.series}: {_headline(report)}")
    tell(f"  partition   {report.partition}, up to offset {report.committed:,}; bundle {report.bundle}")
    if not report.in_training:
        tell("  scale       pooled: training did not see this series")
    if report.threshold is not None:
        ratio = report.threshold / report.trained_threshold
        tell(f"  threshold   {figure(report.threshold)}, {ratio:.3g} times the trained one")
    incident = report.incident
    if incident is not None:
        peak = f"{incident.severity}, peak {incident.peak_score:.3g}"
        tell(f"  incident    {peak}, since {incident.started_at} ({incident.alert_id})")
    if report.not_counted:
        listed = ", ".join(f"{count:,} {name}" for name, count in report.not_counted.items())
        tell(f"  not scored  {listed} since {report.not_counted_since}")
    for sentence in report.prospects:
        tell(f"  - {sentence}")
    if report.sensors:
        tell(f"sensors, {'at the peak' if incident is not None else 'in the newest frame'}, the largest share first")
        console().print(_sensors(report.sensors))
    if report.verdicts:
        again = ": earlier readings, scored again with the threshold of now" if report.rescored else ""
        tell(f"last verdicts{again}")
        console().print(_verdicts(report.verdicts))
    if report.unused:
        tell("last readings that were not used")
        console().print(
            plain_table(("time", "offset", "why"), [(u.time, f"{u.offset:,}", u.disposition) for u in report.unused])
        )
    if report.dead_letters:
        tell("last dead letters that name it")
        rows = [(one.written_at, one.place, one.reason, shortened(one.detail, 100)) for one in report.dead_letters]
        console().print(plain_table(("written", "place", "reason", "detail"), rows))


def _headline(report: SeriesReport) -> str:
    if not report.in_memory:
        return "not in memory"
    watched = "" if report.watched else ", NOT WATCHED"
    if report.score is not None:
        return f"score {report.score:.3g} at {report.verdicts[-1].time}{watched}"
    return f"{report.state or 'no frame yet'}, so it has no score{watched}"


def _sensors(sensors: Sequence[NamedSensor]) -> Table:
    rows = [
        (
            one.name,
            one.direction,
            "missing" if one.observed is None else f"{one.observed:.4g}",
            f"{one.expected:.4g}",
            f"{one.share:.0%}",
            "" if one.visible else "does not stand out",
        )
        for one in sensors
    ]
    return plain_table(
        ("sensor", "", "observed", "expected", "share", ""), rows, right=("observed", "expected", "share")
    )


def _verdicts(verdicts: Sequence[SeriesVerdict]) -> Table:
    rows = [
        (
            one.time,
            one.verdict,
            "" if one.score is None else f"{one.score:.3g}",
            "" if one.level is None else figure(one.level),
            figure(one.threshold),
            str(one.imputed) if one.imputed else "",
        )
        for one in verdicts
    ]
    headings = ("time", "verdict", "score", "level", "threshold", "imputed")
    return plain_table(headings, rows, right=headings[2:])
