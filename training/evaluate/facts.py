"""An evaluation as JSON can hold it. Keys are stable: some may be added, none renamed or retyped."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from stream.counters import Count
from stream.detect.incidents.incident import IncidentEvent
from stream.events.record import rfc3339
from stream.events.verdict import VERDICTS
from training.evaluate.evaluation import Evaluation, Floors
from training.evaluate.figures import FIGURES, Figures, SeriesFigures, alert_class
from training.evaluate.labelled import spans
from training.metrics.events import EventMetrics

FATES = ("received", "used", "late", "duplicate", "ignored", "dead")


def facts(of: Evaluation) -> dict[str, Any]:
    """Every figure; null where there is none."""
    manifest, labelled = of.bundle.manifest, of.labelled
    return {
        "data": str(of.asked.data),
        "label": {"column": labelled.layout.label, "why": labelled.layout.why.get("label")},
        "bundle": str(of.bundle.folder),
        "version": manifest.version,
        "detector": manifest.detector,
        "threshold": manifest.threshold_report,
        "readings": {name: labelled.counts[Count(name)] for name in FATES},
        "frames": {name: labelled.counts[Count(name)] for name in VERDICTS} | {"labelled": int(of.truth.labels.sum())},
        "unscored": dict(zip(("frames", "labelled"), of.unscored, strict=True)),
        "events": sum(map(len, of.truth.events.values())),
        "grace_frames": of.truth.grace,
        "detectors": [_detector(figures) for figures in of.figures],
        "floors": None if of.floors is None else _floors(of.floors),
        "promise": asdict(of.promise),
        "curve": [asdict(point) for point in of.curve],
        "alerts": [
            _alert(one, alert_class(of.truth, span))
            for one, span in zip(labelled.incidents, spans(labelled.incidents), strict=True)
        ],
    }


def _detector(of: Figures) -> dict[str, Any]:
    return {
        "name": of.name,
        "mean": {name: of.mean(name)[0] for name in FIGURES},
        "series_with": {name: of.mean(name)[1] for name in FIGURES},
        "all": None if of.found is None else found(of.found),
        "series": {name: _series(one) for name, one in of.series.items()},
    }


def found(of: EventMetrics) -> dict[str, Any]:
    """Counts of events and incidents, and what follows from them."""
    return {
        "events": of.events,
        "found": of.found,
        "opened_inside": of.opened_inside,
        "incidents": of.incidents,
        "true": of.true,
        "false": of.false,
        "normal_days": of.normal_days,
        "precision": of.precision,
        "recall": of.recall,
        "f1": of.f1,
        "median_delay_s": of.median_delay_s,
        "false_per_day": of.false_per_day,
    }


def _series(of: SeriesFigures) -> dict[str, Any]:
    return {
        "frames": of.frames,
        "labelled": of.ranking.labelled,
        "unscored": of.ranking.unscored,
        "auc_roc": of.ranking.auc_roc,
        "auc_pr": of.ranking.auc_pr,
        "vus_roc": of.volume.vus_roc,
        "vus_pr": of.volume.vus_pr,
        "buffer": of.volume.buffer,
        "incidents": None if of.found is None else found(of.found),
    }


def _floors(of: Floors) -> dict[str, Any]:
    return {
        "history": str(of.history),
        "same_rows": of.learned.same_rows,
        "why_not": of.learned.why or None,
        "no_threshold": of.no_threshold,
        "frames_also_in_history": of.seen,
    }


def _alert(one: IncidentEvent, worth: str) -> Mapping[str, Any]:
    return {
        "alert_id": one.alert_id,
        "series": one.series,
        "started_at": rfc3339(one.started_at),
        "ended_at": None if one.ended_at is None else rfc3339(one.ended_at),
        "severity": one.severity,
        "peak_score": one.peak_score,
        "worth": worth,
        "sensors": [{"name": seen.name, "share": seen.share} for seen in one.sensors],
    }
