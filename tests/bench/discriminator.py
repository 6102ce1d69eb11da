"""Cost of a discriminator: windows scored per second with and without one, by turns in one process.

`python -m tests.bench.discriminator`; the model is that of `tests.bench`, with random weights.
"""

import time

import msgspec
import numpy as np
import torch

from stream.detect.model.ensemble import Ensemble
from tests.bench.plant import HIDDEN, LATENT, SENSORS, SMOOTHING, WINDOW
from tests.support.builders import a_spec, weights_of
from training.defaults import DISCRIMINATOR

WINDOWS, TURNS = 512, 500


def main() -> None:
    """Prints windows per second of the best turns, and their ratio: other load can only slow a turn down."""
    torch.set_num_threads(1)
    for members in (1, 5):
        plain = a_spec("dense", WINDOW, SMOOTHING, SENSORS, HIDDEN, LATENT, members, error_span="window")
        specs = (plain, msgspec.structs.replace(plain, discriminator=DISCRIMINATOR))
        ensembles = [Ensemble(spec, weights_of(spec, range(members))) for spec in specs]
        turns = [[_rate(ensemble) for ensemble in ensembles] for _ in range(TURNS)]
        without, penalised = (max(rates) for rates in zip(*turns, strict=True))
        print(f"K = {members}: {without:,.0f} windows/s without, {penalised:,.0f} with, x {penalised / without:.2f}")


def _rate(ensemble: Ensemble) -> float:
    frames = np.random.default_rng(0).standard_normal((WINDOWS + WINDOW, SENSORS)).astype(np.float32)
    ends = np.arange(WINDOW - 1, WINDOW - 1 + WINDOWS)
    started = time.perf_counter()
    ensemble.errors(frames, ends)
    return WINDOWS / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
