"""Intervals as a person would write them: 1, 2, 5, 10, 15, 30 seconds, minutes or hours."""

SECOND = 1_000_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
DURATION_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_USUAL: tuple[int, ...] = (
    *(digit * int(10**power) for power in range(9) for digit in (1, 2, 5)),
    *(count * unit for unit in (SECOND, MINUTE) for count in (1, 2, 3, 5, 10, 15, 20, 30)),
    *(count * HOUR for count in (1, 2, 3, 4, 6, 8, 12)),
    *(count * DAY for count in (1, 2, 7, 14, 28)),
)
# A regular step this close to a usual interval is that interval with jitter.
JITTER = 0.05
# A tick may be this much shorter than the step: few ticks are then without a value.
LEAST = 0.9
# A longer spelling of a duration is rounded where it is only read.
MOST_CHARACTERS = 5


def format_duration(length: int) -> str:
    """The shortest exact spelling of `length` ns: 90 s is `90s`, 120 s is `2m`. A configuration reads it back."""
    if length == 0:
        return "0s"
    unit, size = max(((unit, size) for unit, size in DURATION_UNITS.items() if length % size == 0), key=lambda u: u[1])
    return f"{length // size}{unit}"


def spoken(length: int) -> str:
    """About `length` ns, short enough to read: 177.2 s is `177s`, 3.616447 s `3616ms`."""
    exact = format_duration(length)
    return exact if len(exact) <= MOST_CHARACTERS else format_duration(_whole(length))


def _whole(length: int) -> int:
    """`length` in whole numbers of the largest unit of which it has ten, at least; ns."""
    unit = max(size for size in DURATION_UNITS.values() if 10 * size <= max(length, 10))
    return round(length / unit) * unit


def readable(step: int, steady: bool) -> int:
    """The interval of a step, both in ns, as a person would write it.

    Args:
        step: a usual step, > 0.
        steady: the steps are regular but for jitter. Then 97.03 s is 97 s; else it is the next usual interval, or one
            that is a little shorter.
    """
    usual = next((usual for usual in _USUAL if usual >= LEAST * step), step)
    if not steady or abs(usual - step) <= JITTER * step:
        return usual
    return _whole(step)
