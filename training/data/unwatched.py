"""Sensors that the model cannot watch: without a value in the fit part of any series, or constant in each of them.

Such a sensor has no unit. With scale 1 a move from 0.02 to 0.03 is invisible, and 40 and 80 are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from stream.detect.frames.condition import Condition
from stream.detect.frames.frames import Fitness
from stream.detect.policy import FramePolicy
from stream.errors import ConfigError, DataError
from stream.events.record import rfc3339
from stream.settings.detection import RuleSettings
from training.data.framing import FramedHistory
from training.data.moments import ROUNDING
from training.data.scaling import FitMoments
from training.vetting.sentinels import shown, yaml_key

# Half the width of a proposed range, as a share of the value: any move of a sensor that stands still leaves it.
CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Unwatched:
    """The reason why the model does not watch a sensor.

    Attributes:
        value: the one that the sensor has in all series; None: it has none, or one in each series.
        is_kept: it stays in the bundle, with scale 1, because `score_when` or a range reads it.
    """

    why: str
    value: float | None
    is_kept: bool = False

    def setting(self, sensor: str) -> str | None:
        """The setting by which a move of the sensor opens an incident; None: no range is known."""
        if self.value is None or self.is_kept:
            return None
        near = CLOSE * (abs(self.value) or 1.0)
        limits = f"[{shown(self.value - near)}, {shown(self.value + near)}]"
        return f"rules.sensors: {{{yaml_key(sensor)}: {{valid: {limits}}}}}"


def unwatched(framed: FramedHistory, fitted: FitMoments, sensors: tuple[str, ...]) -> dict[str, Unwatched]:
    """The sensors that move in the fit part of no series."""
    places = np.flatnonzero(~fitted.moving.any(axis=0)).tolist()
    return {sensors[place]: _unwatched(framed, fitted, place) for place in places}


def with_kept(
    found: Mapping[str, Unwatched], sensors: tuple[str, ...], policy: FramePolicy, rules: RuleSettings
) -> dict[str, Unwatched]:
    """Marks the sensors of `found` that `score_when` or a range reads.

    Raises:
        ConfigError: a rule compares deviations of such a sensor, which has none.
        DataError: no sensor is left to watch.
    """
    for name, of in found.items():
        if name in rules.sensors and rules.sensors[name].vetoes:
            raise ConfigError(
                f"rules.sensors.{name}: its deviations are to be compared, but it has none: {of.why}; remove "
                "`direction`, `min_absolute` and `min_relative`, or give a history in which it moves"
            )
    if found.keys() >= set(sensors):
        listed = "; ".join(f"{name}: {of.why}" for name, of in found.items())
        raise DataError(
            f"no sensor moves in the part to fit on, so there is nothing to learn ({listed}); give a longer "
            "history, of normal operation"
        )
    readers = {limits.sensor: f"`rules.sensors.{limits.sensor}.valid`" for limits in policy.valid}
    if policy.score_when:
        readers |= dict.fromkeys(Condition(policy.score_when, sensors).used, "`frames.score_when`")
    kept = {
        name: replace(of, why=f"{of.why}; kept, with scale 1, for {readers[name]}", is_kept=True)
        for name, of in found.items()
        if name in readers
    }
    return dict(found) | kept


def _unwatched(framed: FramedHistory, fitted: FitMoments, sensor: int) -> Unwatched:
    """The reason, with the time from which on the sensor has values that say more."""
    count, known = int(fitted.own.count[:, sensor].sum()), fitted.known[:, sensor]
    levels = np.unique(fitted.own.mean[known, sensor]).tolist()
    if not levels:
        seen = "1 value" if count == 1 else f"{count} values" if count else "no value"
    else:
        seen = f"always {levels[0]:g}" if len(levels) == 1 else f"constant in each of {int(known.sum())} series"
    why = f"{seen} in the {int(fitted.rows.sum()):,} frames to fit on{_first_news(framed, fitted, sensor)}"
    return Unwatched(why, levels[0] if len(levels) == 1 else None)


def _first_news(framed: FramedHistory, fitted: FitMoments, sensor: int) -> str:
    """The first time at which the sensor has another value than in the fit part of its series; off frames apart."""
    known = dict(zip(fitted.names, np.where(fitted.known, fitted.own.mean, np.nan)[:, sensor].tolist(), strict=True))
    level = np.array([known.get(name, np.nan) for name in framed.names])[framed.series]
    values = framed.values[:, sensor]
    other = np.isfinite(values) & ~(np.abs(values - level) <= ROUNDING * np.abs(level))
    news = framed.time[other & (framed.fitness != Fitness.OFF)]
    if not len(news):
        return ""
    return f"; it {'has values' if np.isnan(level).all() else 'moves'} from {rfc3339(int(news.min()))} on"
