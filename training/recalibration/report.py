"""What a recalibration tells: as plain facts (JSON), and as tables for people."""

from collections.abc import Iterable
from typing import Any

import msgspec
from rich.table import Table

from stream.registry.registry import Registry
from stream.terminal import console, plain_table
from training.recalibration.drift import Advice, SeriesDrift
from training.recalibration.run import RecalibrationRun
from training.revision.child import aliases_of

# Series that a table shows, the worst first.
SHOWN = 20
LEFT_OUT = {
    "old": "not newer than what was learned from",
    "unknown_series": "the bundle does not know them; a file without a column of series is named by its own name",
    "labelled": "or carried from one",
    "excluded": "by --exclude or --feedback",
    "off": "maintenance, `score_when`",
    "degraded": "too many sensors missing",
    "warming": "no level",
    "exceeding": "above the threshold: normal or not, nobody can tell",
    "incident": "in one, or W + M - 1 frames around",
    "near": "within W + M - 1 of one that was left out",
    "imputed": "a sensor is carried or masked",
}


def facts(renewed: RecalibrationRun, registry: Registry) -> dict[str, Any]:
    """All of it, as JSON can hold it."""
    result, drift, child = renewed.result, renewed.result.drift, renewed.child
    parent = renewed.parent
    return {
        "parent": parent.version,
        "version": None if child is None else child.version,
        "bundle": None if child is None else registry.place(child.detector, "versions", child.version),
        "aliases": [] if child is None else list(aliases_of(child)),
        "refused": list(result.refused),
        "verdict": _verdict(renewed),
        "reasons": [one.text for one in drift.reasons],
        "data": renewed.facts,
        "threshold": {
            "from": parent.threshold_report,
            "to": msgspec.structs.replace(renewed.threshold, q=result.table.q),
        },
        "step": result.step,
        "series": result.drift.counts,
        "drift": result.pool,
        "by_series": [_series(one, step) for one, step in zip(drift.series, result.steps.tolist(), strict=True)],
    }


def show(renewed: RecalibrationRun, registry: Registry) -> None:
    """The tables, on stdout."""
    output = console()
    for table in (_frames(renewed), _worst(renewed), _summary(renewed, registry)):
        output.print(table)


def _verdict(renewed: RecalibrationRun) -> str | None:
    """None where there was too little to say."""
    drift = renewed.result.drift
    too_little = bool(renewed.result.refused) and drift.advice is not Advice.RETRAIN
    return None if too_little else drift.advice.value


def _series(one: SeriesDrift, step: float) -> dict[str, Any]:
    return {
        "series": one.series,
        "verdict": one.advice.value if one.judged else None,
        "reasons": [reason.text for reason in one.reasons],
        "blocks": one.blocks,
        "level": None if one.level is None else one.level.facts(),
        "level_since_training": one.since_training,
        "exceeding": one.exceeding,
        "step": step,
        "sensors": {
            sensor.sensor: {"mean": sensor.mean.facts(), "variance": sensor.variance.facts()} for sensor in one.sensors
        },
    }


def _frames(renewed: RecalibrationRun) -> Table:
    table = plain_table(("frames", "", ""))
    for name, count in renewed.facts.frames.items():
        if count:
            table.add_row(name.replace("_", " "), f"{count:,}", LEFT_OUT.get(name, ""))
    return table


def _worst(renewed: RecalibrationRun) -> Table:
    """The series that say most."""
    table = plain_table(("series", "verdict", "blocks", "level", "exceeding", "threshold", "why"))
    steps = renewed.result.steps.tolist()
    order = sorted(
        zip(renewed.result.drift.series, steps, strict=True),
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


def _summary(renewed: RecalibrationRun, registry: Registry) -> Table:
    result, child, pool = renewed.result, renewed.child, renewed.result.drift.pool
    table = plain_table(("in all", ""))
    table.add_row("verdict", _verdict(renewed) or "not judged")
    for reason in (one.text for one in result.drift.reasons):
        table.add_row("", reason)
    if pool is not None:
        promised = "" if pool.promised is None else f", promised {pool.promised:.2%}"
        table.add_row("exceeding", f"{pool.exceeding.value:.2%} of the scored frames{promised}")
    for line in _outcome(renewed, registry):
        table.add_row(*line)
    if child is None and not result.refused:
        table.add_row("dry run", "nothing was published")
    return table


def _outcome(renewed: RecalibrationRun, registry: Registry) -> Iterable[tuple[str, str]]:
    result, child = renewed.result, renewed.child
    frames = renewed.facts.frames
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
        yield "", f"{step.clipped} went as far as one step may, {step.bound} as far as all may"
    implied = renewed.threshold.implied_per_week
    if implied is not None:
        yield "implies", f"{implied:.3g} alerts per series and week on the levels that the bundle keeps"
    if child is not None:
        yield "bundle", registry.place(child.detector, "versions", child.version)
        yield "parent", renewed.parent.version
        yield "aliases", ", ".join(aliases_of(child)) or "none"
