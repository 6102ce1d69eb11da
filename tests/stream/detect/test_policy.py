"""The decisions that travel in a bundle, and the lengths that follow from them."""

import msgspec
import numpy as np
import pytest

from stream.detect.detector import Detector
from stream.detect.policy import FramePolicy, ModelSpec, Rules
from tests.support.builders import SECOND, START, a_definition, a_spec, readings


@pytest.mark.parametrize(("window", "smoothing"), [(1, 1), (4, 1), (1, 3), (5, 4)])
def test_a_level_depends_on_the_frames_of_its_receptive_field_and_on_no_other(window: int, smoothing: int) -> None:
    spec = a_spec(window=window, smoothing=smoothing, latent=1)
    definition, rows = a_definition(spec), np.random.default_rng(0).normal(size=(20, 2))

    def newest_level(values: np.ndarray) -> float:
        time = START + np.arange(len(values)) * SECOND
        return float(Detector(definition).push(readings(["a"] * len(values), time, values)).verdicts.level[-1])

    for back in range(1, len(rows) + 1):
        changed = rows.copy()
        changed[-back] += 1.0
        assert (newest_level(changed) != newest_level(rows)) == (back <= spec.receptive_field)
    assert spec.block == spec.receptive_field + 1


@pytest.mark.parametrize("decisions", [FramePolicy, ModelSpec, Rules])
def test_what_decides_a_score_or_an_alert_has_no_default(decisions: type[msgspec.Struct]) -> None:
    """Training alone fills in values that a configuration leaves open; a bundle has all of them."""
    assert [field.name for field in msgspec.structs.fields(decisions) if not field.required] == []
