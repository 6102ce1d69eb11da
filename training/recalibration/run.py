"""Publishes a child of a version with the same weights, and thresholds that follow newer readings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from stream.errors import DataError
from stream.intake.tables.reader import Hints
from stream.registry.bundle import load
from stream.registry.manifest import Manifest, calibrated_at
from stream.registry.manifest_facts import ThresholdFacts
from stream.registry.recalibration_facts import BoundsFacts, NewerDataFacts, RecalibrationFacts
from stream.registry.registry import Registry
from stream.settings.detection import RecalibrationSettings
from training.data.framing import FramedHistory
from training.data.history import learned_until
from training.data.spans import Span, of_unknown_series, without_readings
from training.publish import stamp
from training.recalibration.evidence import bundle_thresholds, evidence_of
from training.recalibration.observed import read_scores, score_readings
from training.recalibration.recalibrate import Recalibration, recalibrate
from training.recalibration.selection import select_levels
from training.revision.child import publish_child


@dataclass(frozen=True)
class NewerData:
    """Newer readings and what is known about them.

    Attributes:
        data, scores: their source: readings, or the verdicts on them that `narrows replay --scores` wrote.
        excluded: spans that people named, of which each should cover readings.
    """

    data: Path | None
    scores: Path | None
    hints: Hints
    excluded: tuple[Span, ...] = ()


@dataclass(frozen=True)
class RecalibrationRun:
    """Result of `run_recalibration`.

    Attributes:
        facts: about the newer readings and their use.
        child: the published version; None where it is refused, or for a dry run.
    """

    parent: Manifest
    result: Recalibration
    facts: NewerDataFacts
    child: Manifest | None

    @property
    def threshold(self) -> ThresholdFacts:
        """Facts about the threshold, for the manifest. Those of the parent where q stays; severities stay."""
        after, before = self.result.calibration, self.parent.threshold
        return before if after is None else msgspec.structs.replace(after.facts(), severity=before.severity)


def run_recalibration(
    registry: Registry,
    detector: str,
    reference: str,
    source: NewerData,
    spans: Sequence[Span],
    bounds: RecalibrationSettings,
    reason: str,
    dry_run: bool,
    now: datetime | None = None,
) -> RecalibrationRun:
    """Scores newer readings with a bundle, and publishes a child whose thresholds follow them, unless it is refused.

    Args:
        reference: a version or an alias.
        spans: of judged alerts, excluded too. Not all of them need be in the readings.
        reason: for the history of the registry.
        dry_run: publish nothing.
        now: time of the child; None: now.

    Raises:
        BundleError: there is no such version, it stores no levels, or the data lack its sensors.
        DataError: the data cannot be read.
    """
    folder = registry.folder(detector, reference)
    parent, definition = load(folder)
    if definition.learning is not None:
        raise DataError(
            f"{folder.name}: its thresholds go on learning from what the series send, so there is nothing to "
            "recalibrate; train again where the machine has changed, or with `threshold.learn: false` for thresholds "
            "that stay until they are recalibrated"
        )
    if not dry_run:
        registry.try_writing(detector)
    thresholds = bundle_thresholds(folder, parent, definition)
    readings = (
        read_scores(definition, source.scores)
        if source.data is None and source.scores is not None
        else score_readings(definition, source.data or Path(), source.hints)
    )
    known, block = frozenset(definition.thresholds.names[:-1]), thresholds.stored.block
    selection = select_levels(readings, (*source.excluded, *spans), known, learned_until(parent), block)
    evidence = evidence_of(definition, readings, selection, block)
    result = recalibrate(thresholds, evidence, bounds, parent.threshold.share_above)
    facts = msgspec.structs.replace(
        readings.facts,
        frames=selection.counts,
        excluded_spans=len(source.excluded) + len(spans),
        notes=(*readings.facts.notes, *_doubts(source.excluded, readings.frames)),
    )
    run = RecalibrationRun(parent, result, facts, None)
    if result.refused or dry_run:
        return run
    child = _child(run, bounds, now or datetime.now(UTC))
    _, published = publish_child(registry, folder, parent, child, "calibrate", reason, result.table)
    return replace(run, child=published)


def _doubts(excluded: Sequence[Span], frames: FramedHistory) -> Iterator[str]:
    """Warnings about spans that exclude nothing."""
    unknown = of_unknown_series((span.series for span in excluded), frames.names)
    empty = without_readings(excluded, frames.names, frames.series, frames.time)
    return (f"warning: --exclude: {doubt}" for doubt in (*unknown, *empty))


def _child(run: RecalibrationRun, bounds: RecalibrationSettings, now: datetime) -> Manifest:
    """Makes the manifest of the child before it is published."""
    version, created_at = stamp(now)
    parent, result = run.parent, run.result
    return msgspec.structs.replace(
        parent,
        version=version,
        created_at=created_at,
        threshold_q=result.table.q,
        threshold=run.threshold,
        amended={},
        calibrated_at="",
        recalibrated=RecalibrationFacts(
            before=calibrated_at(parent),
            data=run.facts,
            bounds=BoundsFacts(**bounds.model_dump()),
            step=result.step,
            series=dict(result.drift.counts),
            drift=result.drift.pool,
        ),
    )
