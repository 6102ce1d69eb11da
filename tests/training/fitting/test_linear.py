"""A linear model learns what principal component analysis computes: the same subspace, the same error."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from stream.detect.model.ensemble import Ensemble
from stream.settings.detection import ModelSettings
from tests.support.builders import a_spec
from tests.support.options import fit_options
from training.defaults import choose_spec
from training.fitting.fit import FittedMembers, fit

WINDOW, SENSORS, LATENT, ROWS = 5, 4, 2, 3000
FIT, STOP = np.arange(WINDOW - 1, 2400), np.arange(2400 + WINDOW, ROWS)
SPEC = a_spec("linear", WINDOW, 1, SENSORS, 0, LATENT, members=2, dropout=0.0, error_span="window")
MOST_DEGREES = 3.0
MOST_ERROR = 1.01  # times that of PCA

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def frames() -> NDArray[np.float32]:
    """Sensors that follow two smooth causes, and one that is fresh each frame; off centre, with noise; scaled.

    The window's third component explains far less than its second: the subspace of two is well defined.
    """
    draw, rows = np.random.default_rng(0), np.arange(ROWS)
    causes = np.stack([np.sin(rows / 9 + 0.3), np.cos(rows / 23), draw.normal(size=ROWS)], axis=1) * [1.5, 1.0, 0.7]
    values = causes @ draw.normal(size=(3, SENSORS)) + 0.3 * draw.normal(size=(ROWS, SENSORS))
    scaled: NDArray[np.float32] = ((values - values.mean(axis=0)) / values.std(axis=0)).astype(np.float32)
    return scaled + np.array([0.5, 0.0, -0.3, 0.0], np.float32)


@pytest.fixture(scope="module")
def fitted(frames: NDArray[np.float32]) -> FittedMembers:
    """With the defaults of training."""
    return fit(frames, None, FIT, STOP, SPEC, fit_options(), lambda epoch: None)


def windows_of(frames: NDArray[np.float32], ends: NDArray[np.int64]) -> Floats:
    """Flattened windows that end at `ends`, float64 (N, W * F)."""
    return np.stack([frames[end - WINDOW + 1 : end + 1].ravel() for end in ends]).astype(np.float64)


def degrees_between(left: Floats, right: Floats) -> Floats:
    """Principal angles between the spans of the columns, largest first.

    Source: Björck and Golub 1973, "Numerical methods for computing angles between linear subspaces".
    """
    cosines = np.linalg.svd(np.linalg.qr(left)[0].T @ np.linalg.qr(right)[0], compute_uv=False)
    angles: Floats = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))[::-1]
    return angles


def test_angles_are_those_of_known_planes() -> None:
    plane = np.eye(3)[:, :2]
    tilted = np.array([[1.0, 0.0], [0.0, np.cos(0.2)], [0.0, np.sin(0.2)]])
    np.testing.assert_allclose(degrees_between(plane, 3 * plane[:, ::-1]), 0.0, atol=1e-5)
    np.testing.assert_allclose(degrees_between(plane, tilted), [np.degrees(0.2), 0.0], atol=1e-5)


def test_what_it_can_make_is_the_principal_subspace(frames: NDArray[np.float32], fitted: FittedMembers) -> None:
    principal = PCA(LATENT).fit(windows_of(frames, FIT)).components_.T  # (W * F, latent)
    for member in range(2):
        made = fitted.weights["output.weight"][member].double().numpy()
        assert degrees_between(made, principal).max() < MOST_DEGREES
    another = PCA(LATENT + 2).fit(windows_of(frames, FIT)).components_.T[:, 2:]
    assert degrees_between(made, another).max() > 80.0, "the angle tells subspaces apart"


def test_its_error_is_that_of_principal_component_analysis(frames: NDArray[np.float32], fitted: FittedMembers) -> None:
    """On held-out windows, by the frozen form that scores; the mean of the windows is learned, too."""
    pca, held_out = PCA(LATENT).fit(windows_of(frames, FIT)), windows_of(frames, STOP)
    expected = np.square(pca.inverse_transform(pca.transform(held_out)) - held_out).mean()
    assert expected < 0.5 * held_out.var(), "what is left must differ from what was there"
    found = Ensemble(SPEC, fitted.weights).errors(frames, STOP).error.mean()
    assert found < MOST_ERROR * expected


def test_the_spec_says_that_it_has_no_hidden_units_dropout_or_noise() -> None:
    spec = choose_spec(
        ModelSettings(kind="linear", hidden=16, dropout=0.2, noise=0.4, latent=3), 4, 32, smoothing=10, clip=10.0
    )
    assert (spec.hidden, spec.dropout, spec.noise, spec.latent) == (0, 0.0, 0.0, 3)
