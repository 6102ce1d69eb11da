"""From history to bundle: read, frame, split, scale, fit, calibrate, check, publish.

1. Read the Parquet once, frame it through the online code. 2. Vet the sensors. 3. Cut each series in time: fit,
calibrate, gate, purged by W + M - 1 frames; labelled, confirmed and off frames are in none. 4. Scale and fit on fit.
5. What each sensor is usually off by on data held out so far is the unit of its error. 6. Send the readings through the
online detector; thresholds from its levels on calibrate. 7. The gate judges by what nothing has seen, as it is and with
synthetic anomalies. 8. Write the bundle; the first that the gate lets pass becomes production.

Interrupted anywhere, nothing is left: a bundle appears by one rename, in object storage by its manifest.
"""

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from torch import Tensor

from stream.detect.definition import Definition
from stream.detect.frames.frames import Fitness
from stream.detect.frames.scale import POOLED, ScaleTable
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.model.autoencoders import load as load_model
from stream.detect.model.ensemble import Ensemble
from stream.detect.policy import FramePolicy, ModelSpec
from stream.errors import DataError
from stream.gate import REFUSED, forced
from stream.intake.columns import UInt8s
from stream.intake.sampling import steps
from stream.registry.bundle import Contents, SelfTest, write
from stream.registry.manifest import FORMAT, Manifest, read_manifest
from stream.registry.registry import CANDIDATE, PRODUCTION, Registry
from stream.strength import verdict
from training.calibration.calibrate import Calibration, calibrate
from training.calibration.held_out import everywhere, held_out, realised
from training.calibration.stored_levels import kept_levels
from training.data.discarded import refuse_lost
from training.data.feedback import leave_out
from training.data.framing import FramedHistory, frame
from training.data.history import History, columns, data_facts, load, without
from training.data.scaling import scale_table, scaled_frames
from training.data.split import Part, Shares
from training.data.vet import Finding, vet
from training.defaults import choose_policy, choose_rules, choose_spec, longest_support, refuse_unknown, ruled
from training.fitting.disagreement import usual_disagreement
from training.fitting.discriminator import MAX_EPOCHS, Discriminated, discriminate
from training.fitting.error_scale import error_spread, member_spreads
from training.fitting.fit import Epoch, FitOptions, Fitted, fit, seeds_of
from training.gate.champion import Contender
from training.gate.criteria import facts as gate_facts
from training.gate.criteria import overall
from training.gate.gate import Held, judge
from training.lengths import cut
from training.options import TrainOptions

SELFTEST_WINDOWS = 16


@dataclass(frozen=True)
class Trained:
    """A bundle and the story of its making.

    Attributes:
        folder: the bundle; of object storage a local copy.
        place: where it was published, path or URI.
        parts: frames of each part, and of those that are in none by the reason; see `FramedHistory.counted`.
    """

    folder: Path
    manifest: Manifest
    aliases: tuple[str, ...]
    history: History
    findings: tuple[Finding, ...]
    parts: dict[str, int]
    fitted: Fitted
    discriminated: Discriminated | None
    calibration: Calibration
    place: str


@dataclass(frozen=True)
class _Learned:
    """What is learnt of the history's frames; `discriminated` is None where no discriminator is asked for."""

    fitted: Fitted
    discriminated: Discriminated | None
    ensemble: Ensemble
    usual_disagreement: float
    selftest: SelfTest

    @property
    def weights(self) -> dict[str, Tensor]:
        return self.fitted.weights | (self.discriminated.weights if self.discriminated else {})


@dataclass(frozen=True)
class Progress:
    """What a caller may show while it runs: a stage with a note, or an epoch."""

    stage: Callable[[str, str], None]
    epoch: Callable[[Epoch], None]


def train(options: TrainOptions, fit_options: FitOptions, progress: Progress, now: datetime | None = None) -> Trained:
    """Makes a bundle of history and publishes it.

    Args:
        now: the version's time; None for this instant.

    Raises:
        ConfigError: options that no history can satisfy.
        DataError: history that cannot be read, or is too short or too thin for its purpose.
    """
    history = load(options)
    progress.stage("read", f"{history.rows:,} readings of {len(history.sensors)} sensors in {history.seconds:.1f} s")
    progress.stage("columns", columns(history.layout))
    refuse_unknown(options.frames, options.rules, history.sensors)
    history, policy, framed, findings = _framed(options, history)
    lengths = cut(framed, options.model, options.threshold, Shares(*options.parts))
    part, spec = lengths.part, choose_spec(options.model, len(history.sensors), lengths.window, lengths.smoothing)
    if lengths.why_shorter is not None:
        progress.stage("window", f"W = {spec.window}, M = {spec.smoothing}: {lengths.why_shorter}")
    rules = choose_rules(options.rules, policy, spec)
    counts = framed.counted(part)
    progress.stage("split", ", ".join(f"{name} {count:,}" for name, count in counts.items() if count))
    scales = scale_table(framed, part)
    learned = _fit(framed, part, scales, policy, spec, options.model.standardise, fit_options, progress)
    fitted = learned.fitted
    # Out of reach: levels are wanted of it, and incidents would only cost time.
    beyond = ThresholdTable((POOLED,), np.ones(1), np.zeros(1, np.int64), 1e300)
    draft = Definition(
        options.detector, "draft", history.sensors, policy, rules, spec, scales, beyond, learned.ensemble,
        learned.usual_disagreement,
    )  # fmt: skip
    seen = everywhere(history, framed, draft)
    assert seen is not None, "the detector must frame as the framing did"
    levels = {p: held_out(framed, part, p, seen, draft) for p in (Part.CALIBRATE, Part.GATE)}
    calibration = calibrate(levels[Part.CALIBRATE], rules, options.threshold, options.seed)
    progress.stage("calibrate", f"{len(levels[Part.CALIBRATE]):,} held-out levels")
    data, registry = data_facts(history, framed, counts, findings, options), Registry(options.registry)
    challenger = Contender(replace(draft, thresholds=calibration.table), seen)
    held = Held(history, framed, part, levels, data)
    judged = judge(held, challenger, calibration, fitted, registry, options.seed)
    progress.stage("strength", verdict(judged.strength))
    progress.stage("gate", overall(judged.criteria))
    on_gate = realised(levels[Part.GATE], calibration, rules)
    manifest = _manifest(
        draft,
        seeds_of(spec, fit_options),
        calibration,
        data,
        _metrics(learned, on_gate | gate_facts(judged.criteria), judged.strength),
        now or datetime.now(UTC),
    )
    kept = kept_levels(levels[Part.CALIBRATE], calibration, rules)
    folder, manifest, aliases = publish(
        options, manifest, Contents(learned.weights, scales, calibration.table, kept, learned.selftest)
    )
    place = registry.place(options.detector, "versions", manifest.version)
    return Trained(
        folder, manifest, aliases, history, findings, counts, fitted, learned.discriminated, calibration, place
    )


def _metrics(learned: _Learned, gate: dict[str, Any], strength: dict[str, Any]) -> dict[str, Any]:
    fitted = learned.fitted
    return {
        "fit_loss": list(fitted.fit_loss),
        "stop_loss": list(fitted.best_loss),
        "code_kl": [list(own) for own in fitted.divergence],
        **({"discriminator_loss": list(learned.discriminated.stop_loss)} if learned.discriminated else {}),
        "gate": gate,
        "strength": strength,
    }


def _framed(options: TrainOptions, history: History) -> tuple[History, FramePolicy, FramedHistory, tuple[Finding, ...]]:
    """The history as frames, what vetting found, and, where asked for, both without the sensors it found."""
    found = steps(batch.columns for batch in history.batches).medians()
    lag = longest_support(options.model) - 1

    def framed_with(history: History) -> tuple[FramePolicy, FramedHistory]:
        policy = choose_policy(options.frames, history.layout.format, found, len(history.sensors))
        framed = frame(history.batches, policy, history.sensors)
        if options.feedback is not None:
            framed = leave_out(framed, options.feedback.spans(), lag, policy.max_carry)
        return policy, framed

    policy, framed = framed_with(history)
    refuse_lost(history, policy, framed.dispositions)
    seen = ~framed.anomalous & (framed.fitness != Fitness.OFF)
    if not seen.any():
        raise DataError(
            f"{options.data}: all of {len(framed)} frames are labelled, confirmed, in maintenance, or outside "
            f"`score_when: {policy.score_when}`; expected normal operation to learn from"
        )
    values = framed.values if seen.all() else framed.values[seen]
    findings = vet(values, framed.time[seen], history.sensors, framed.series[seen])
    # A sensor that `score_when` may speak of, or a rule does, stays: a switch that is always on in history is flat.
    dropped = {finding.sensor for finding in findings if finding.sensor not in policy.score_when}
    dropped -= ruled(options.frames, options.rules)
    if options.drop_sensors and dropped:
        history = without(history, dropped)
        policy, framed = framed_with(history)
    return history, policy, framed, findings


def _fit(
    framed: FramedHistory,
    part: UInt8s,
    scales: ScaleTable,
    policy: FramePolicy,
    spec: ModelSpec,
    standardise: bool,
    options: FitOptions,
    progress: Progress,
) -> _Learned:
    """Fits the members on the fit part, stops on its last tenth, and notes what they make of some windows."""
    frames, holes = scaled_frames(framed, scales, policy.clip), np.isnan(framed.values)
    masked = holes if holes.any() else None
    ends = {p: np.flatnonzero(framed.within(part, p, spec.window)) for p in (Part.FIT, Part.STOP, Part.CALIBRATE)}
    plain = msgspec.structs.replace(spec, discriminator=0)
    fitted = fit(frames, masked, ends[Part.FIT], ends[Part.STOP], plain, options, progress.epoch)
    held_out = np.sort(np.concatenate([ends[Part.STOP], ends[Part.CALIBRATE]]))
    unseen = frames, masked, held_out, framed.series[held_out]
    raw = ensemble = Ensemble(plain, fitted.weights)
    if standardise:
        ensemble = Ensemble(plain, fitted.weights, error_spread(raw, *unseen))
    discriminated = None
    if spec.discriminator:
        progress.stage("discriminate", f"{spec.members} with {spec.discriminator} hidden units")
        discriminated = discriminate(
            load_model(spec, fitted.weights), ensemble, member_spreads(raw, *unseen), frames, masked,
            ends[Part.FIT], ends[Part.STOP], held_out, seeds_of(spec, options), min(options.max_epochs, MAX_EPOCHS),
            clip=policy.clip,
        )  # fmt: skip
        ensemble = Ensemble(spec, fitted.weights | discriminated.weights, ensemble.spread)
    chosen = ends[Part.STOP][np.linspace(0, len(ends[Part.STOP]) - 1, SELFTEST_WINDOWS).astype(np.int64)]
    windows = np.stack([frames[end - spec.window + 1 : end + 1] for end in chosen.tolist()])
    flat = np.ascontiguousarray(windows.reshape(-1, spec.sensors))
    tested = ensemble.errors(flat, np.arange(len(windows), dtype=np.int64) * spec.window + spec.window - 1, None)
    usual = usual_disagreement(ensemble, frames, masked, ends[Part.CALIBRATE])
    return _Learned(fitted, discriminated, ensemble, usual, SelfTest(windows, tested.error))


def _manifest(
    draft: Definition,
    seeds: tuple[int, ...],
    calibration: Calibration,
    data: dict[str, Any],
    metrics: dict[str, Any],
    now: datetime,
) -> Manifest:
    """The manifest of a bundle that is not written yet: without its files, and the hash in its version."""
    made, created_at = stamp(now)
    return Manifest(
        format=FORMAT,
        detector=draft.detector,
        version=made,
        created_at=created_at,
        sensors=draft.sensors,
        policy=draft.policy,
        rules=draft.rules,
        model=draft.spec,
        seeds=seeds,
        error_spread=tuple(draft.ensemble.spread.tolist()),
        threshold_q=calibration.table.q,
        threshold=calibration.facts(),
        data=data,
        metrics=metrics,
        software={name: version(name) for name in ("torch", "numpy", "pyarrow")}
        | {"python": platform.python_version()},
        parent=None,
        files=(),
        usual_disagreement=draft.usual_disagreement,
    )


def stamp(now: datetime) -> tuple[str, str]:
    """What a manifest says of its time, UTC: its version, which still lacks the hash, and RFC 3339."""
    utc = now.astimezone(UTC)
    return utc.strftime("%Y%m%dT%H%M%SZ"), utc.isoformat(timespec="seconds").replace("+00:00", "Z")


def publish(options: TrainOptions, manifest: Manifest, contents: Contents) -> tuple[Path, Manifest, tuple[str, ...]]:
    """Writes the version, points `candidate` at it, and `production` where there is none yet.

    What the gate refused is written, to be looked at, and nothing points to it unless it was forced.
    """
    registry, detector, gate = Registry(options.registry), options.detector, manifest.metrics["gate"]
    folder = registry.publish(detector, lambda scratch: write(scratch, manifest, contents))
    refused = gate["verdict"] == REFUSED
    if refused and options.force is None:
        return folder, read_manifest(folder), ()
    reason = forced(gate, options.force or "") if refused else ""
    registry.point(detector, CANDIDATE, folder.name, "train", reason)
    first = registry.point_first(detector, PRODUCTION, folder.name, "train", reason)
    return folder, read_manifest(folder), (CANDIDATE,) if first is None else (CANDIDATE, PRODUCTION)
