"""Training: makes a bundle from a history.

1. Read the Parquet once and frame it by the online code. 2. Vet the sensors. 3. Cut each series in time into fit,
calibrate and gate, with W + M - 1 frames purged between them. Labelled, confirmed and off frames are in no part.
Sensors that stand still in fit are left out. 4. Scale and fit on fit. 5. The mean error of each sensor on data held out
so far is the unit of its error. 6. Send the readings through the online detector, and compute thresholds from its
levels on calibrate. 7. The gate judges the model on the gate part, with and without synthetic anomalies. 8. Publish the
bundle. The first that passes the gate becomes production.

An interrupted run leaves nothing: a bundle appears by one rename, or in object storage by its manifest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from stream.detect.definition import Definition
from stream.detect.frames.frames import Fitness
from stream.detect.frames.scale import POOLED
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.series_counts import SeriesCounter
from stream.errors import DataError
from stream.events.account import SeriesAccount, series_accounts, warnings
from stream.intake.tables.files import files
from stream.intake.tables.label_values import label_values
from stream.intake.tables.labels import all_marked
from stream.offline.bad_value_lines import sentinel_line
from stream.offline.discarded import refuse_discarded
from stream.offline.rows import changes
from stream.registry.bundle import Contents
from stream.registry.manifest import Manifest
from stream.registry.registry import Registry
from training.calibration.calibrate import Calibration, blocks_of, calibrate, calibrate_relative
from training.calibration.held_out import held_out_levels, threshold_effect
from training.calibration.levels import Levels
from training.calibration.severity import with_severity
from training.calibration.stored_levels import stored_table
from training.calibration.stretches import threshold_basis
from training.calibration.usual import learning_of, relative_levels
from training.data.degraded import refuse_degraded
from training.data.history import History, data_facts, describe_columns, drop_sensors, read_history
from training.data.scored_history import FrameScores, frame_scores
from training.data.spans import of_unknown_series
from training.data.split import Part
from training.defaults import (
    choose_rules,
    choose_spec,
    describe_sampling,
    refuse_unknown,
    settings_that_read,
)
from training.fitting.discriminator import FittedDiscriminator
from training.fitting.fit import FittedMembers, seeds_of
from training.fitting.members import Progress, fit_ensemble
from training.gate.champion import ScoredModel
from training.gate.criteria import overall, with_verdict
from training.gate.false_alerts import unjudged
from training.gate.gate import GateData, run_gate
from training.options import TrainOptions
from training.publish import draft_manifest, metrics_of, publish
from training.vetting.finding import MISLEADING, Finding, Kind, doubts
from training.vetting.readings import reading_sentinels
from training.vetting.vet import refuse, vet
from training.watching import Prepared, Watched, prepare, watch


@dataclass(frozen=True)
class TrainingRun:
    """A published bundle, and the results of the steps that made it.

    Attributes:
        folder: of the bundle; from object storage a local copy.
        aliases: that point to the bundle.
        findings: of the vetting.
        parts: frames by part, and frames in no part by reason; see `FramedHistory.count_frames`.
        place: path or URI of the published bundle.
        accounts: of the series of the history.
    """

    folder: Path
    manifest: Manifest
    aliases: tuple[str, ...]
    history: History
    findings: tuple[Finding, ...]
    parts: dict[str, int]
    fitted: FittedMembers
    discriminator: FittedDiscriminator | None
    calibration: Calibration
    place: str
    accounts: tuple[SeriesAccount, ...]


def train(options: TrainOptions, progress: Progress, now: datetime | None = None) -> TrainingRun:
    """Makes a bundle from a history and publishes it.

    Args:
        now: time of the version; None: the current time.

    Raises:
        ConfigError: no history can satisfy the options.
        DataError: the history cannot be read, or is too short.
    """
    (registry := Registry(options.registry)).try_writing(options.detector)
    history = read_history(options)
    progress.stage("read", f"{history.rows:,} readings of {len(history.sensors)} sensors in {history.seconds:.1f} s")
    progress.stage("columns", describe_columns(history.layout))
    for warning in history.layout.doubts:
        progress.stage("warning", f"{options.data}: {warning}")
    refuse_unknown(options.rules, options.frames, history.sensors)
    watched, findings = _watched(options, history, progress)
    history, policy, framed, lengths = watched.history, watched.policy, watched.framed, watched.lengths
    part, scales = lengths.part, watched.scales
    spec = choose_spec(options.model, len(history.sensors), lengths.window, lengths.smoothing, policy.clip)
    rules, counts = choose_rules(options.rules, policy, spec), framed.count_frames(part)
    progress.stage("split", ", ".join(f"{name} {count:,}" for name, count in counts.items() if count))
    trained = fit_ensemble(framed, part, scales, policy, spec, options.model.standardise, options.fit, progress)
    fitted = trained.fitted
    # The draft computes levels only. No level reaches this threshold, so no time is spent on incidents.
    unreachable = ThresholdTable((POOLED,), np.ones(1), np.zeros(1, np.int64), 1e300)
    draft = Definition(
        options.detector, "draft", history.sensors, policy, rules, spec, scales, unreachable, trained.ensemble,
        trained.usual_disagreement, forms=trained.forms,
    )  # fmt: skip
    scores, accounts = _scored(history, draft, progress)
    held_out = {p: held_out_levels(framed, part, p, scores, draft) for p in (Part.STOP, Part.CALIBRATE, Part.GATE)}
    levels, fixed, calibration, draft = _calibrated(held_out, draft, history, options, progress)
    data = watched.named_in(data_facts(history, framed, counts, findings, options))
    challenger = ScoredModel(replace(draft, thresholds=calibration.table), scores)
    gate_data = GateData(history, framed, part, levels, (held_out, fixed), data, accounts)
    capacity, criteria, changes = run_gate(gate_data, challenger, calibration, fitted, registry, options.train.seed)
    progress.stage("strength", capacity.summary)
    progress.stage("gate", overall(criteria))
    for short in unjudged(criteria):
        progress.stage("warning", short)
    on_gate = with_verdict(threshold_effect(levels[Part.GATE], calibration, rules), criteria, changes)
    manifest = draft_manifest(
        draft,
        seeds_of(spec, options.fit),
        calibration,
        data,
        metrics_of(trained, on_gate, capacity),
        now or datetime.now(UTC),
    )
    stored = stored_table(levels[Part.CALIBRATE], calibration, rules)
    folder, manifest, aliases = publish(
        options, manifest, Contents(trained.weights, scales, calibration.table, stored, trained.selftest)
    )
    place = registry.place(options.detector, "versions", manifest.version)
    return TrainingRun(
        folder, manifest, aliases, history, findings, counts, fitted, trained.discriminator, calibration, place,
        accounts,
    )  # fmt: skip


def _calibrated(
    held_out: Mapping[Part, Levels], draft: Definition, history: History, options: TrainOptions, progress: Progress
) -> tuple[Mapping[Part, Levels], ThresholdTable, Calibration, Definition]:
    """Computes thresholds and severities, which the draft takes; warns where few stretches set the thresholds.

    Returns the levels as the thresholds see them: where they learn, relative to the usual level; and thresholds that do
    not learn.
    """
    promise, seed, parts = options.threshold, options.train.seed, held_out
    learning = learning_of(promise, options.recalibrate, draft.policy, draft.spec)
    if learning is None:
        calibration = calibrate(held_out[Part.CALIBRATE], draft.rules, promise, seed)
        fixed = calibration.table
    else:
        blocks_of(held_out[Part.CALIBRATE])
        relative = relative_levels(held_out, learning)
        fixed = relative.fixed
        parts, calibration = relative.parts, calibrate_relative(relative, draft.rules, promise, seed)
    levels = parts[Part.CALIBRATE]
    progress.stage("calibrate", f"{len(levels):,} held-out levels")
    if (looser := calibration.looser) is not None:
        progress.stage("warning", looser)
    draft = replace(draft, learning=learning)
    basis = threshold_basis(held_out, calibration, promise, seed, draft, history)
    if basis is not None:
        progress.stage("warning", f"{basis.said}; {basis.remedy}")
    calibration, rules = with_severity(levels, calibration, draft.rules, options.rules.rarity, seed)
    return parts, fixed, replace(calibration, set_by=basis), replace(draft, rules=rules)


def _scored(history: History, draft: Definition, progress: Progress) -> tuple[FrameScores, tuple[SeriesAccount, ...]]:
    """Scores every frame, and warns of series that are never or hardly scored."""
    counter = SeriesCounter()
    scores = frame_scores(history, draft, counter)
    accounts = series_accounts(counter.counts(), draft)
    if (line := sentinel_line(draft.sensors, counter.sentinels.tolist())) is not None:
        progress.stage("sentinels", line)
    for warning in warnings(accounts):
        progress.stage("warning", warning)
    return scores, accounts


def _watched(options: TrainOptions, history: History, progress: Progress) -> tuple[Watched, tuple[Finding, ...]]:
    """Frames the history, vets its sensors, and cuts it into parts.

    Leaves out the sensors that vetting found, if the options say so, and those that have no scale.
    """
    of = prepare(options, history)
    for line in changes(of.history.layout):
        progress.stage(*line.split(": ", 1))
    for doubt in of_unknown_series((span.series for span in of.policy.maintenance), of.framed.names):
        progress.stage("warning", f"`frames.maintenance`: {doubt}")
    refuse_discarded(of.history.layout, of.history.batches, of.framed.dispositions)
    findings = _vetted(options, of)
    for doubt in doubts(findings):
        progress.stage("warning", doubt)
    # A sensor in `score_when` or in a rule is never dropped: a switch that is always on in the history is flat.
    misled = {finding.sensor for finding in findings if finding.kind in MISLEADING}
    dropped = misled - settings_that_read(of.history.sensors, of.policy, options.rules).keys()
    if options.train.drop_sensors and dropped:
        of = prepare(options, drop_sensors(of.history, dropped))
    refuse_degraded(options.data, of.framed, of.history.sensors, of.policy, of.advice)
    progress.stage("sampling", describe_sampling(of.policy))
    if of.advice is not None:
        progress.stage("warning", of.advice.sentence)
    watched = watch(options, of)
    for stage, note in watched.notes():
        progress.stage(stage, note)
    return watched, findings


def _none_normal(options: TrainOptions, of: Prepared) -> str:
    """A sentence about a history without a normal frame."""
    label = of.history.layout.label
    values = None if label is None else label_values(files(options.data), label, options.hints.anomalous)
    everywhere = None if label is None or values is None else all_marked(label, values)
    if everywhere is not None:
        return everywhere
    reasons = ["confirmed", "in maintenance"] if label is None else ["labelled", "confirmed", "in maintenance"]
    if of.policy.score_when:
        reasons.append(f"outside `score_when: {of.policy.score_when}`")
    return f"all of {len(of.framed):,} frames are {', '.join(reasons[:-1])} or {reasons[-1]}"


def _vetted(options: TrainOptions, of: Prepared) -> tuple[Finding, ...]:
    """Vets the sensors in normal operation.

    Raises:
        DataError: there is none, or some values cannot be measurements.
    """
    framed, sensors, settled = of.framed, of.history.sensors, options.frames.sentinels
    usable = ~framed.anomalous & (framed.fitness != Fitness.OFF)
    if not usable.any():
        raise DataError(f"{options.data}: {_none_normal(options, of)}; expected normal operation to learn from")
    values = framed.values if usable.all() else framed.values[usable]
    findings = vet(values, framed.time[usable], sensors, framed.series[usable], framed.names, settled)
    if of.policy.resample == "mean":
        raw = reading_sentinels(of.history.batches, sensors, settled)
        findings = (*raw, *(one for one in findings if one.kind != Kind.SENTINEL))
    refuse(findings, settled, str(options.data))
    return findings
