"""Units of sensors: of each series where it has some, of the others where not; and sensors that have none at all."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stream.detect.frames.scale import ScaleTable
from stream.errors import ConfigError, DataError
from stream.intake.tables.reader import Batch
from stream.settings.detection import RuleSettings, SensorRuleSettings
from tests.support.builders import SECOND, START, a_policy, readings
from training.data.framing import FramedHistory, frame
from training.data.scaling import FitMoments, fit_moments
from training.data.split import Part
from training.data.unscaled import Unscaled, to_drop, unscaled

Values = NDArray[np.float64]
NAN = float("nan")
SENSORS = ("flow", "door")
ROWS, FIT = 400, 200


def framed(**series: Values) -> tuple[FramedHistory, NDArray[np.uint8]]:
    """Frames of these series, float64 (400, 2) each; the first 200 rows of each are the fit part, the others calibrate.

    A series with fewer rows has a fit part only.
    """
    batches = [
        Batch(readings([name] * len(values), START + SECOND * np.arange(len(values)), values), None)
        for name, values in series.items()
    ]
    history = frame(batches, a_policy(max_carry=0, max_missing=1), SENSORS)
    place = np.concatenate([np.arange(len(values)) for values in series.values()])
    return history, np.where(place < FIT, Part.FIT, Part.CALIBRATE).astype(np.uint8)


def noise(level: float = 0.0, spread: float = 1.0, rows: int = ROWS, seed: int = 0) -> Values:
    return level + spread * np.random.default_rng(seed).standard_normal(rows)


def rows(flow: Values, door: Values | float = NAN) -> Values:
    return np.column_stack([flow, np.broadcast_to(door, len(flow))])


def unit(table: ScaleTable, series: str, sensor: int) -> tuple[float, float]:
    return float(table.mean[table.row(series), sensor]), float(table.scale[table.row(series), sensor])


def fitted_on(**series: Values) -> FitMoments:
    return fit_moments(*framed(**series))


def test_a_series_has_the_moments_of_its_fit_part() -> None:
    a, b = rows(noise(10, 2), noise(5)), rows(noise(-7, 0.1, seed=1), noise(3))
    a[FIT:] += 100.0
    table = fitted_on(a=a, b=b).table()
    for name, values in (("a", a), ("b", b)):
        assert unit(table, name, 0) == pytest.approx((values[:FIT, 0].mean(), values[:FIT, 0].std()), rel=1e-12)
    both = np.concatenate([a[:FIT], b[:FIT]])[:, 0]
    np.testing.assert_allclose(unit(table, "not trained", 0), (both.mean(), both.std()), rtol=1e-12)


def test_a_sensor_that_stands_still_in_one_series_has_its_own_level_and_the_usual_spread_of_the_others() -> None:
    """The pooled spread would be that between the series: a move of one of them would be nothing."""
    moving = {name: rows(noise(), noise(100.0 * n, 0.5 * n, seed=n)) for n, name in enumerate("abc", 1)}
    table = fitted_on(**moving, still=rows(noise(), 1000.0)).table()
    usual = np.median([values[:FIT, 1].std() for values in moving.values()])
    assert unit(table, "still", 1) == pytest.approx((1000.0, usual), rel=1e-12)
    assert unit(table, "not trained", 1)[1] > 100.0
    assert table.without_unit.tolist() == [[False, False]] * 3 + [[False, True], [False, False]]


@pytest.mark.parametrize("present", [0, 29])
def test_a_sensor_without_values_in_one_series_has_the_pooled_ones(present: int) -> None:
    late = rows(noise(), noise(40.0))
    late[: FIT - present, 1] = NAN
    table = fitted_on(a=rows(noise(), noise(5.0, 2.0)), late=late).table()
    assert unit(table, "late", 1) == unit(table, "not trained", 1)
    assert unit(table, "late", 0) != unit(table, "not trained", 0)


def test_a_series_too_short_to_be_cut_has_the_pooled_values() -> None:
    table = fitted_on(a=rows(noise(5.0), noise()), short=rows(noise(90.0, rows=40), noise(rows=40))).table()
    assert unit(table, "short", 0) == unit(table, "not trained", 0)


def test_wild_values_are_counted_by_series_and_sensor_and_in_the_pooled_row() -> None:
    a, b = rows(noise(5.0), noise()), rows(noise(5.0, seed=2), noise())
    a[:8, 0], b[:3, 1], b[300:, 0] = -9999.0, 1e9, -9999.0
    table = fitted_on(a=a, b=b).table()
    assert table.wild is not None
    assert table.wild.tolist() == [[8, 0], [0, 3], [8, 3]]
    assert unit(table, "a", 0) == pytest.approx((a[8:FIT, 0].mean(), a[8:FIT, 0].std()))


def test_a_sensor_that_moves_nowhere_has_a_unit_by_its_value() -> None:
    """A switch from 0 to 1 is one deviation, and so is a set point from 0.02 to 0.03."""
    still = {0.0: 1.0, 1.0: 0.5, -1.0: 0.5, 0.02: 0.01, 5000.0: 1.0}
    for value, expected in still.items():
        table = fitted_on(a=rows(noise(), value)).table()
        assert unit(table, "a", 1) == unit(table, "not trained", 1) == pytest.approx((value, expected))
        assert table.without_unit.tolist() == [[False, True]] * 2


def reasons(*series: Values) -> dict[str, Unscaled]:
    history, part = framed(**{f"s{n}": values for n, values in enumerate(series)})
    return unscaled(history, fit_moments(history, part), SENSORS)


def test_a_sensor_that_moves_in_one_series_has_a_unit() -> None:
    assert reasons(rows(noise(), 0.02), rows(noise(), noise())) == {}


def test_sensors_that_move_in_no_series_are_named_with_the_reason() -> None:
    flow = noise()
    late, moved, few = rows(flow), rows(flow, 0.02), rows(flow)
    late[300:, 1], moved[250, 1], few[10:20, 1] = noise(rows=100), 0.03, 5.0
    said = {
        "no value in the 200 frames to fit on": rows(flow),
        "no value in the 200 frames to fit on; it has values from 2023-11-14T22:18:20Z on": late,
        "10 values in the 200 frames to fit on; it has values from 2023-11-14T22:13:30Z on": few,
        "always 0.02 in the 200 frames to fit on; moves that are small against 0.01 are not seen": rows(flow, 0.02),
        "always 0.02 in the 200 frames to fit on; it moves from 2023-11-14T22:17:30Z on; "
        "moves that are small against 0.01 are not seen": moved,
    }
    for why, values in said.items():
        assert {name: of.why for name, of in reasons(values).items()} == {"door": why}
    (of,) = reasons(rows(flow, 0.1), rows(flow, 1.0)).values()
    assert of.why.startswith(
        "constant in each of 2 series in the 400 frames to fit on; moves that are small against 0.05"
    )
    assert of.setting("door") is None


@pytest.mark.parametrize(
    ("value", "setting"),
    [
        (0.0, "rules.sensors: {door: {valid: [-1.0e-06, 1.0e-06]}}"),
        (5000.0, "rules.sensors: {door: {valid: [4999.995, 5000.005]}}"),
    ],
)
def test_the_range_that_is_proposed_tells_of_any_move(value: float, setting: str) -> None:
    (of,) = reasons(rows(noise(), value)).values()
    assert of.setting("door") == setting


ABSENT, FEW = Unscaled("no value", 0, False, None), Unscaled("10 values", 10, False, None)
STILL = Unscaled("always 1", 200, True, 1.0)
RULED = RuleSettings(sensors={"door": SensorRuleSettings(valid=(0.0, None))})


@pytest.mark.parametrize(
    ("found", "rules", "score_when", "dropped"),
    [
        (STILL, RuleSettings(), "", set()),
        (FEW, RuleSettings(), "", {"door"}),
        (ABSENT, RuleSettings(), "flow > 0", {"door"}),
        (FEW, RULED, "", set()),
        (FEW, RuleSettings(), "door > 0", set()),
    ],
)
def test_a_sensor_with_too_few_values_is_left_out_unless_a_setting_reads_it(
    found: Unscaled, rules: RuleSettings, score_when: str, dropped: set[str]
) -> None:
    assert to_drop({"door": found}, SENSORS, a_policy(score_when=score_when), rules) == dropped


@pytest.mark.parametrize(
    ("rules", "score_when", "reader"),
    [(RULED, "", r"rules\.sensors\.door"), (RuleSettings(), "door > 0", r"frames\.score_when")],
)
def test_a_setting_that_reads_a_sensor_without_a_value_is_refused(
    rules: RuleSettings, score_when: str, reader: str
) -> None:
    with pytest.raises(
        ConfigError, match=f"{reader}: reads door, which has no value; take door out of this setting, or"
    ):
        to_drop({"door": ABSENT}, SENSORS, a_policy(score_when=score_when), rules)


def test_a_history_in_which_nothing_moves_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"no sensor moves in the part to fit on.*\(flow: always 2 in .*; door: no value"
    ):
        reasons(rows(np.full(ROWS, 2.0)))
