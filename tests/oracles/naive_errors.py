"""The error of one window of one member, and the penalty of its discriminator: plain lists, cell by cell."""

from typing import Any

NAN = float("nan")


def naive_errors(
    reconstructed: list[list[float]],
    observed: list[list[float]],
    masked: list[list[bool]],
    loss: str,
    scales: list[float],
) -> tuple[float, list[float]]:
    """The error of one window of one member, and that of each sensor, from frames (rows) of F values."""

    def cell(residual: float) -> float:
        return 2 * abs(residual) - 1 if loss == "huber" and abs(residual) > 1 else residual**2

    def mean(values: list[float]) -> float:
        return sum(values) / len(values) if values else NAN

    sensors = len(reconstructed[0])
    cells: list[list[float]] = [[] for _ in range(sensors)]
    for reconstructed_row, observed_row, masked_row in zip(reconstructed, observed, masked, strict=True):
        for f in range(sensors):
            if not masked_row[f]:
                cells[f].append(cell(reconstructed_row[f] - observed_row[f]) / scales[f])
    return mean([error for own in cells for error in own]), [mean(own) for own in cells]


def naive_penalty(
    reconstructed: list[list[float]], observed: list[list[float]], masked: list[list[bool]], w: dict[str, Any]
) -> float:
    """The penalty that one member's discriminator adds to the error of one window; weights are nested lists."""

    def logit(residuals: list[float]) -> float:
        inputs = [r / (1 + abs(r)) for r in residuals]
        units = zip(w["first.weight"], w["first.bias"], strict=True)
        hidden = [max(0.0, sum(a * x for a, x in zip(row, inputs, strict=True)) + b) for row, b in units]
        return float(sum(a * h for a, h in zip(w["second.weight"][0], hidden, strict=True)) + w["second.bias"][0])

    excess = []
    for f in range(len(reconstructed[0])):
        if all(row[f] for row in masked):
            continue
        rows = zip(reconstructed, observed, masked, strict=True)
        residuals = [0.0 if hole[f] else (r[f] - o[f]) / w["unit"][f] for r, o, hole in rows]
        excess.append(min(3.0, max(0.0, (logit(residuals) - w["floor"][f]) * w["slope"][f])))
    return float(w["reach"]) * sum(excess) / len(excess) if excess else NAN
