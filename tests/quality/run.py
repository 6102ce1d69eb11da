"""One case with one seed: trained with the defaults on its history, evaluated on its later rows."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from stream.cli.options.training import train_options
from stream.errors import NarrowsError
from stream.intake.columns import Float64s
from stream.intake.tables.hints import Hints
from stream.registry.bundle import load
from stream.registry.registry import Registry
from stream.settings import load as load_settings
from stream.settings.detection import RuleSettings, ThresholdSettings
from tests.quality.cases import CASES
from tests.quality.moments import Moment, false_alerts, misses
from tests.quality.published.benchmarks import all_detections, nab_facts, nab_scores, skab_counts, skab_facts
from tests.quality.published.nab import STANDARD, corpus, nab
from tests.quality.published.skab import pooled
from tests.real_data.cases import ANSWERS, LABEL, TIME, Asset, Case, labels_of
from tests.support.small_training import QUIET
from training.calibration.levels import Levels, incident_events
from training.evaluate.evaluation import OURS, Bundle, Evaluation, EvaluationOptions, evaluate
from training.evaluate.facts import facts
from training.evaluate.labelled import LabelledScores, spans
from training.evaluate.outcomes import while_open
from training.metrics.floors import FLOORS
from training.metrics.frames import runs
from training.metrics.period import strongest_period
from training.metrics.ranking import rank
from training.metrics.vus import vus
from training.options import TrainOptions
from training.pipeline import train
from training.revision.amend import Amendment, amend

DETECTOR = "quality"
# The default promise is a budget of alerts. This one is counted in frames, with its own default.
PERCENTILE = Amendment(
    RuleSettings(),
    ThresholdSettings(method="percentile", percentile=99.0),
    frozenset({"threshold.method", "threshold.percentile"}),
)
UNDER_PERCENTILE = ("skab", "nab", "normal")
KEPT = ("threshold", "frames", "events", "detectors", "by_length", "labelled_events", "promise")
# Thresholds that the oracle tries, from the median of all scores up.
TRIED = 80


@dataclass(frozen=True)
class Job:
    """A case by its group and its place there, a seed, and `overrides` of settings in the form of `--set`.

    Attributes:
        floors: floors are measured too; they are the same for every seed.
        pictures: the worst misses and false alerts are kept.
    """

    group: str
    place: int
    seed: int
    data: Path
    overrides: tuple[str, ...] = ()
    floors: bool = True
    pictures: bool = False


@dataclass(frozen=True)
class Done:
    """Figures of a job as JSON, and the moments to draw."""

    figures: dict[str, Any]
    misses: tuple[Moment, ...] = ()
    false_alerts: tuple[Moment, ...] = ()


def run(job: Job, folder: Path) -> Done:
    """Runs a job; `folder` is its scratch folder."""
    return measured(CASES[job.group](job.data)[job.place], job, folder)


def measured(case: Case, job: Job, folder: Path) -> Done:
    """The figures of a case at hand; those of floors alone, and the reason, where it cannot be trained or judged."""
    history, live = case.write(folder)
    settings = load_settings(None, [f"train.seed={job.seed}", *job.overrides], {})
    options = replace(
        train_options(settings, history),
        detector=DETECTOR,
        registry=folder / "registry",
        hints=Hints(time=TIME, exclude=ANSWERS),
    )
    began = time.monotonic()
    name: dict[str, Any] = {"group": job.group, "case": case.name, "seed": job.seed}
    try:
        done = _evaluated(job, options, live)
    except NarrowsError as reason:
        return Done(name | {"refused": str(reason), "budget": _nothing(case, job.floors)})
    return replace(done, figures=name | done.figures | {"seconds": round(time.monotonic() - began, 1)})


def _evaluated(job: Job, options: TrainOptions, live: Path) -> Done:
    trained = train(options, QUIET)
    asked = EvaluationOptions(live, Hints(time=TIME, label=LABEL, exclude=ANSWERS[1:]))
    budget = evaluate(Bundle(*_named(trained.folder)), replace(asked, history=options if job.floors else None))
    figures = {"model": msgspec.to_builtins(trained.manifest.metrics), "budget": _figures(budget, job.group)}
    if job.group in UNDER_PERCENTILE:
        child = amend(Registry(options.registry), DETECTOR, trained.manifest.version, PERCENTILE)
        percentile = evaluate(Bundle(*_named(child.folder)), asked)
        figures["percentile"] = _figures(percentile, job.group)
    if not job.pictures:
        return Done(figures)
    return Done(figures, tuple(misses(job.group, budget)), tuple(false_alerts(job.group, budget)))


def _named(folder: Path) -> tuple[Path, Any, Any]:
    return folder, *load(folder)


def _nothing(case: Case, with_floors: bool) -> dict[str, Any]:
    """Figures of a case without a bundle: every event missed, the ranking 0; floors learn from the whole history."""
    detectors = [{"name": OURS, "series": {one.series: _ranked(one, None) for one in case.assets}}]
    for name, floor in FLOORS.items() if with_floors else ():
        scores = {one.series: floor(one.values(one.history))(one.values(one.live)) for one in case.assets}
        series = {one.series: _ranked(one, scores[one.series]) for one in case.assets}
        detectors.append({"name": name, "series": series})
    return {"detectors": detectors, "labelled_events": [event for one in case.assets for event in _missed(one)]}


def _ranked(asset: Asset, score: Float64s | None) -> dict[str, float | None]:
    labels = labels_of(asset.live)
    if score is None:
        return dict.fromkeys(("auc_roc", "auc_pr", "vus_pr"), 0.0)
    of, volume = rank(score, labels), vus(score, labels, strongest_period(asset.values(asset.live)[:, 0]))
    return {"auc_roc": of.auc_roc, "auc_pr": of.auc_pr, "vus_pr": volume.vus_pr}


def _missed(asset: Asset) -> Iterator[dict[str, Any]]:
    for first, last in runs(labels_of(asset.live)).tolist():
        yield {"series": asset.series, "frames": last - first, "outcome": "missed", "delay_s": None}


def _figures(of: Evaluation, group: str) -> dict[str, Any]:
    document = msgspec.to_builtins(facts(of))
    kept = {name: document[name] for name in KEPT}
    if group == "nab":
        for one, detected in zip(kept["detectors"], all_detections(of), strict=True):
            one["nab"] = nab_facts(nab_scores(of.truth, detected))
        kept["nab_openings_oracle"] = openings_oracle(of)
    if group == "skab":
        for one, detected in zip(kept["detectors"], all_detections(of), strict=True):
            one["skab"] = skab_facts(skab_counts(of.truth, detected))
        kept["skab_while_open"] = _while_open(of.labelled)
    return kept


def openings_oracle(of: Evaluation) -> float:
    """NAB's standard score at the best of many thresholds; a detection is the opening of an incident.

    Published scores are found by such an oracle, frame by frame. Our detector publishes an incident once.
    """
    labelled, rules = of.labelled, of.bundle.definition.rules
    scored = np.flatnonzero(np.isfinite(labelled.score))
    frames = labelled.frames
    levels = Levels(
        names=frames.names,
        series=frames.series[scored],
        time=frames.time[scored],
        level=labelled.score[scored],
        step=frames.step[scored],
        block=1,
        vetoed=np.zeros(len(scored), np.bool_),
    )
    # Evenly spaced in the logarithm of the share above, down to one frame.
    shares = np.geomspace(0.5, 1 / len(scored), TRIED)
    found = []
    for threshold in np.unique(np.quantile(levels.level, 1 - shares)).tolist():
        opened = np.zeros(len(frames))
        events = incident_events(levels, levels.level / max(threshold, 1e-300), rules)
        opened[scored[[event.row for event in events if event.state == "opened"]]] = 1.0
        series = ((opened[at], frames.marked[at]) for at in of.truth.rows.values())
        found.append(nab(corpus(series), 1.0, STANDARD).normalised)
    return max(score for score in found if score is not None)


def _while_open(labelled: LabelledScores) -> dict[str, float | None]:
    """SKAB's figures where every frame during an incident is an alarm."""
    of = pooled([(while_open(labelled.frames, spans(labelled.incidents)), labelled.frames.marked)])
    return {"f1": of.f1, "far": of.far, "mar": of.mar}
