"""Sensors that the model cannot watch: without a value in the fit part of any series, or constant in each of them.

Such a sensor has no unit. With scale 1 a move from 0.02 to 0.03 is invisible, and 40 and 80 are the same.
"""

from collections.abc import Mapping

import numpy as np

from stream.detect.frames.condition import Condition
from stream.detect.policy import FramePolicy
from stream.errors import ConfigError, DataError
from stream.events.record import rfc3339
from stream.settings.detection import RuleSettings
from training.data.framing import FramedHistory
from training.data.moments import ROUNDING
from training.data.scaling import FitMoments

KEPT = "; kept, with scale 1, as {} reads it"


def unwatched(framed: FramedHistory, fitted: FitMoments, sensors: tuple[str, ...]) -> dict[str, str]:
    """The sensors that move in the fit part of no series, and why."""
    places = np.flatnonzero(~fitted.moving.any(axis=0)).tolist()
    return {sensors[place]: _why(framed, fitted, place) for place in places}


def droppable(
    found: Mapping[str, str], sensors: tuple[str, ...], policy: FramePolicy, rules: RuleSettings
) -> tuple[set[str], dict[str, str]]:
    """The sensors of `found` that the bundle can do without, and all of `found`, with the reason why others are kept.

    Raises:
        ConfigError: a rule compares deviations of such a sensor, which has none.
        DataError: no sensor is left to watch.
    """
    vetoing = [name for name in found if name in rules.sensors and rules.sensors[name].vetoes]
    if vetoing:
        name, why = vetoing[0], found[vetoing[0]]
        raise ConfigError(
            f"rules.sensors.{name}: this sensor has {why}, so it has no deviation to compare; remove `direction`, "
            "`min_absolute` and `min_relative` of it, or give a history in which it moves"
        )
    if found.keys() >= set(sensors):
        listed = "; ".join(f"{name}: {why}" for name, why in found.items())
        raise DataError(f"no sensor moves in the frames to fit on ({listed}); give a history with normal operation")
    readers = {limits.sensor: f"rules.sensors.{limits.sensor}.valid" for limits in policy.valid}
    if policy.score_when:
        readers |= dict.fromkeys(Condition(policy.score_when, sensors).used, "frames.score_when")
    kept = {name: why + KEPT.format(readers[name]) for name, why in found.items() if name in readers}
    return found.keys() - readers.keys(), dict(found) | kept


def _why(framed: FramedHistory, fitted: FitMoments, sensor: int) -> str:
    """The reason, and the time from which on the sensor has values that say more."""
    count, frames = int(fitted.own.count[:, sensor].sum()), int(fitted.rows.sum())
    known, later = fitted.known[:, sensor], _first_news(framed, fitted, sensor)
    if not known.any():
        return f"{count or 'no'} values in the {frames:,} frames to fit on{later}"
    levels = np.unique(fitted.own.mean[known, sensor])
    held = f"the value {levels[0]:g}" if len(levels) == 1 else f"one value in each of {int(known.sum())} series"
    return f"{held} in all of the {frames:,} frames to fit on{later}"


def _first_news(framed: FramedHistory, fitted: FitMoments, sensor: int) -> str:
    """The first time at which the sensor has another value than in the fit part of its series."""
    known = dict(zip(fitted.names, np.where(fitted.known, fitted.own.mean, np.nan)[:, sensor].tolist(), strict=True))
    level = np.array([known.get(name, np.nan) for name in framed.names])[framed.series]
    values = framed.values[:, sensor]
    news = framed.time[np.isfinite(values) & ~(np.abs(values - level) <= ROUNDING * np.abs(level))]
    if not len(news):
        return ""
    return f"; it {'has values' if np.isnan(level).all() else 'moves'} from {rfc3339(int(news.min()))} on"
