"""Attacks keep to their budget and to the limits of sensors, and succeed where they should."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.robustness.targets import WIDE, a_target, noise, some_frames
from training.robustness.pgd import Attack, Budget, Effort, Norm
from training.robustness.segments import cut


@settings(max_examples=30, deadline=None)
@given(norm=st.sampled_from(["linf", "l2"]), size=st.floats(0.01, 3.0), seed=st.integers(0, 99))
def test_an_attack_keeps_to_its_budget_and_to_the_box_and_never_makes_things_worse(
    norm: Norm, size: float, seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    true = torch.randn(3, 5, 2, generator=draw)
    box = true - torch.rand(true.shape, generator=draw), true + torch.rand(true.shape, generator=draw)
    target = torch.randn(true.shape, generator=draw)

    def level(segments: Tensor) -> Tensor:
        return (segments - 3 * target).square().sum(dim=(1, 2))

    budget = Budget(norm, size)
    best = Attack(level, true, box).best(budget, Effort(5, 2), true, draw)
    change = best - true
    far = change.abs().amax(dim=(1, 2)) if norm == "linf" else change.square().mean(dim=(1, 2)).sqrt()
    assert float(far.max()) <= size * (1 + 1e-5)
    assert bool((box[0] <= best).all())
    assert bool((best <= box[1]).all())
    assert bool((level(best) <= level(true)).all())
    assert not torch.equal(best, true)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_linear_model_without_defence_is_evaded_once_the_budget_is_large_enough(norm: Norm) -> None:
    """With a budget close to 0 every segment is still found."""
    target = a_target("linear", 1, q=0.5)
    segments = cut(some_frames(target.definition, noise(40)), np.arange(20, 40), target.definition, WIDE)
    true, counted, box = segments.tensors
    score = target.score()
    attack = Attack(lambda changed: score.levels(changed, counted), true, box)
    assert target.exceeds(segments).all()
    for size, evades in ((1e-4, False), (5.0, True)):
        best = attack.best(Budget(norm, size), Effort(200, 1), true, torch.Generator().manual_seed(0))
        assert (target.exceeds(segments.changed(best.numpy())) != evades).all()
