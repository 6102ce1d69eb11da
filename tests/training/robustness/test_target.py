"""The level that an attack lowers is the level that the detector compares."""

from dataclasses import replace

import numpy as np
import pytest

from stream.detect.detector import Detector
from stream.detect.model import discriminator
from stream.detect.model.autoencoders import build
from stream.detect.model.ensemble import Ensemble
from tests.robustness.targets import WIDE, a_target, noise, some_frames
from tests.support.builders import a_definition, a_policy, a_spec, readings
from training.robustness.segments import cut
from training.robustness.target import Target


@pytest.mark.parametrize("span", ["newest", "window", "both"])
@pytest.mark.parametrize("kind", ["dense", "conv", "variational", "linear"])
@pytest.mark.parametrize("members", [1, 2, 3])
def test_the_level_that_is_descended_on_is_the_one_the_detector_compares(kind: str, span: str, members: int) -> None:
    """Values that are missing for longer than they are carried are masked for both."""
    target = a_target(kind, members, span)
    definition = replace(target.definition, policy=a_policy(max_carry=0, max_missing=1))
    values = noise(40)
    values[10, 0] = values[22, 1] = np.nan
    frames = some_frames(definition, values)
    detected = Detector(definition).push(readings(["a"] * 40, frames.time, values)).verdicts.level
    ends = np.arange(definition.spec.receptive_field - 1, 40)
    segments = cut(frames, ends, definition, WIDE)
    true, counted, _ = segments.tensors
    np.testing.assert_array_equal(target.levels(segments), detected[ends])
    np.testing.assert_allclose(target.score().levels(true, counted).numpy(), detected[ends], rtol=1e-5)


@pytest.mark.parametrize("span", ["newest", "window", "both"])
def test_the_penalty_of_a_discriminator_is_part_of_the_level_that_is_descended_on(span: str) -> None:
    spec = a_spec(members=3, error_span=span, discriminator=4)
    judge = discriminator.build(spec, range(3))
    judge.floor.fill_(-0.2)
    judge.reach.fill_(0.7)
    plain = a_definition(a_spec(members=3, error_span=span), policy=a_policy(max_carry=0, max_missing=1))
    weights = build(spec, range(3)).weights() | judge.weights()
    definition = replace(
        plain, spec=spec, ensemble=Ensemble(spec, weights, plain.ensemble.error_scales, plain.ensemble.tails)
    )
    values = noise(40)
    values[10, 0] = values[22, 1] = np.nan
    segments = cut(
        some_frames(definition, values), np.arange(definition.spec.receptive_field - 1, 40), definition, WIDE
    )
    true, counted, _ = segments.tensors
    target = Target(definition, weights)
    assert (target.levels(segments) > Target(plain, {}).levels(segments)).mean() > 0.5
    np.testing.assert_allclose(target.score().levels(true, counted).numpy(), target.levels(segments), rtol=1e-5)
