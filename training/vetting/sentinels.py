"""Sentinels: values that loggers write where there is no value, such as -9999, 65535 or 1e20."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stream.intake.columns import Float64s, Int32s, Int64s
from training.vetting.isolated import FEWEST_LEVELS, MOST_CODES, Sample, levels, samples, split

# A measurement hardly repeats to the bit, far from all others, more often than by a carried value or two.
FEWEST_REPEATS = 3
# A value so many times as large as all others is no measurement, whatever it is. Bursts of a good sensor reach 50.
TIMES_LARGER = 100.0
# The end of an integer among states is so many times as large as their numbers: 255 may be a state beside 0 and 1,
# 65535 is none.
TIMES_STATES = 1000.0
# Isolated values of which fewer are repeated are wild: an event, not a code.
MOSTLY = 0.9
# Larger shares of a value that may be real are a state, such as a machine that is off.
MOST_REAL = 0.1
# Nines, with or without a fraction, are written as codes: -99, -999.25, 9999. So are the ends of integers and floats.
NINES = re.compile(r"-?9{2,}(\.(9+|0|25))?")
ENDS = frozenset({255.0, *(2.0**bits - 1 for bits in (15, 16, 31, 32)), *(-(2.0**bits) for bits in (15, 31))})
HUGE = 1e15
# Digits of a float32; its nines end in noise as float64.
DIGITS = 7
BOOLEANS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


@dataclass(frozen=True, slots=True)
class Sentinel:
    """A repeated value of a sensor, isolated from all its other values.

    Attributes:
        low, high: range of the other values, isolated ones left out.
        rows: int64 (n,), that hold the value; ascending.
        share: of the sensor's values.
        clear: no measurement at all. Else it may be one, such as the value of a machine that is off.
    """

    sensor: str
    value: float
    low: float
    high: float
    rows: Int64s
    share: float
    clear: bool

    @property
    def reason(self) -> str:
        """The distance from the other values, in numbers."""
        others = f"are {self.low:.6g}"
        if self.high > self.low:
            times = max(self.low - self.value, self.value - self.high) / (self.high - self.low)
            far = f"{times:,.0f}" if 10 <= times < HUGE else f"{times:.2g}"
            others = f"are between {self.low:.6g} and {self.high:.6g}, {far} times that range away"
        maybe = f"a code for no value (`{setting({self.sensor: [self.value]})}`), a limit, or a machine that is off"
        verdict = "no measurement" if self.clear else maybe
        return f"{shown(self.value)} in {self.share:.2%} of the values; all others {others}: {verdict}"


@np.errstate(all="ignore")
def likely_sentinels(values: Float64s, names: Sequence[str], series: Int32s | None = None) -> tuple[Sentinel, ...]:
    """Lists repeated values far outside of the rest of their sensor, which likely mean that there was no value.

    Takes time O(T log T) for each sensor.

    Args:
        values: float64 (T, F); not finite: missing.
        names: the F sensors.
        series: int32 (T,), the rows of a series together; None for a single series.

    Returns:
        In the order of the sensors, then of the values. Those to propose as missing are `clear`.
    """
    series = np.zeros(len(values), np.int32) if series is None else series
    columns = (np.ascontiguousarray(values[:, sensor]) for sensor in range(len(names)))
    return tuple(
        one
        for name, column in zip(names, columns, strict=True)
        for one in sentinels_of(name, column, tuple(samples(column, series)))
    )


def setting(proposed: Mapping[str, Sequence[float]]) -> str:
    """The setting `frames.sentinels` in YAML, on one line."""
    each = (f"{yaml_key(name)}: [{', '.join(map(shown, values))}]" for name, values in proposed.items())
    return f"frames.sentinels: {{{', '.join(each)}}}"


def shown(value: float) -> str:
    """A number as YAML reads it back to the bit: integers without a fraction, exponents with one."""
    value = float(value)
    if value == round(value) and abs(value) < HUGE:
        return str(int(value))
    text = repr(value)
    return text if "." in text else text.replace("e", ".0e")


def yaml_key(name: str) -> str:
    """A name as a key of YAML: quoted where it is not plain, or where it would read as a boolean or null."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name.lower() not in BOOLEANS
    return name if plain else json.dumps(name, ensure_ascii=False)


def sentinels_of(name: str, column: Float64s, of: Sequence[Sample]) -> Iterator[Sentinel]:
    """Sentinels of a sensor, from its samples of each series and from all of them together.

    In one series all other values may be alike, though those of other series lie between. In another there may be no
    other value.
    """
    finite = column[np.isfinite(column)]
    parts = [(one.below, one.rest, one.above) for one in of]
    if len(of) != 1 or len(of[0].values) < len(finite):
        parts.append(split(np.sort(finite)))
    found: dict[float, tuple[float, float, bool]] = {}
    for below, rest, above in parts:
        if not len(below) and not len(above):
            continue
        low, high, measures = float(rest[0]), float(rest[-1]), levels(rest) >= FEWEST_LEVELS
        for end in filter(len, (below, above)):
            value, count = np.unique(end, return_counts=True)
            often = count >= FEWEST_REPEATS
            if often.sum() > MOST_CODES or not often.any():
                continue
            whole = count[often].sum() >= MOSTLY * len(end)
            for one in value[often].tolist():
                clear = _clear(one, max(abs(low), abs(high)), measures)
                if clear or (whole and measures and one not in found):
                    found[one] = (low, high, clear)
    for value, (low, high, clear) in sorted(found.items()):
        rows = np.flatnonzero(column == value)
        share = len(rows) / len(finite)
        if clear or share <= MOST_REAL:
            yield Sentinel(name, value, low, high, rows, share, clear)


def _clear(value: float, others: float, measures: bool) -> bool:
    """True for a value that is no measurement, beside other values up to `others` in size.

    Where the sensor does not measure, but has some states, also codes must be far larger than their numbers.
    """
    if measures:
        return is_code(value) or abs(value) >= TIMES_LARGER * others
    least = TIMES_LARGER if has_nines(value) else TIMES_STATES
    return (is_code(value) or abs(value) >= HUGE) and abs(value) >= least * max(others, 1.0)


def is_code(value: float) -> bool:
    """True for a number that software writes where it has no value."""
    return has_nines(value) or value in ENDS


def has_nines(value: float) -> bool:
    """True for a number of nines, with or without a fraction."""
    return bool(NINES.fullmatch(f"{value:.{DIGITS}g}"))
