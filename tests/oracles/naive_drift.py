"""Selection of frames for thresholds, and the error of a mean, the slow and obvious way. Imports no product code."""

import math


def stretches(series: list[int], size: int) -> list[int]:
    """Numbers the tenths of each series, in whole blocks of `size` rows: the tenth of each row."""
    found: list[int] = []
    for name in dict.fromkeys(series):
        count = math.ceil(series.count(name) / size)
        found += [row // size * 10 // max(count, 10) for row in range(series.count(name))]
    return found


def standard_error(values: list[float], stretch: list[int]) -> float:
    """Standard error of the mean of values that vary together within a stretch, from the sums of the stretches."""
    middle = sum(values) / len(values)
    sums = [sum(v - middle for v, s in zip(values, stretch, strict=True) if s == which) for which in set(stretch)]
    count = len(sums)
    return math.sqrt(count * sum(total**2 for total in sums) / (count - 1)) / len(values)


def selected(
    series: list[int],
    gap: list[bool],
    good: list[bool],
    incident: list[bool],
    exceeding: list[bool],
    block: int,
) -> list[bool]:
    """Selects the frames, sorted by series, that may set thresholds.

    Args:
        gap: the frame follows a gap.
        good: the frame may set thresholds, unless an incident is near.
        incident: the frame is in an incident.
        block: W + M. A level depends on the W + M - 1 frames up to it.
    """

    def supported(at: int, allowed: list[bool]) -> bool:
        rows = range(at - block + 2, at + 1)
        return rows[0] >= 0 and all(
            allowed[row] and series[row] == series[at] and (row == rows[0] or not gap[row]) for row in rows
        )

    def leads_to_one(at: int) -> bool:
        return any(incident[row] for row in range(at, min(at + block, len(series))) if series[row] == series[at])

    calm = [fine and not leads_to_one(at) for at, fine in enumerate(good)]
    near = [supported(at, good) and not supported(at, calm) for at in range(len(series))]
    used = []
    for at, name in enumerate(series):
        own = [row for row, other in enumerate(series) if other == name]
        of_series = sum(good[row] for row in own)
        around = sum(near[row] and not incident[row] for row in own)
        inside = sum(good[row] and incident[row] for row in own)
        are_few = around <= 0.05 * of_series and inside <= 0.25 * of_series
        left_out = are_few and (near[at] or incident[at])
        used.append(supported(at, good) and not exceeding[at] and not left_out)
    return used
