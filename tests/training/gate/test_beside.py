"""A model is too weak where it explains nothing and simple detectors find clearly more of the same anomalies."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream.detect.model.autoencoders import build
from stream.registry.capacity_facts import CapacityFacts
from stream.registry.manifest_facts import Criterion
from tests.support.builders import a_spec
from tests.training.gate.test_capacity import ROWS, correlated, definition_of, framed_of, judged, linear, projection
from training.data.split import Part
from training.gate.capacity import measure_capacity
from training.gate.criteria import capacity_criteria


def half_fitted() -> NDArray[np.uint8]:
    return np.where(np.arange(ROWS) < ROWS // 2, Part.FIT, Part.GATE).astype(np.uint8)


def too_weak(found: CapacityFacts, cut_off: bool = False) -> Criterion:
    (criterion,) = (one for one in capacity_criteria(found, cut_off) if one.name == "too weak")
    return criterion


@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_what_expects_the_mean_everywhere_is_too_weak_where_simple_detectors_find_clearly_more(kind: Any) -> None:
    """Principal components find a sensor that leaves the others. Of one sensor alone, nothing finds more."""
    verdicts = {}
    for sensors in (8, 1):
        spec = a_spec(kind, 4, 3, sensors, 8, 2, members=2, error_span="window")
        weights = {name: 0 * value for name, value in build(spec, range(2)).weights().items()}
        framed, definition = framed_of(correlated(sensors)), definition_of(spec, weights)
        found = measure_capacity(framed, half_fitted(), definition, weights, 0)
        assert (found.freedom, found.explained) == (0.0, 0.0)
        verdicts[sensors] = found.verdict, too_weak(found).verdict, too_weak(found, cut_off=True).verdict
        assert ("a limit for each sensor would find as much" in found.reason) == (sensors == 8)
    assert verdicts == {8: ("too weak", "refused", "not judged"), 1: ("fine", "passed", "passed")}


def test_what_explains_noise_by_copying_is_not_refused_as_nothing_finds_more_in_noise() -> None:
    """A code of 4 of 16 values has a quarter of noise, whatever it has learned."""
    noise, other = np.random.default_rng(0).standard_normal((2, ROWS, 1))
    spec = linear(16, 1, 4)
    weights = projection(spec, other)
    found = measure_capacity(framed_of(noise), half_fitted(), definition_of(spec, weights), weights, 0)
    assert (found.explained or 0) > 0.2
    assert found.beside is not None
    assert found.beside.found > max(found.beside.simple.values())
    criterion = too_weak(found)
    assert (criterion.verdict, criterion.measured) == ("passed", found.beside.found)


def test_without_frames_to_fit_simple_detectors_on_a_weak_model_is_not_judged() -> None:
    spec, values = linear(8, 3, 4), correlated(3)
    found = judged(spec, values, projection(spec, values))
    assert too_weak(found).verdict == "not judged"
