"""A slow drift is noticed once it is large enough."""

from dataclasses import replace

import numpy as np
import pytest

from stream.detect.model.autoencoders import build
from stream.detect.model.ensemble import Ensemble
from tests.robustness.slow_drift import slow_drifts
from tests.robustness.targets import some_frames
from tests.support.builders import a_definition, a_spec


def test_a_drift_is_noticed_once_it_is_large_and_its_size_is_reported() -> None:
    """With weights of 0 a model expects the mean: a drift is noticed once half its square is above 1."""
    spec = a_spec(window=4, smoothing=1)
    weights = {name: value * 0 for name, value in build(spec, [0]).weights().items()}
    plain = a_definition(spec, q=1.0)
    mean, one = plain.scales.mean * 0, np.ones_like(plain.scales.scale)
    definition = replace(
        plain,
        scales=replace(plain.scales, mean=mean, scale=one),
        thresholds=replace(plain.thresholds, scale=np.ones(3)),
        ensemble=Ensemble(spec, weights),
    )
    found = slow_drifts(definition, some_frames(definition, np.zeros((400, 2))))
    assert [(one.sensors, one.noticed) for one in found] == [(2, 0), (2, 2), (2, 2), (2, 2)]
    assert found[0].reached is None
    assert found[0].furthest == pytest.approx(0.003 * (399 - definition.spec.receptive_field))
    for slow in found[1:]:
        assert slow.reached == pytest.approx(np.sqrt(2), abs=4 * slow.speed)
