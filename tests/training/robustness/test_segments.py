"""Segments under attack are whole, of events or not, with the limits of each cell."""

from dataclasses import replace

import numpy as np

from stream.detect.policy import ValidRange
from tests.robustness.targets import a_target, noise, some_frames
from tests.support.builders import a_policy
from training.robustness.segments import cut, whole_rows


def test_a_cell_may_be_changed_within_the_range_of_its_sensor() -> None:
    """The valid range where a rule has one, else the range in training; never beyond the clip, never a masked cell."""
    policy = a_policy(clip=4.0, max_carry=0, max_missing=1, valid=(ValidRange("s0", low=-2.5),))
    definition = replace(a_target().definition, policy=policy)
    values = noise(12, 0.1)
    values[8], values[10, 1] = [1.0, 2000.0], np.nan
    frames = some_frames(definition, values)
    segments = cut(frames, np.array([11]), definition, (np.full(2, -3.0, np.float32), np.full(2, 3.0, np.float32)))
    row = definition.scales.row("a")
    lowest = max(-4.0, (-2.5 - definition.scales.mean[row, 0]) / definition.scales.scale[row, 0])
    np.testing.assert_allclose(segments.low[0, :, 0], np.minimum(lowest, segments.values[0, :, 0]), rtol=1e-6)
    assert segments.high[0, 0].tolist() == [3.0, 3.0]
    assert segments.high[0, 2].tolist() == [3.0, 4.0]
    assert (segments.values[0, 4, 1], segments.low[0, 4, 1], segments.high[0, 4, 1]) == (0.0, 0.0, 0.0)
    assert segments.masked[0].sum() == 1


def test_segments_of_events_are_whole_and_hold_a_labelled_frame() -> None:
    definition = replace(a_target().definition, policy=a_policy(max_carry=0))
    length, values = definition.spec.receptive_field, noise(60)
    values[12] = np.nan
    frames = some_frames(definition, values, slice(10, 20))
    rows = whole_rows(frames, definition, 1000, of_events=True)
    assert rows.tolist() == [10, 11, *range(12 + length, 19 + length)]
    others = whole_rows(frames, definition, 1000, of_events=False)
    assert others.tolist() == [*range(length - 1, 10), *range(19 + length, 60)]
    assert len(whole_rows(frames, definition, 3, of_events=True)) == 3
