"""Sensors that move in the fit part of no series, so that no spread gives them a unit.

Without a value there, a sensor cannot be watched: with a made-up unit, 40 and 80 would be the same. A constant one
stays, with a unit by its value: on public data, leaving such sensors out loses faults that move them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stream.detect.frames.frames import Fitness
from stream.detect.policy import FramePolicy
from stream.errors import ConfigError, DataError
from stream.events.record import rfc3339
from stream.settings.detection import RuleSettings
from training.data.framing import FramedHistory
from training.data.moments import ROUNDING
from training.data.scaling import FitMoments, unit_at_rest
from training.defaults import settings_that_read
from training.vetting.sentinels import shown, yaml_key

# Half the width of a proposed range, as a share of the value: any move of a sensor that stands still leaves it.
CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Unscaled:
    """A sensor that moves in the fit part of no series.

    Attributes:
        count: its values there.
        is_still: they are enough to know that it stands still.
        value: at which it stands in all series; None: it has none, or one in each series.
    """

    why: str
    count: int
    is_still: bool
    value: float | None

    def setting(self, sensor: str) -> str | None:
        """The setting by which any move of the sensor opens an incident; None: no range is known."""
        if self.value is None:
            return None
        near = CLOSE * (abs(self.value) or 1.0)
        limits = f"[{shown(self.value - near)}, {shown(self.value + near)}]"
        return f"rules.sensors: {{{yaml_key(sensor)}: {{valid: {limits}}}}}"


def unscaled(framed: FramedHistory, fitted: FitMoments, sensors: tuple[str, ...]) -> dict[str, Unscaled]:
    """The sensors that move in the fit part of no series.

    Raises:
        DataError: these are all sensors.
    """
    places = np.flatnonzero(~fitted.moving.any(axis=0)).tolist()
    found = {sensors[place]: _unscaled(framed, fitted, place) for place in places}
    if len(found) == len(sensors):
        listed = "; ".join(f"{name}: {of.why}" for name, of in found.items())
        raise DataError(
            f"no sensor moves in the part to fit on, so there is nothing to learn; give a longer history, of "
            f"normal operation ({listed})"
        )
    return found


def to_drop(
    found: Mapping[str, Unscaled], sensors: tuple[str, ...], policy: FramePolicy, rules: RuleSettings
) -> set[str]:
    """The sensors of `found` that cannot be watched. Those with few values stay where a setting reads them.

    Raises:
        ConfigError: a setting reads a sensor that has no value.
    """
    readers = settings_that_read(sensors, policy, rules)
    absent = {name: of for name, of in found.items() if not of.is_still}
    for name, of in absent.items():
        if name in readers and not of.count:
            raise ConfigError(
                f"{readers[name]}: reads {name}, which has {of.why}; take {name} out of this setting, or give a "
                "history in which it has values"
            )
    return absent.keys() - readers.keys()


def _unscaled(framed: FramedHistory, fitted: FitMoments, sensor: int) -> Unscaled:
    """The reason, with the time from which on the sensor has values that say more."""
    count, known = int(fitted.own.count[:, sensor].sum()), fitted.known[:, sensor]
    levels, news = np.unique(fitted.own.mean[known, sensor]).tolist(), _first_news(framed, fitted, sensor)
    frames = f"in the {int(fitted.rows.sum()):,} frames to fit on{news}"
    if not levels:
        values = "1 value" if count == 1 else f"{count} values" if count else "no value"
        return Unscaled(f"{values} {frames}", count, False, None)
    units = sorted({float(unit) for unit in unit_at_rest(np.array(levels))})
    unit = f"{units[0]:g}" if len(units) == 1 else f"{units[0]:g} to {units[-1]:g}"
    seen = f"always {levels[0]:g}" if len(levels) == 1 else f"constant in each of {int(known.sum())} series"
    why = f"{seen} {frames}; moves that are small against {unit} are not seen"
    return Unscaled(why, count, True, levels[0] if len(levels) == 1 else None)


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
