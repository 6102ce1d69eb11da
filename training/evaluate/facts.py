"""An evaluation as `narrows evaluate --json` prints it. Keys are stable: some may be added, none renamed or retyped."""

from dataclasses import asdict

import msgspec

from stream.counters import Count
from stream.detect.incidents.incident import IncidentEvent
from stream.events.account import SeriesAccount
from stream.events.record import rfc3339
from stream.events.verdict import VERDICTS
from stream.offline.rows import changes
from stream.registry.manifest_facts import ThresholdFacts
from training.evaluate.evaluation import Baselines, Evaluation
from training.evaluate.figures import FIGURES, AlertClass, Figures, SeriesFigures, alert_class
from training.evaluate.labelled import spans
from training.evaluate.outcomes import EventOutcome, Outcome, by_length
from training.evaluate.promise import CurvePoint, PromiseComparison
from training.metrics.events import EventMetrics

DISPOSITIONS = ("received", "used", "late", "duplicate", "ignored", "dead", "unconfirmed")


class LabelFacts(msgspec.Struct, frozen=True):
    """The column of labels, and why it was chosen."""

    column: str | None
    why: str | None


class UnscoredFacts(msgspec.Struct, frozen=True):
    """Frames without a score, and how many of them are labelled."""

    frames: int
    labelled: int


class EventFacts(msgspec.Struct, frozen=True):
    """Counts of events and incidents, and rates that follow from them; see `EventMetrics`."""

    events: int
    found: int
    opened_inside: int
    incidents: int
    true: int
    false: int
    normal_days: float
    precision: float | None
    recall: float | None
    f1: float | None
    median_delay_s: float | None
    false_per_day: float | None


class SeriesFacts(msgspec.Struct, frozen=True):
    """Figures of one series; null where there is none. `labelled` is a share of its frames, `unscored` counts them."""

    frames: int
    labelled: float
    unscored: int
    auc_roc: float | None
    auc_pr: float | None
    vus_roc: float | None
    vus_pr: float | None
    buffer: int
    incidents: EventFacts | None


class DetectorFacts(msgspec.Struct, frozen=True):
    """Figures of one detector.

    Attributes:
        mean: each of `FIGURES`, mean over the series that have it; `series_with` counts these series.
        all: of all series together; null without a threshold.
    """

    name: str
    mean: dict[str, float | None]
    series_with: dict[str, int]
    all: EventFacts | None
    series: dict[str, SeriesFacts]


class BaselineFacts(msgspec.Struct, frozen=True):
    """The history that the baselines were fitted on; see `Baselines`."""

    history: str
    same_rows: bool
    why_not: str | None
    no_threshold: dict[str, str]
    frames_also_in_history: int


class ShareFacts(msgspec.Struct, frozen=True):
    """A sensor and its share of the error at the peak."""

    name: str
    share: float


class AlertFacts(msgspec.Struct, frozen=True):
    """One incident, compared with the labels."""

    alert_id: str
    series: str
    started_at: str
    ended_at: str | None
    severity: str
    peak_score: float
    worth: AlertClass
    sensors: list[ShareFacts]


class LengthFacts(msgspec.Struct, frozen=True):
    """Events of `shortest` to `longest` labelled frames (null: no end), and how many of them were found."""

    shortest: int
    longest: int | None
    events: int
    found: int


class LabelledEventFacts(msgspec.Struct, frozen=True):
    """One labelled event; `ended_at` is the end of its grace. See `EventOutcome`."""

    series: str
    started_at: str
    ended_at: str
    frames: int
    outcome: Outcome
    delay_s: float | None
    peak_score: float | None


class EvaluationFacts(msgspec.Struct, frozen=True):
    """Every figure; null where there is none.

    `notes` are changes to the rows that nobody asked for, and what may be wrong.
    """

    data: str
    label: LabelFacts
    bundle: str
    version: str
    detector: str
    threshold: ThresholdFacts
    readings: dict[str, int]
    frames: dict[str, int]
    unscored: UnscoredFacts
    events: int
    grace_frames: int
    detectors: list[DetectorFacts]
    floors: BaselineFacts | None
    by_length: list[LengthFacts]
    labelled_events: list[LabelledEventFacts]
    promise: PromiseComparison
    curve: list[CurvePoint]
    alerts: list[AlertFacts]
    accounts: list[SeriesAccount]
    notes: list[str]


def facts(of: Evaluation) -> EvaluationFacts:
    """Collects every figure of an evaluation."""
    manifest, labelled, layout = of.bundle.manifest, of.labelled, of.labelled.layout
    frames = {name: labelled.counts[Count(name)] for name in VERDICTS}
    classes = [alert_class(of.truth, span) for span in spans(labelled.incidents)]
    return EvaluationFacts(
        data=str(of.options.data),
        label=LabelFacts(layout.label, layout.why.get("label")),
        bundle=str(of.bundle.folder),
        version=manifest.version,
        detector=manifest.detector,
        threshold=manifest.threshold_report,
        readings={name: labelled.counts[Count(name)] for name in DISPOSITIONS},
        frames=frames | {"labelled": int(of.truth.labels.sum())},
        unscored=UnscoredFacts(*of.unscored),
        events=sum(map(len, of.truth.events.values())),
        grace_frames=of.truth.grace,
        detectors=[_detector(figures) for figures in of.figures],
        floors=None if of.baselines is None else _baselines(of.baselines),
        by_length=[msgspec.convert(one, LengthFacts, from_attributes=True) for one in by_length(of.outcomes)],
        labelled_events=[_labelled(one) for one in of.outcomes],
        promise=of.promise,
        curve=list(of.curve),
        alerts=[_alert(one, kind) for one, kind in zip(labelled.incidents, classes, strict=True)],
        accounts=list(labelled.accounts),
        notes=[*changes(layout), *layout.doubts],
    )


def _labelled(one: EventOutcome) -> LabelledEventFacts:
    start, end = rfc3339(one.span.start_ns), rfc3339(one.span.end_ns)
    return LabelledEventFacts(one.span.series, start, end, one.frames, one.outcome, one.delay_s, one.peak_score)


def _detector(of: Figures) -> DetectorFacts:
    return DetectorFacts(
        name=of.name,
        mean={name: of.mean(name)[0] for name in FIGURES},
        series_with={name: of.mean(name)[1] for name in FIGURES},
        all=_events(of.events),
        series={name: _series(one) for name, one in of.series.items()},
    )


def _events(of: EventMetrics | None) -> EventFacts | None:
    return None if of is None else msgspec.convert(of, EventFacts, from_attributes=True)


def _series(of: SeriesFigures) -> SeriesFacts:
    return SeriesFacts(of.frames, incidents=_events(of.events), **asdict(of.ranking), **asdict(of.volume))


def _baselines(of: Baselines) -> BaselineFacts:
    return BaselineFacts(
        history=str(of.path),
        same_rows=of.history.difference is None,
        why_not=of.history.difference,
        no_threshold=of.no_threshold,
        frames_also_in_history=of.shared_frames,
    )


def _alert(one: IncidentEvent, kind: AlertClass) -> AlertFacts:
    return AlertFacts(
        alert_id=one.alert_id,
        series=one.series,
        started_at=rfc3339(one.started_at),
        ended_at=None if one.ended_at is None else rfc3339(one.ended_at),
        severity=one.severity,
        peak_score=one.peak_score,
        worth=kind,
        sensors=[ShareFacts(sensor.name, sensor.share) for sensor in one.sensors],
    )
