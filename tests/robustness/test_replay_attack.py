"""A replay of all sensors hides everything that the recording hides."""

from dataclasses import replace

import numpy as np

from tests.robustness.replay_attack import replay_attacks
from tests.robustness.targets import WIDE, a_target, noise, some_frames
from training.robustness.segments import cut, nearest


def test_replaying_every_sensor_hides_what_the_recording_hides() -> None:
    target = a_target()
    frames = some_frames(target.definition, np.concatenate([noise(20, 0.01), noise(20, 20.0)]))
    length = target.definition.spec.receptive_field
    calm, loud = (cut(frames, ends, target.definition, WIDE) for ends in (np.arange(8, 20), np.arange(28, 40)))
    limit = (target.levels(calm).max() + target.levels(loud).min()) / 2
    thresholds = replace(target.definition.thresholds, scale=np.full(3, limit), q=1.0)
    target = replace(target, definition=replace(target.definition, thresholds=thresholds))
    assert nearest(loud, calm.values).shape == (12, length, 2)
    one, both = replay_attacks(target, loud, calm.values)
    assert (one.sensors, both.sensors) == (1, 2)
    assert one.evaded is not None
    assert one.evaded < 1.0
    assert both.evaded == 1.0
