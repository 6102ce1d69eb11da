"""The windows with the highest scores, with the observed and the expected values of their sensors."""

from dataclasses import dataclass

import numpy as np

from stream.detect.definition import Definition
from stream.detect.frames.frames import Fitness
from stream.detect.frames.scale import scaled
from stream.detect.naming import Deviations, named
from stream.detect.policy import VIEWS, View
from stream.detect.slots import Segments
from stream.intake.columns import Float64s, Int8s, Int64s
from training.evaluate.labelled import LabelledScores

WINDOWS, SENSORS = 6, 3
# A score below this share of the highest is not among the worst.
LEAST = 0.1


@dataclass(frozen=True)
class SensorTrace:
    """One sensor in its own units: float64 (n,), NaN where it is missing, or where nothing is expected yet."""

    name: str
    share: float
    observed: Float64s
    expected: Float64s


@dataclass(frozen=True)
class WorstWindow:
    """n frames around a peak of the score.

    Attributes:
        time: int64 (n,), ns.
        score: at the peak, which is frame `peak` of the n.
        labelled: the frame of the peak is labelled.
        sensors: those whose deviation stands out, as in alerts, with their shares of the error over the M frames that
            make the peak's level.
    """

    series: str
    time: Int64s
    peak: int
    score: float
    labelled: bool
    sensors: tuple[SensorTrace, ...]


def worst_windows(labelled: LabelledScores, definition: Definition) -> list[WorstWindow]:
    """Picks the highest peaks, at least twice W + M frames apart, and none below a tenth of the highest.

    Each series gets an equal share of the windows, and two at least.
    """
    apart = 2 * definition.spec.block
    score, runs = np.nan_to_num(labelled.score, nan=-1.0), Segments(labelled.frames.series)
    left = np.full(len(runs.start), max(2, WINDOWS // len(runs.start)))
    least = LEAST * score.max()
    chosen: list[WorstWindow] = []
    while len(chosen) < WINDOWS and score.max() >= least:
        peak = int(np.argmax(score))
        run = int(runs.of_row[peak])
        first, last = int(runs.start[run]), int(runs.end[run])
        chosen.append(window_around(labelled, definition, peak, first, last))
        left[run] -= 1
        near = slice(max(first, peak - apart), min(last, peak + apart + 1)) if left[run] else slice(first, last)
        score[near] = -1.0
    return chosen


def window_around(labelled: LabelledScores, definition: Definition, peak: int, first: int, last: int) -> WorstWindow:
    """The window from two windows and a level before the peak to half a window after it, within rows first to last."""
    spec, frames = definition.spec, labelled.frames
    begin, end = max(first, peak - 2 * spec.window - spec.smoothing), min(last, peak + spec.window // 2 + 1)
    expected, error, views = _reconstructed(labelled, begin, end, definition)
    view = VIEWS[views[peak - begin]] if views[peak - begin] >= 0 else spec.views[-1]
    carried = np.nansum(error[max(peak - begin - spec.smoothing + 1, 0) : peak - begin + 1], axis=0)
    share = carried / max(float(carried.sum()), np.finfo(np.float64).tiny)
    series, spanned = frames.names[frames.series[peak]], max(spec.frames_of(view), spec.smoothing)
    window = np.arange(max(begin, peak - spanned + 1), peak + 1)
    return WorstWindow(
        series=series,
        time=frames.time[begin:end],
        peak=peak - begin,
        score=float(labelled.score[peak]),
        labelled=bool(frames.marked[peak]),
        sensors=tuple(
            SensorTrace(definition.sensors[f], float(share[f]), frames.values[begin:end, f], expected[:, f])
            for f in _named(share, frames.values[window], expected[window - begin], definition, series, view)
        ),
    )


def _named(
    share: Float64s, observed: Float64s, expected: Float64s, definition: Definition, series: str, view: View
) -> list[int]:
    """Places of the sensors to show, from their values (frames, F) that the view of the peak spans."""
    scales, row = definition.scales, definition.scales.row(series)
    size, away = (np.fmax(np.abs(observed - other) / scales.scale[row], -1.0) for other in (expected, scales.mean[row]))
    usual = np.sqrt(definition.ensemble.scales_of(view))
    places: list[int] = named(Deviations(share, size, away, usual, scales.still[row]), SENSORS).sensors.tolist()
    return places


def _reconstructed(
    labelled: LabelledScores, begin: int, end: int, definition: Definition
) -> tuple[Float64s, Float64s, Int8s]:
    """Reconstructs frames `begin` to `end` of one series.

    Returns:
        Expected values in the sensors' units, and errors: float64 (n, F) each, NaN where a frame has no whole window.
        View of each error: int8 (n,), a place in `VIEWS`, -1 where there is none.
    """
    frames = labelled.frames
    window, row = definition.spec.window, definition.scales.row(frames.names[frames.series[begin]])
    mean, scale, still = definition.scales.mean[row], definition.scales.scale[row], definition.scales.still[row]
    back = max(begin - window + 1, 0)  # windows that would reach into another series are not due
    run = frames.run_within(frames.fitness != Fitness.OFF)
    due = begin + np.flatnonzero((run[begin:end] >= window) & (frames.fitness[begin:end] == Fitness.WHOLE))
    fed = scaled(frames.values[back:end], mean, scale, definition.policy)
    masked = np.isnan(frames.values[back:end])
    errors = definition.ensemble.errors(fed, due - back, masked)
    expected, error = np.full((2, end - begin, definition.spec.sensors), np.nan)
    views = np.full(end - begin, -1, np.int8)
    views[due - begin] = errors.view
    for i, at in enumerate((due - begin).tolist()):
        expected[at] = np.where(still, mean, errors.expected(i) * scale + mean)
        error[at] = errors.per_sensor(i)
    odd = definition.forms.of(fed, due - back, masked)
    scores, form = odd.scores(len(due))
    for i in np.flatnonzero(scores >= labelled.score[due]).tolist():
        views[due[i] - begin] = form[i]
        error[due[i] - begin] = odd.by_sensor(i, int(form[i]), definition.spec.sensors)
    return expected, error, views
