"""Units of sensors: of each series where it has some, of the others where not; and sensors that have none at all."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stream.detect.frames.scale import ScaleTable
from stream.detect.policy import ValidRange
from stream.errors import ConfigError, DataError
from stream.intake.tables.reader import Batch
from stream.settings.detection import RuleSettings, SensorRuleSettings
from tests.support.builders import SECOND, START, a_policy, readings
from training.data.framing import FramedHistory, frame
from training.data.scaling import FitMoments, fit_moments
from training.data.split import Part
from training.data.unwatched import Unwatched, unwatched, with_kept

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


def reasons(*series: Values) -> dict[str, Unwatched]:
    history, part = framed(**{f"s{n}": values for n, values in enumerate(series)})
    return unwatched(history, fit_moments(history, part), SENSORS)


def test_a_sensor_that_moves_in_one_series_is_watched() -> None:
    assert reasons(rows(noise(), 0.02), rows(noise(), noise())) == {}


def test_sensors_that_move_in_no_series_are_named_with_the_reason() -> None:
    flow = noise()
    late, moved = rows(flow), rows(flow, 0.02)
    late[300:, 1], moved[250, 1] = noise(rows=100), 0.03
    few = rows(flow)
    few[10:20, 1] = 5.0
    said = {
        "no value in the 200 frames to fit on": rows(flow),
        "no value in the 200 frames to fit on; it has values from 2023-11-14T22:18:20Z on": late,
        "10 values in the 200 frames to fit on; it has values from 2023-11-14T22:13:30Z on": few,
        "always 0.02 in the 200 frames to fit on": rows(flow, 0.02),
        "always 0.02 in the 200 frames to fit on; it moves from 2023-11-14T22:17:30Z on": moved,
    }
    for why, values in said.items():
        assert {name: of.why for name, of in reasons(values).items()} == {"door": why}
    (of,) = reasons(rows(flow, 0.0), rows(flow, 1.0)).values()
    assert (of.why, of.value, of.setting("door")) == (
        "constant in each of 2 series in the 400 frames to fit on",
        None,
        None,
    )


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


def test_a_sensor_that_a_range_or_score_when_reads_is_kept() -> None:
    found = {"door": Unwatched("always 1 in the 200 frames to fit on", 1.0)}
    plain, ranged = a_policy(), a_policy(valid=(ValidRange("door", 0.0, 2.0),))
    assert with_kept(found, SENSORS, plain, RuleSettings()) == found
    for policy, reader in (
        (ranged, "rules.sensors.door.valid"),
        (a_policy(score_when="door > 0"), "frames.score_when"),
    ):
        (kept,) = with_kept(found, SENSORS, policy, RuleSettings()).values()
        assert (kept.why, kept.is_kept) == (
            f"always 1 in the 200 frames to fit on; kept, with scale 1, for `{reader}`",
            True,
        )
        assert kept.setting("door") is None


def test_a_rule_on_the_deviation_of_such_a_sensor_is_refused_with_what_to_do() -> None:
    rules = RuleSettings(sensors={"door": SensorRuleSettings(direction="above")})
    with pytest.raises(ConfigError, match=r"rules\.sensors\.door: .* it has none: always 1; remove `direction`, "):
        with_kept({"door": Unwatched("always 1", 1.0)}, SENSORS, a_policy(), rules)


def test_a_history_in_which_nothing_moves_is_refused() -> None:
    found = {name: Unwatched("always 1", 1.0) for name in SENSORS}
    with pytest.raises(
        DataError, match=r"no sensor moves in the part to fit on.*flow: always 1; door: always 1\); give"
    ):
        with_kept(found, SENSORS, a_policy(score_when="door > 0"), RuleSettings())
