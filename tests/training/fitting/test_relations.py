"""The relations that training finds: what they predict, their limit, and when there are none."""

import numpy as np

from stream.detect.forms.relations import Relations
from stream.detect.frames.frames import Fitness
from tests.support.builders import a_spec
from training.data.framing import FramedHistory
from training.data.split import Part
from training.fitting.relations import fit_relations

ROWS = 3_000
SPEC = a_spec(window=8, smoothing=3, sensors=3, error_span="both")
PARTS = np.repeat([Part.FIT, Part.STOP, Part.CALIBRATE, Part.GATE], [1500, 500, 600, 400]).astype(np.uint8)


def relations(values: np.ndarray, masked: np.ndarray | None = None) -> Relations | None:
    none = np.zeros(ROWS, np.bool_)
    framed = FramedHistory(
        names=("a",), series=np.zeros(ROWS, np.int32), time=np.arange(ROWS) * 1_000_000_000, values=values,
        fitness=np.full(ROWS, Fitness.WHOLE, np.uint8), after_gap=np.arange(ROWS) == 0, marked=none,
        labelled=none, confirmed=none, imputed=none, step=np.full(ROWS, 1_000_000_000), dispositions={},
    )  # fmt: skip
    weights = fit_relations(framed, PARTS, values.astype(np.float32), masked, SPEC)
    return Relations(SPEC, weights) if weights else None


def plant(seed: int = 0) -> np.ndarray:
    """Sensor 1 follows sensor 0, slowly; sensor 2 never moves."""
    draw = np.random.default_rng(seed)
    load = np.convolve(draw.standard_normal(ROWS + 49), np.ones(50) / 7, "valid")
    return np.stack([load, load, np.zeros(ROWS)], axis=1) + np.array([0.1, 0.1, 0.0]) * draw.standard_normal((ROWS, 3))


def found(of: Relations, values: np.ndarray) -> np.ndarray:
    ends = np.arange(SPEC.window - 1, ROWS)
    return ends[np.unique(of.of(values.astype(np.float32), ends).rows)]


def test_normal_data_keep_to_the_limit_and_a_sensor_that_leaves_the_other_does_not() -> None:
    of = relations(plant())
    assert of is not None
    assert not len(found(of, plant()))
    swapped = plant(1)
    swapped[1000:1100, 1] = -swapped[1000:1100, 1]
    at = found(of, swapped)
    assert len(at) > 50
    assert at.min() >= 1000
    assert at.max() < 1100 + SPEC.window


def test_where_newer_normal_data_do_not_keep_to_the_limit_there_is_no_such_view() -> None:
    values = plant()
    values[2650:, 1] += 9 * np.sin(np.arange(350) / 15)
    assert relations(values) is None


def test_sensors_that_stand_still_have_no_relations() -> None:
    assert relations(np.zeros((ROWS, 3))) is None


def test_windows_with_missing_values_teach_nothing() -> None:
    values, masked = plant(), np.random.default_rng(1).random((ROWS, 3)) < 0.005
    values[masked] = 50.0
    assert relations(values, masked) is not None
    assert relations(values, np.ones((ROWS, 3), np.bool_)) is None
