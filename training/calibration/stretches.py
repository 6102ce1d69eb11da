"""Finds the stretches of normal data that set the threshold, where few of them stand far above all other levels.

A fault in the history that nobody marked, or a sensor that hardly ever moves, can raise the threshold so far that no
fault of usual size is found. A model cannot tell these from normal operation; a person can.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.incidents.incident import IncidentEvent
from stream.detect.policy import Learning, Rules
from stream.detect.slots import Segments, last_true
from stream.errors import DataError
from stream.events.record import rfc3339
from stream.intake.columns import Bools, Float64s
from stream.messages import some
from stream.registry.manifest_facts import Stretch, ThresholdBasis
from stream.settings.detection import ThresholdSettings
from training.calibration.calibrate import Calibration, calibrate
from training.calibration.levels import Levels
from training.calibration.usual import in_order, usual_levels
from training.data.history import History
from training.data.split import Part

# Stretches set the threshold where it would be this many times lower without them: FEW of them, or more. On servers
# and telemetry, busy hours make levels of all heights, and leaving the highest out lowers the threshold less.
FEW, LOWER, LOWER_OF_MANY = 3, 2.0, 3.0
# A stretch has a level above q / TIMES, and goes on while levels are above this multiple of their median: on clean
# data, 99 % of the levels are below.
TIMES, EDGE = 3.0, 2.0
# Stretches that cover a larger share of the levels are usual operation.
MOST = 0.15


@dataclass(frozen=True, slots=True)
class HighLevels:
    """Stretches of n levels.

    Attributes:
        inside: bool (n,), the levels of all stretches.
        rows: of each stretch the first, the highest and the last level; the highest stretch first.
    """

    inside: Bools
    rows: tuple[tuple[int, int, int], ...]


def threshold_basis(
    held_out: Mapping[Part, Levels],
    calibration: Calibration,
    options: ThresholdSettings,
    seed: int,
    draft: Definition,
    history: History,
) -> ThresholdBasis | None:
    """The stretches that set the threshold, with the sensors that lead there; None: the levels as a whole set it.

    Args:
        held_out: the levels that the threshold was computed from; where it learns, those of calibrate and gate.
        draft: the model, and the way in which its thresholds learn; the thresholds do not matter.
        history: that the levels are from. It is scored once more where such stretches are found.
    """
    levels = held_out[Part.CALIBRATE]
    if draft.learning is None:
        found = setting_stretches(levels, calibration, draft.rules, options, seed)
    else:
        levels, _ = in_order(levels, held_out[Part.GATE])
        found = raising_stretches(levels, calibration, draft.learning)
    if found is None:
        return None
    high, q = found
    # Where the threshold is so low, the stretches are incidents, and incidents name sensors.
    lower = replace(draft, thresholds=replace(calibration.table, q=calibration.table.q / TIMES), learning=None)
    detector = Detector(lower, restarts=False)
    events = [event for batch in history.batches for event in detector.push(batch.readings).events]
    first = tuple(_stretch(levels, rows, events) for rows in high.rows[:FEW])
    count, share, all_q = len(high.rows), float(high.inside.mean()), calibration.table.q
    said = (
        f"{count:,} stretch{'es' if count > 1 else ''}, {share:.2%} of the held-out frames, set the threshold, which "
        f"is {all_q / q:.2g} times as high as without; {some(list(map(_words, first)), FEW, '; ')}"
    )
    return ThresholdBasis(all_q, q, count, share, first, said, _remedy(first[0]))


def setting_stretches(
    levels: Levels, calibration: Calibration, rules: Rules, options: ThresholdSettings, seed: int
) -> tuple[HighLevels, float] | None:
    """The stretches that set the threshold, and the q without them; None: the levels as a whole set it."""
    high = high_levels(levels, calibration.ratio, calibration.table.q)
    if not 0 < high.inside.mean() <= MOST:
        return None
    try:
        without = calibrate(levels.rows(~high.inside), rules, options.model_copy(update={"strict": False}), seed)
    except DataError:  # the others are too few for a threshold
        return None
    q, lower = without.table.q, LOWER if len(high.rows) <= FEW else LOWER_OF_MANY
    return (high, q) if calibration.table.q > lower * q else None


def raising_stretches(levels: Levels, calibration: Calibration, learning: Learning) -> tuple[HighLevels, float] | None:
    """The stretches that raise the usual level of their series, and the q that would have the effect of their absence.

    None: usual levels are those of the levels as a whole. A learning threshold stands at a margin above the usual
    level, so q says nothing about stretches.
    """
    usual, q, count = usual_levels(levels, learning), calibration.table.q, len(levels.names)
    high = high_levels(levels, levels.level / usual[levels.series], q)
    share = np.bincount(levels.series, high.inside, count) / np.maximum(np.bincount(levels.series, minlength=count), 1)
    inside = high.inside & (share <= MOST)[levels.series]
    if not inside.any():
        return None
    lower = usual[:-1] / usual_levels(levels.rows(~inside), learning)[:-1]
    stretches = np.bincount(levels.series[[first for first, _, _ in high.rows]], minlength=count)
    raised = (lower > np.where(stretches <= FEW, LOWER, LOWER_OF_MANY)) & (share <= MOST)
    rows = tuple(row for row in high.rows if raised[levels.series[row[0]]])
    return (HighLevels(inside & raised[levels.series], rows), q / float(lower[raised].max())) if rows else None


def high_levels(levels: Levels, ratio: Float64s, q: float) -> HighLevels:
    """Finds the stretches with a ratio above q / TIMES. Vetoed levels open no incident and do not count."""
    block = levels.block
    above = (ratio > q / TIMES) & ~levels.vetoed
    edge = (ratio > min(EDGE * float(np.median(ratio)), q / TIMES)) | above
    segments = Segments(levels.series)
    # Levels above the edge with less than a block between them are of one stretch.
    since = np.arange(len(ratio)) - last_true(edge, segments)
    joined = edge | ((last_true(edge, segments) >= 0) & (since < block))
    begins = joined & ~np.append(False, joined[:-1] & (np.diff(levels.series) == 0))
    run = np.where(joined, np.cumsum(begins), 0)
    wanted = np.unique(run[above])
    inside = edge & np.isin(run, wanted)
    parts = [np.flatnonzero(inside & (run == one)) for one in wanted.tolist()]
    rows = [(int(one[0]), int(one[ratio[one].argmax()]), int(one[-1])) for one in parts]
    return HighLevels(inside, tuple(sorted(rows, key=lambda row: -ratio[row[1]])))


def _stretch(levels: Levels, rows: tuple[int, int, int], events: Sequence[IncidentEvent]) -> Stretch:
    """A stretch from its first, highest and last level, with what led the incident that was open at its highest."""
    first, peak, last = rows
    series, at = levels.names[levels.series[peak]], int(levels.time[peak])
    # The last event of an incident has the sensors of its highest frame.
    there = [one for one in events if one.series == series and one.started_at <= at and one.sensors]
    latest = max((one.started_at for one in there), default=0)
    shares = next((one.sensors for one in reversed(there) if one.started_at == latest), ())
    lead = max(shares, key=lambda one: one.share, default=None)
    after = int(levels.time[last] + levels.step[last])
    return Stretch(series, rfc3339(int(levels.time[first])), rfc3339(after), None if lead is None else lead.name)


def _words(of: Stretch) -> str:
    lead = "" if of.sensor is None else f", led by {of.sensor!r}"
    return f"{of.series!r} from {of.start} to {of.end}{lead}"


def _remedy(of: Stretch) -> str:
    """The settings that leave a stretch out, and what it means to leave it in."""
    span = f'`frames.maintenance: [{{series: {_quoted(of.series)}, start: "{of.start}", end: "{of.end}"}}]`'
    value = (
        f", or `frames.sentinels: {{{_quoted(of.sensor)}: [VALUE]}}` for a VALUE that means no value"
        if of.sensor
        else ""
    )
    return (
        f"look at these times: if they are faults or no measurements, label or exclude them, as by {span}{value}, and "
        "train again; if they are normal, the detector cannot see faults smaller than these"
    )


def _quoted(name: str) -> str:
    """A name as YAML reads it, whatever it holds."""
    return json.dumps(name, ensure_ascii=False)
