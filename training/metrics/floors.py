"""Floors: simple or senseless detectors to compare with. Causal, fitted on the fit rows only, untuned.

A floor is fitted on rows float64 (n, F). It returns a function from rows float64 (T, F) to scores float64 (T,), >= 0.
The score of a row depends on that row alone. A missing value (not finite) counts as the sensor's mean. Without rows to
fit on a floor raises a DataError.
"""

from collections.abc import Callable, Mapping
from zlib import crc32

import numpy as np
from sklearn.ensemble import IsolationForest

from stream.errors import DataError
from stream.intake.columns import Float64s
from training.data.moments import moments

Score = Callable[[Float64s], Float64s]
Floor = Callable[[Float64s], Score]

KEPT_VARIANCE = 0.9
TREES = 100
SEED = 0


def max_abs_z(fit: Float64s) -> Score:
    """Largest distance of any sensor from its mean, in its standard deviations."""
    standard = _standard(fit)
    return lambda rows: np.abs(standard(rows)).max(axis=1)


def pca_error(fit: Float64s) -> Score:
    """Mean squared error of the principal components that hold 90 % of the variance, sensors standardised.

    The error is 0 throughout where these are all components, as for a single sensor.
    """
    standard = _standard(fit)
    z = standard(fit)
    variance, component = np.linalg.eigh(z.T @ z)  # (F,) ascending, (F, F)
    beyond = np.cumsum(variance[::-1])[::-1] - variance  # variance of the larger ones together
    left_out = component[:, beyond >= KEPT_VARIANCE * variance.sum()]  # (F, F - kept)
    return lambda rows: np.square(standard(rows) @ left_out).sum(axis=1) / fit.shape[1]


def isolation_forest(fit: Float64s) -> Score:
    """Isolation by few random cuts: in (0, 1), about 0.5 for a normal row. 100 trees, fixed seed."""
    standard = _standard(fit)
    forest = IsolationForest(n_estimators=TREES, random_state=SEED).fit(standard(fit))
    return lambda rows: -forest.score_samples(standard(rows)) if len(rows) else np.zeros(0)


def always_on(fit: Float64s) -> Score:
    """1 for every row."""
    return lambda rows: np.ones(len(rows))


def random_score(fit: Float64s) -> Score:
    """A random number in [0, 1) for every row: the same in every run, another for another series.

    With equal numbers for all series, events in the same places would all be found or missed by the same chance.
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
    """Rows in standard deviations from the mean, float64 (T, F), by their plain moments, unclipped.

    A sensor without a value in the fit rows is 0 throughout.
    """
    if not len(fit):
        raise DataError(f"fit rows {fit.shape}; a floor is fitted on at least one row")
    of = moments(fit, with_wild=True)
    scale = np.where(of.deviation > 0, of.deviation, 1.0)
    return lambda rows: np.where(np.isfinite(rows) & (of.count > 0), (rows - of.mean) / scale, 0.0)
