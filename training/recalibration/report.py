"""Report of a recalibration, as JSON and as tables."""

from collections.abc import Iterable

import msgspec
from rich.table import Table

from stream.registry.recalibration_facts import Interval, NewerDataFacts, PoolFacts, StepFacts
from stream.registry.registry import Registry
from stream.terminal import console, plain_table
from training.recalibration.drift import Advice, SeriesDrift
from training.recalibration.run import RecalibrationRun
from training.revision.child import aliases_of
from training.revision.report import ThresholdChange

# Series in the table, the most severe first.
SHOWN = 20
LEFT_OUT = {
    "old": "not newer than the readings that the bundle was made from",
    "unknown_series": "not in the bundle; without a column of series, a file is a series with the name of the file: "
    "`input.series_name: NAME` gives another",
    "labelled": "labelled, or with a value carried from a labelled frame",
    "excluded": "by --exclude or --feedback",
    "off": "maintenance, `score_when`",
    "degraded": "too many sensors missing",
    "warming": "no level",
    "exceeding": "above the threshold: perhaps an anomaly",
    "incident": "in an incident, or within W + M - 1 frames of one",
    "near": "within W + M - 1 frames after a frame that was left out",
    "imputed": "a sensor is carried or masked",
}


class SensorFacts(msgspec.Struct, frozen=True):
    """Drift of the mean and the variance of a sensor."""

    mean: Interval
    variance: Interval


class SeriesFacts(msgspec.Struct, frozen=True):
    """Drift of one series; see `SeriesDrift`. `verdict` is null where there are too few readings."""

    series: str
    verdict: str | None
    reasons: list[str]
    blocks: int
    level: Interval | None
    level_since_training: float | None
    exceeding: float
    step: float
    sensors: dict[str, SensorFacts]


class RecalibrationReport(msgspec.Struct, frozen=True):
    """A recalibration, as `narrows recalibrate --json` prints it. Keys are stable: some may be added."""

    parent: str
    version: str | None
    bundle: str | None
    aliases: tuple[str, ...]
    refused: tuple[str, ...]
    verdict: str | None
    reasons: list[str]
    data: NewerDataFacts
    threshold: ThresholdChange
    step: StepFacts
    series: dict[str, int]
    drift: PoolFacts | None
    by_series: list[SeriesFacts]


def facts(run: RecalibrationRun, registry: Registry) -> RecalibrationReport:
    """The whole report, for JSON."""
    result, drift, child = run.result, run.result.drift, run.child
    after = msgspec.structs.replace(run.threshold, q=result.table.q)
    return RecalibrationReport(
        parent=run.parent.version,
        version=None if child is None else child.version,
        bundle=None if child is None else registry.place(child.detector, "versions", child.version),
        aliases=() if child is None else aliases_of(child),
        refused=result.refused,
        verdict=_verdict(run),
        reasons=[one.text for one in drift.reasons],
        data=run.facts,
        threshold=ThresholdChange(run.parent.threshold_report, after),
        step=result.step,
        series=dict(drift.counts),
        drift=drift.pool,
        by_series=[_series(one, step) for one, step in zip(drift.series, result.steps.tolist(), strict=True)],
    )


def show(run: RecalibrationRun, registry: Registry) -> None:
    """Prints the tables on stdout."""
    output = console()
    for table in (_frames(run), _worst(run), _summary(run, registry)):
        output.print(table)


def _verdict(run: RecalibrationRun) -> str | None:
    """The advice; None where there are too few readings for one."""
    drift = run.result.drift
    too_little = bool(run.result.refused) and drift.advice is not Advice.RETRAIN
    return None if too_little else drift.advice.value


def _series(one: SeriesDrift, step: float) -> SeriesFacts:
    sensors = {sensor.sensor: SensorFacts(sensor.mean.facts(), sensor.variance.facts()) for sensor in one.sensors}
    return SeriesFacts(
        series=one.series,
        verdict=one.advice.value if one.judged else None,
        reasons=[reason.text for reason in one.reasons],
        blocks=one.blocks,
        level=None if one.level is None else one.level.facts(),
        level_since_training=one.since_training,
        exceeding=one.exceeding,
        step=step,
        sensors=sensors,
    )


def _frames(run: RecalibrationRun) -> Table:
    table = plain_table(("frames", "", ""))
    for name, count in run.facts.frames.items():
        if count:
            table.add_row(name.replace("_", " "), f"{count:,}", LEFT_OUT.get(name, ""))
    return table


def _worst(run: RecalibrationRun) -> Table:
    """Table of the series, the most severe first."""
    table = plain_table(("series", "verdict", "blocks", "level", "exceeding", "threshold", "why"))
    steps = run.result.steps.tolist()
    order = sorted(
        zip(run.result.drift.series, steps, strict=True),
        key=lambda pair: (-list(Advice).index(pair[0].advice), pair[0].judged, pair[0].series),
    )
    for one, step in order[:SHOWN]:
        level = "" if one.level is None else f"x {one.level.value:.3g} ({one.level.low:.3g} to {one.level.high:.3g})"
        verdict = one.advice.value if one.judged else "not judged"
        why = "; ".join(reason.text for reason in one.reasons)
        exceeding = f"{one.exceeding:.2%}" if one.blocks or one.exceeding else ""
        table.add_row(one.series, verdict, f"{one.blocks}", level, exceeding, f"x {step:.3g}", why)
    if len(order) > SHOWN:
        table.add_row(f"and {len(order) - SHOWN} more")
    return table


def _summary(run: RecalibrationRun, registry: Registry) -> Table:
    result, child, pool = run.result, run.child, run.result.drift.pool
    table = plain_table(("in all", ""))
    table.add_row("verdict", _verdict(run) or "not judged")
    for reason in (one.text for one in result.drift.reasons):
        table.add_row("", reason)
    if pool is not None and pool.exceeding is not None:
        promised = "" if pool.promised is None else f", promised {pool.promised:.2%}"
        table.add_row("exceeding", f"{pool.exceeding.value or 0.0:.2%} of the scored frames{promised}")
    for line in _outcome(run, registry):
        table.add_row(*line)
    if child is None and not result.refused:
        table.add_row("dry run", "nothing was published")
    return table


def _outcome(run: RecalibrationRun, registry: Registry) -> Iterable[tuple[str, str]]:
    result, child = run.result, run.child
    frames = run.facts.frames
    if result.refused and not frames["used"] and any(frames.values()):
        most = max(frames, key=frames.__getitem__)
        yield "refused", f"none of {sum(frames.values()):,} frames is left, most are `{most}`: {LEFT_OUT[most]}"
    for reason in result.refused:
        yield "refused", reason
    if result.refused:
        return
    step = result.step
    if step.series:
        yield "thresholds", f"of {step.series} series move, by x {step.smallest:.3g} to x {step.largest:.3g}"
    else:
        yield "thresholds", "confirmed: the readings move none"
    if step.clipped or step.bound:
        yield "", f"{step.clipped} reached the limit of one step, {step.bound} that of all steps"
    implied = run.threshold.implied_per_week
    if implied is not None:
        yield "implies", f"{implied:.3g} alerts per series and week on the levels that the bundle stores"
    if child is not None:
        yield "bundle", registry.place(child.detector, "versions", child.version)
        yield "parent", run.parent.version
        yield "aliases", ", ".join(aliases_of(child)) or "none"
