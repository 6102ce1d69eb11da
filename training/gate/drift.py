"""Finds series whose machine changed: from a moment of the held-out parts on, unusually high levels last.

Unusual are levels above nearly all of the calibrate part. Their share is compared before and after each block. The
moment is where both differ most, by the likelihood ratio. It is a change only if chance is excluded, and if most of the
frames since, and of the newest ones, are unusual.
"""

import json
from collections.abc import Sequence

import msgspec
import numpy as np

from stream.detect.definition import Definition
from stream.detect.slots import Segments
from stream.events.record import rfc3339
from stream.intake.columns import Float64s, Int64s
from stream.messages import some
from stream.registry.manifest_facts import DRIFT, Criterion, MachineChange
from training.calibration.levels import Levels
from training.data.framing import FramedHistory
from training.data.windows import evenly
from training.gate.criteria import not_judged
from training.gate.false_alerts import IN_ALARM

# Least logarithm of the likelihood ratio. Neighbouring blocks depend on each other, and many moments are tried.
CERTAIN = 8.0
# Levels above this share of those of the calibrate part are unusual.
USUAL = 0.99
# Blocks that a change lasts at least, and share of their frames that is unusual, of the newest third of them too.
LEAST_BLOCKS, LASTING, NEWEST = 4, 0.5, 3
# Sensors named for each series, and series named in a verdict.
SENSORS, NAMED = 3, 3
# A sensor has moved where its distribution differs by so much more than between the halves of the time before.
MOVED, MOST_ROWS = 0.3, 4096


def machine_changes(
    calibrated: Levels, gate: Levels, definition: Definition, framed: FramedHistory, bound: float
) -> tuple[MachineChange, ...]:
    """Finds the changes of all series, the one that is most in alarm first.

    Args:
        calibrated, gate: levels of the calibrate and gate parts of the history `framed`.
        bound: factor up to which the thresholds follow levels; 1: they stay.
    """
    threshold = definition.thresholds.of_each(gate.names)
    changes = []
    for series, start, end in Segments(gate.series):
        old = calibrated.series == series
        time = np.concatenate([calibrated.time[old], gate.time[start:end]])
        score = np.concatenate([calibrated.level[old], gate.level[start:end]]) / threshold[series]
        usual = float(np.quantile(score[: old.sum()], USUAL)) if old.any() else 1.0
        if (found := _change(gate.names[series], time, score, (min(usual, 1.0), bound), gate.block)) is not None:
            since, change = found
            sensors = tuple(definition.sensors[at] for at in moved(framed, series, since))
            changes.append(msgspec.structs.replace(change, sensors=sensors))
    return tuple(sorted(changes, key=lambda one: -one.above))


def drift_criterion(
    changes: Sequence[MachineChange], gate: Levels, history_start: str, learns: bool = False
) -> Criterion:
    """Tells of the changes. It never refuses: a person has to say what they are, and is better watched than not.

    Args:
        learns: the thresholds of the model go on learning.
    """
    if not len(gate):
        return not_judged(DRIFT, "no held-out frames are left for the gate")
    if not changes:
        none = "no series has unusual levels from some moment on until the end of the gate part"
        return Criterion(DRIFT, "passed", 0.0, IN_ALARM, none)
    first = changes[0]
    span = f'{{series: {json.dumps(first.series, ensure_ascii=False)}, start: "{history_start}", end: "{first.since}"}}'
    many = f" in {len(changes):,} series" if len(changes) > 1 else ""
    text = (
        f"the machine changed{many}: {some([_words(one) for one in changes], NAMED, '; ')}; if it is a fault, label or "
        f"exclude it; if it is the new usual, refit from there, once there are days of it: `frames.maintenance: "
        f"[{span}]` leaves out what was before"
    )
    if learns and all(one.followed for one in changes):
        text += "; the threshold that goes on learning follows it"
    return Criterion(DRIFT, "not judged", first.above, IN_ALARM, text)


def _words(of: MachineChange) -> str:
    sensors = f", sensors {', '.join(map(repr, of.sensors))}" if of.sensors else ""
    return (
        f"{of.series!r} on {of.since}{sensors}: {of.above:.0%} of the frames since are above a threshold that does "
        f"not go on learning, {of.above_before:.1%} before, and levels {of.factor:.2g} times as high"
    )


def _change(
    series: str, time: Int64s, score: Float64s, limits: tuple[float, float], block: int
) -> tuple[int, MachineChange] | None:
    """Finds the change of one series: its time in ns, and its facts.

    Args:
        time, score: of its frames in the calibrate and gate parts, (n,) each.
        limits: scores above the first are unusual; up to the second, a threshold that learns follows them.
    """
    usual, bound = limits
    starts = np.arange(0, len(score), block)
    share = np.add.reduceat(score > usual, starts) / np.diff(np.append(starts, len(score)))
    ratio = _likelihood_ratio(share)
    at = int(ratio.argmax())
    after, newest = share[at:], share[-max(1, (len(share) - at) // NEWEST) :]
    if ratio[at] < CERTAIN or len(after) < LEAST_BLOCKS or min(after.mean(), newest.mean()) <= LASTING:
        return None
    first = int(starts[at] + (score[starts[at] :] > usual).argmax())
    old, new = score[:first], score[first:]
    factor = float(np.median(new) / max(float(np.median(old)), 1e-12)) if len(old) else 1.0
    change = MachineChange(
        series=series,
        since=rfc3339(int(time[first])),
        sensors=(),
        above=float((new > 1).mean()),
        above_before=float((old > 1).mean()) if len(old) else 0.0,
        factor=factor,
        followed=float((new > bound).mean()) <= IN_ALARM,
    )
    return int(time[first]), change


def _likelihood_ratio(share: Float64s) -> Float64s:
    """Logarithm of the likelihood ratio of a share that rises at each block, float64 (B,); 0 where it does not rise."""
    total = np.append(np.cumsum(share[::-1])[::-1], 0.0)  # of the blocks from each on
    count = np.arange(len(share), -1, -1, dtype=np.float64)
    rest, before = total[0] - total, count[0] - count

    def likelihood(of: Float64s, blocks: Float64s) -> Float64s:
        mean = np.clip(of / np.maximum(blocks, 1.0), 1e-12, 1.0 - 1e-12)
        return np.asarray(of * np.log(mean) + (blocks - of) * np.log1p(-mean))

    ratio = likelihood(total, count) + likelihood(rest, before) - likelihood(total[:1], count[:1])
    rises: Float64s = np.where(total * before > rest * count, ratio, 0.0)[:-1]
    return rises


def moved(framed: FramedHistory, series: int, since: int) -> list[int]:
    """Indices of the sensors whose values moved most, against how they moved before; the first most. `since` in ns."""
    rows = np.flatnonzero((framed.series == series) & framed.normal)
    after = int(np.searchsorted(framed.time[rows], since))
    old, new = evenly(rows[:after], MOST_ROWS), evenly(rows[after:], MOST_ROWS)
    if not min(len(old), len(new)):
        return []
    values, half = framed.values, len(old) // 2
    here = [_distance(old, new) for old, new in zip(values[old].T, values[new].T, strict=True)]
    within = [_distance(one, other) for one, other in zip(values[old[:half]].T, values[old[half:]].T, strict=True)]
    far = np.subtract(here, within)
    return [at for at in np.argsort(-far, kind="stable")[:SENSORS].tolist() if far[at] >= MOVED]


def _distance(one: Float64s, other: Float64s) -> float:
    """Largest difference of the distributions of two samples, in [0, 1], by Kolmogorov and Smirnov; NaN left out."""
    one, other = (np.sort(values[~np.isnan(values)]) for values in (one, other))
    if not min(len(one), len(other)):
        return 0.0
    at = np.concatenate([one, other])
    below = (np.searchsorted(values, at, "right") / len(values) for values in (one, other))
    return float(np.abs(np.subtract(*below)).max())
