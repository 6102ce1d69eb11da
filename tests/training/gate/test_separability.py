"""Separability by the rank of scores: pairs of scores, and short labelled events."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.builders import a_definition
from tests.support.recalibration import BLOCK, levels_of
from training.data.framing import FramedHistory
from training.data.split import Part
from training.gate.separability import labelled_criterion, separation


@pytest.mark.parametrize(("off", "verdict"), [(0.0, "not judged"), (-0.9, "refused")], ids=["small", "mislabelled"])
def test_short_events_too_small_to_see_are_not_refused_for_being_shorter_than_normal_stretches(
    off: float, verdict: str
) -> None:
    """Events of three frames: the maximum of so few frames is mostly below that of a whole block, by chance."""
    levels = levels_of(1, 1, 6000)
    marked = np.arange(len(levels)) % 60 < 3
    level = levels.level + off * (np.arange(len(levels)) % 60 < 3 + BLOCK)
    nothing = np.zeros(len(levels), np.bool_)
    framed = FramedHistory(
        levels.names, levels.series, levels.time, np.zeros((len(levels), 0)), np.zeros(len(levels), np.uint8), nothing,
        marked, marked, nothing, nothing, levels.step, {},
    )  # fmt: skip
    part = np.full(len(levels), Part.GATE, np.uint8)
    normal = levels.rows(np.arange(len(levels)) % 60 >= 3 + BLOCK)
    assert labelled_criterion(framed, part, level, normal, a_definition(series=levels.names)).verdict == verdict


@settings(max_examples=50)
@given(
    anomalous=st.lists(st.integers(0, 9), min_size=1, max_size=12),
    normal=st.lists(st.integers(0, 9), min_size=1, max_size=12),
)
def test_a_separation_is_the_share_of_pairs_in_which_the_anomalous_one_is_larger(
    anomalous: list[int], normal: list[int]
) -> None:
    found = separation(np.array(anomalous, float), np.array(normal, float))
    pairs = [(a > n) + (a == n) / 2 for a in anomalous for n in normal]
    assert found.probability == pytest.approx(sum(pairs) / len(pairs))
    assert found.upper >= found.probability
