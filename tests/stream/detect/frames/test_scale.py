"""Scaled units, and the values beyond the clip."""

import numpy as np
import pytest

from stream.detect.frames.scale import scaled
from tests.support.builders import a_policy

MEAN, SCALE = np.array([[2.0]]), np.array([[0.5]])


def in_units(values: list[float], **policy: object) -> list[float]:
    own = np.array(values)[:, None] * 0.5 + 2.0
    found: list[float] = scaled(own, MEAN, SCALE, a_policy(clip=10.0, **policy))[:, 0].tolist()
    return found


def test_a_value_beyond_the_clip_is_cut() -> None:
    assert in_units([-1e308, -11.0, -3.0, 0.0, 10.0, 1e9]) == [-10.0, -10.0, -3.0, 0.0, 10.0, 10.0]


def test_values_beyond_the_clip_keep_their_order_on_a_logarithmic_scale() -> None:
    found = in_units([-1e9, -20.0, -10.0, 3.0, 10.0, 10.0 * np.e, 1e3, 1e307], beyond_clip="log")
    assert found == sorted(found)
    assert found[2:6] == [-10.0, 3.0, 10.0, pytest.approx(11.0)]
    assert found[0] == pytest.approx(-10 - np.log(1e8))
    assert np.isfinite(in_units([-1.7e308 * 2, 1.7e308], beyond_clip="log")).all()


@pytest.mark.parametrize("beyond", ["cut", "log"])
def test_a_missing_value_becomes_the_mean(beyond: str) -> None:
    assert in_units([np.nan, 50.0], beyond_clip=beyond)[0] == 0.0
