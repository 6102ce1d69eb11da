"""Lines for people about the values of a data set that are no numbers: the sensor, how many, where, what they cost."""

from collections.abc import Mapping, Sequence

from stream.events.account import MOST_SENSORS, SeriesAccount
from stream.intake.bad_values import BadSensor, BadValues, by_series, tallied
from stream.messages import counted, some

_COSTS = {
    False: "the sensor has no value there (`input.bad_values: missing`)",
    True: "these rows are left out (`input.bad_values: dead`)",
}


def bad_value_lines(accounts: Sequence[SeriesAccount], bad_is_dead: bool) -> list[str]:
    """A line for each sensor with values that are no numbers, those with the most first; the last counts the others.

    Args:
        bad_is_dead: such a value kills its row, as `Layout.bad_is_dead`.
    """
    return _lines({account.series: account.bad_values for account in accounts}, bad_is_dead)


def lines_of_values(bad: BadValues, bad_is_dead: bool) -> list[str]:
    """The same lines, for the bad values of a data set."""
    return _lines({series: tallied(of).sensors() for series, of in by_series(bad).items()}, bad_is_dead)


def sentinel_line(sensors: Sequence[str], counts: Sequence[int]) -> str | None:
    """Names the sensors with values that mean none, the most first; `counts`: (F,). None: there are none."""
    found = sorted(zip(counts, sensors, strict=False), key=lambda one: -one[0])
    texts = [f"{count:,} of `{name}`" for count, name in found if count]
    return f"{some(texts, MOST_SENSORS)} mean no value (`frames.sentinels`)" if texts else None


def _lines(series: Mapping[str, Sequence[BadSensor]], bad_is_dead: bool) -> list[str]:
    found: dict[str, list[tuple[str, BadSensor]]] = {}
    for name, bad_sensors in series.items():
        for bad in bad_sensors:
            found.setdefault(bad.sensor, []).append((name, bad))
    worst = sorted(found.values(), key=lambda of: -sum(bad.values for _, bad in of))
    lines = [f"{_seen(of)}: {_COSTS[bad_is_dead]}" for of in worst[:MOST_SENSORS]]
    others = [bad.values for of in worst[MOST_SENSORS:] for _, bad in of]
    if others:
        sensors = counted(len(worst) - MOST_SENSORS, "further sensor")
        lines.append(f"{sensors}: {sum(others):,} values are no numbers; `narrows replay --accounts FILE` has them all")
    return lines


def _seen(of: Sequence[tuple[str, BadSensor]]) -> str:
    """The series, the number, the first texts and the first rows of the bad values of a sensor."""
    most, example = max(of, key=lambda one: one[1].values)
    where = f"series {most!r}" if len(of) == 1 else f"{len(of):,} series, most in {most!r}"
    texts = list(dict.fromkeys(text for _, bad in of for text in bad.seen))[:MOST_SENSORS]
    kinds = {kind: sum(bad.kinds.get(kind, 0) for _, bad in of) for _, bad in of for kind in bad.kinds}
    together = BadSensor(example.sensor, sum(bad.values for _, bad in of), kinds, texts, [])
    rows = sorted(row for _, bad in of for row in bad.positions)[:MOST_SENSORS]
    return f"{where}: {together.text} (row{'s' * (len(rows) > 1)} {', '.join(f'{row:,}' for row in rows)})"
