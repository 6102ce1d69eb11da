"""Floors: what simple or senseless detectors reach on the same rows. Causal, fitted on the fit rows only, untuned.

A floor is fitted on rows float64 (n, F) and gives a function that scores rows float64 (T, F): float64 (T,), >= 0, the
score of a row from that row alone. A value that is missing (not finite) counts as the sensor's mean. No rows to fit
on are a DataError.
"""

from collections.abc import Callable, Mapping
from zlib import crc32

import numpy as np
from sklearn.ensemble import IsolationForest

from stream.detect.frames.scale import fit_scale
from stream.errors import DataError
from stream.intake.columns import Float64s

Score = Callable[[Float64s], Float64s]
Floor = Callable[[Float64s], Score]

KEPT_VARIANCE = 0.9
TREES = 100
SEED = 0


def max_abs_z(fit: Float64s) -> Score:
    """The largest distance of any sensor from its mean, in its standard deviations."""
    standard = _standard(fit)
    return lambda rows: np.abs(standard(rows)).max(axis=1)


def pca_error(fit: Float64s) -> Score:
    """Mean squared error of the principal components that hold 90 % of the variance, sensors standardised.

    0 throughout where those components are all there are: a single sensor has nothing to be reconstructed from.
    """
    standard = _standard(fit)
    z = standard(fit)
    variance, component = np.linalg.eigh(z.T @ z)  # (F,) ascending, (F, F)
    beyond = np.cumsum(variance[::-1])[::-1] - variance  # what the larger ones hold together
    left_out = component[:, beyond >= KEPT_VARIANCE * variance.sum()]  # (F, F - kept)
    return lambda rows: np.square(standard(rows) @ left_out).sum(axis=1) / fit.shape[1]


def isolation_forest(fit: Float64s) -> Score:
    """How few random cuts set a row apart: in (0, 1), about 0.5 for a normal row. 100 trees, fixed seed."""
    standard = _standard(fit)
    forest = IsolationForest(n_estimators=TREES, random_state=SEED).fit(standard(fit))
    return lambda rows: -forest.score_samples(standard(rows)) if len(rows) else np.zeros(0)


def always_on(fit: Float64s) -> Score:
    """1 for every row."""
    return lambda rows: np.ones(len(rows))


def random_score(fit: Float64s) -> Score:
    """A random number in [0, 1) for every row: the same in every run, others for other series.

    Were they the same for all series, those with events in the same places would repeat one stroke of luck.
    """
    history = crc32(fit.tobytes())
    return lambda rows: np.random.default_rng([SEED, history, crc32(rows[:1].tobytes())]).random(len(rows))


FLOORS: Mapping[str, Floor] = {
    "max abs z": max_abs_z,
    "PCA": pca_error,
    "isolation forest": isolation_forest,
    "always on": always_on,
    "random": random_score,
}


def _standard(fit: Float64s) -> Score:
    """Rows in standard deviations from the mean, float64 (T, F), with the moments that the detector has, unclipped.

    A sensor without a value in the fit rows is 0 throughout: nothing is known of it.
    """
    if not len(fit):
        raise DataError(f"fit rows {fit.shape}; a floor is fitted on at least one row")
    table = fit_scale(("fit",), np.zeros(len(fit), np.int32), fit, np.ones(len(fit), np.bool_))
    mean, scale, seen = table.mean[0], table.scale[0], np.isfinite(fit).any(axis=0)
    return lambda rows: np.where(np.isfinite(rows) & seen, (rows - mean) / scale, 0.0)
