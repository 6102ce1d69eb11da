"""One case with one seed: trained with the defaults on its history, evaluated on its later rows under two promises."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from stream.cli.options.training import train_options
from stream.intake.tables.hints import Hints
from stream.registry.bundle import load
from stream.registry.registry import Registry
from stream.settings import load as load_settings
from stream.settings.detection import RuleSettings, ThresholdSettings
from tests.quality.benchmarks import all_detections, nab_facts, nab_scores, skab_counts, skab_facts
from tests.quality.cases import CASES
from tests.quality.nab import STANDARD, corpus, nab
from tests.quality.skab import pooled
from tests.real_data.cases import ANSWERS, LABEL, TIME, Case
from tests.support.small_training import QUIET
from training.calibration.levels import Levels, incident_events
from training.evaluate.evaluation import Bundle, Evaluation, EvaluationOptions, evaluate
from training.evaluate.facts import facts
from training.evaluate.labelled import LabelledScores, spans
from training.pipeline import train
from training.revision.amend import Amendment, amend

DETECTOR = "quality"
# The default promise is a budget of alerts. This one is counted in frames, with its own default.
PERCENTILE = Amendment(
    RuleSettings(),
    ThresholdSettings(method="percentile", percentile=99.0),
    frozenset({"threshold.method", "threshold.percentile"}),
)
# Thresholds that the oracle tries, from the median of all scores up.
TRIED = 80


@dataclass(frozen=True)
class Job:
    """A case by its group and its place there, a seed, and `overrides` of settings in the form of `--set`."""

    group: str
    place: int
    seed: int
    data: Path
    overrides: tuple[str, ...] = ()


def run(job: Job, folder: Path) -> dict[str, Any]:
    """Figures under the default promise and under a percentile, as JSON.

    Args:
        folder: scratch folder of this job.
    """
    return measured(CASES[job.group](job.data)[job.place], job, folder)


def measured(case: Case, job: Job, folder: Path) -> dict[str, Any]:
    """The same figures for a case at hand."""
    history, live = case.write(folder)
    settings = load_settings(None, [f"train.seed={job.seed}", *job.overrides], {})
    options = replace(
        train_options(settings, history),
        detector=DETECTOR,
        registry=folder / "registry",
        hints=Hints(time=TIME, exclude=ANSWERS),
    )
    trained = train(options, QUIET)
    answers = Hints(time=TIME, label=LABEL, exclude=ANSWERS[1:])
    asked = EvaluationOptions(live, answers, history=options)
    budget = evaluate(Bundle(*_named(trained.folder)), asked)
    child = amend(Registry(options.registry), DETECTOR, trained.manifest.version, PERCENTILE)
    percentile = evaluate(Bundle(*_named(child.folder)), replace(asked, history=None))
    return {
        "group": job.group,
        "case": case.name,
        "seed": job.seed,
        "model": msgspec.to_builtins(trained.manifest.metrics),
        "budget": _figures(budget, job.group),
        "percentile": _figures(percentile, job.group),
    }


def _named(folder: Path) -> tuple[Path, Any, Any]:
    return folder, *load(folder)


def _figures(of: Evaluation, group: str) -> dict[str, Any]:
    document = msgspec.to_builtins(facts(of))
    kept = {name: document[name] for name in ("threshold", "frames", "events", "detectors", "promise")}
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
    frames = labelled.frames
    alarms = np.zeros(len(frames), np.bool_)
    names = {name: series for series, name in enumerate(frames.names)}
    for span in spans(labelled.incidents):
        mine = frames.series == names[span.series]
        alarms |= mine & (frames.time >= span.start_ns) & (frames.time < span.end_ns)
    of = pooled([(alarms, frames.marked)])
    return {"f1": of.f1, "far": of.far, "mar": of.mar}
