"""Synthetic anomalies in the slow and obvious way. Imports nothing of the product."""


def naive_anomaly(
    kind: str,
    size: float,
    begin: int,
    clip: float,
    segment: list[list[float]],
    made: list[list[float]],
    touched: list[int],
    others: list[list[list[float]]],
) -> bool:
    """Checks that `made` is the segment (L, F) with an anomaly of this kind and size in the sensors `touched`.

    Args:
        begin: frame in which it begins.
        others: segments that a broken correlation may take values from.
    """
    frames = len(segment)

    def same(expected: list[float], sensor: int) -> bool:
        return all(
            abs(row[sensor] - max(-clip, min(clip, value))) < 1e-5 for row, value in zip(made, expected, strict=True)
        )

    sensor = touched[0]
    was = [row[sensor] for row in segment]
    if kind == "noise_burst":  # noise has no expected value
        return all(made[t][sensor] == max(-clip, min(clip, was[t])) for t in range(begin))
    if kind in ("spike", "level_shift", "drift"):
        by = {
            "spike": [size if t == begin else 0.0 for t in range(frames)],
            "level_shift": [size if t >= begin else 0.0 for t in range(frames)],
            "drift": [size * (t - begin + 1) / (frames - begin) if t >= begin else 0.0 for t in range(frames)],
        }[kind]
        return any(same([a + sign * b for a, b in zip(was, by, strict=True)], sensor) for sign in (1, -1))
    if kind == "freeze":
        still = frames - int(size)
        return same([was[t] if t < still else was[still - 1] for t in range(frames)], sensor)
    if kind == "phase_shift":
        late = int(size)
        return same([was[t] if t < max(begin, late) else was[t - late] for t in range(frames)], sensor)
    if kind == "swap":
        return all(
            same([a[one] if t < begin else (1 - size) * a[one] + size * a[two] for t, a in enumerate(segment)], one)
            for one, two in (touched, touched[::-1])
        )
    keep = (1 - size * size) ** 0.5
    return any(
        same([was[t] if t < begin else keep * was[t] + size * other[t][sensor] for t in range(frames)], sensor)
        for other in others
    )
