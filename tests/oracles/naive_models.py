"""Reconstructions by one member of each model kind: one window and one unit at a time, in float64.

Weights are those of one member, by name: "<layer>.weight" (outputs, inputs) and "<layer>.bias" (outputs,).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def affine(weights: dict[str, Floats], name: str, values: Floats) -> Floats:
    """The outputs of one layer."""
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return np.array(
        [sum(w * v for w, v in zip(row, values, strict=True)) + b for row, b in zip(weight, bias, strict=True)]
    )


def naive_dense(weights: dict[str, Floats], window: Floats) -> Floats:
    """The reconstruction (W, F) of a dense model, and of a variational one, whose code is its mean."""
    hidden = np.maximum(affine(weights, "encode", window.ravel()), 0)
    decoded = np.maximum(affine(weights, "decode", affine(weights, "code", hidden)), 0)
    return affine(weights, "output", decoded).reshape(window.shape)


def naive_linear(weights: dict[str, Floats], window: Floats) -> Floats:
    """The reconstruction (W, F) of a linear model."""
    return affine(weights, "output", affine(weights, "code", window.ravel())).reshape(window.shape)


def naive_conv(weights: dict[str, Floats], window: Floats) -> Floats:
    """The reconstruction (W, F) of a convolutional model."""

    def narrow(steps: Floats, name: str) -> Floats:
        framed = np.vstack([0 * steps[:1], steps, 0 * steps[:1]])
        return np.array(
            [np.maximum(affine(weights, name, framed[i : i + 4].ravel()), 0) for i in range(0, len(steps), 2)]
        )

    def widen(steps: Floats, name: str) -> Floats:
        framed = np.vstack([0 * steps[:1], steps, 0 * steps[:1]])
        rows = []
        for i in range(len(steps)):
            rows.append(affine(weights, f"{name}_even", framed[i : i + 2].ravel()))
            rows.append(affine(weights, f"{name}_odd", framed[i + 1 : i + 3].ravel()))
        return np.array(rows)

    front = np.zeros((-len(window) % 4, window.shape[1]))
    steps = narrow(narrow(np.vstack([front, window]), "narrow1"), "narrow2")
    spread = np.maximum(affine(weights, "spread", affine(weights, "code", steps.ravel())), 0).reshape(steps.shape)
    return widen(np.maximum(widen(spread, "widen1"), 0), "output")[-len(window) :]
