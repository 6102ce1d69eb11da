"""Sentinels: values that mean no value are missing in every reading, before ranges, ticks and the model."""

import numpy as np
import pytest

from stream.counters import Count
from stream.detect.detector import Detector
from stream.detect.frames.sentinels import MissingValues
from stream.detect.policy import FramePolicy, Sentinels, ValidRange
from stream.intake.tables.reader import Batch
from tests.support.builders import SECOND, START, a_definition, a_policy, a_spec, readings
from training.data.framing import frame

NAN, INF = float("nan"), float("inf")
LOGGER = (Sentinels("s1", (-9999.0, -8888.0)), Sentinels("gone", (5.0,)), Sentinels("s0", ()))
POLICIES = {
    "wide": a_policy(max_carry=2, max_missing=1, sentinels=LOGGER, valid=(ValidRange("s1", low=-100.0),)),
    "mean on ticks": a_policy(
        interval_ns=4 * SECOND, max_gap_ns=40 * SECOND, resample="mean", max_missing=1, close_complete=False,
        sentinels=LOGGER,
    ),
}  # fmt: skip


def test_a_sentinel_is_missing_for_its_sensor_and_a_value_for_every_other() -> None:
    given = np.array([[-9999.0, -9999.0], [5.0, -8888.0], [1.0, -9998.9], [NAN, INF]])
    removed = MissingValues(LOGGER, ("s0", "s1")).removed(given)
    np.testing.assert_array_equal(removed, [[-9999.0, NAN], [5.0, NAN], [1.0, -9998.9], [NAN, INF]])
    assert given[0, 1] == -9999.0, "the readings themselves stay as they are"


@pytest.mark.parametrize(
    ("sentinel", "value"), [(-999.99, float(np.float32(-999.99))), (-999.99, -999.99), (1e300, 1e300)]
)
def test_a_sentinel_is_found_where_the_source_keeps_it_in_single_precision(sentinel: float, value: float) -> None:
    removed = MissingValues((Sentinels("s0", (sentinel,)),), ("s0",)).removed(
        np.array([[value], [np.nextafter(value, 0)]])
    )
    assert np.isnan(removed[:, 0]).tolist() == [True, False]


@pytest.mark.parametrize("sentinels", [(), (Sentinels("s0", ()),), (Sentinels("other", (1.0,)),)])
def test_values_are_not_copied_where_there_is_no_sentinel(sentinels: tuple[Sentinels, ...]) -> None:
    values = np.ones((3, 1))
    assert MissingValues(sentinels, ("s0",)).removed(values) is values


@pytest.mark.parametrize("policy", POLICIES)
def test_a_history_with_sentinels_scores_as_the_same_history_with_nulls_to_the_bit(policy: str) -> None:
    """No incident by a range, no trace in a mean, the same carried values: in training as online."""
    draw = np.random.default_rng(3)
    nulls = draw.normal(size=(200, 2))
    nulls[draw.random((200, 2)) < 0.1] = NAN
    with_sentinels = nulls.copy()
    with_sentinels[np.isnan(nulls[:, 1]), 1] = -9999.0
    both = [_outcome(POLICIES[policy], values) for values in (nulls, with_sentinels)]
    assert both[0] == both[1]


def _outcome(policy: FramePolicy, values: np.ndarray) -> list[object]:
    sent = readings(["a"] * len(values), START + np.arange(len(values)) * SECOND, values)
    outcome = Detector(a_definition(a_spec(), policy, series=("a",))).push(sent)
    framed = frame([Batch(sent, None)], policy, ("s0", "s1"))
    np.testing.assert_array_equal(framed.values, outcome.frames.values)
    verdicts = outcome.verdicts
    return [framed.values.tobytes(), verdicts.verdict.tobytes(), verdicts.level.tobytes(), outcome.events]


def test_sentinels_are_counted_by_sensor_wherever_the_readings_are_cut() -> None:
    values = np.array([[1.0, -9999.0], [2.0, 0.5], [NAN, -8888.0], [5.0, -9999.0]])
    definition = a_definition(a_spec(sensors=2), policy=POLICIES["wide"])
    sent = readings(["a"] * 4, START + np.arange(4) * SECOND, values)
    whole, detector = Detector(definition).push(sent), Detector(definition)
    first, last = detector.push(sent.rows(slice(0, 3))), detector.push(sent.rows(slice(3, 4)))
    assert whole.sentinels.tolist() == (first.sentinels + last.sentinels).tolist() == [0, 3]
    assert whole.counts()[Count.SENTINELS] == 3
