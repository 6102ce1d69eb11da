"""Naming: the sensors that an event may name, from shares, deviations and spreads."""

import numpy as np

from stream.detect.naming import Deviations, named


def the_named(
    share: list[float],
    size: list[float],
    usual: list[float],
    still: list[int] | None = None,
    most: int = 5,
    distance: list[float] | None = None,
) -> tuple[list[int], bool]:
    """Places of the named sensors, and whether they are visible."""
    mask = np.isin(np.arange(len(share)), still or [])
    far = np.array(size if distance is None else distance)
    found = named(Deviations(np.array(share), np.array([size]), far[None], np.array(usual), mask), most)
    return found.sensors.tolist(), found.visible


def test_the_sensors_that_deviate_are_named_by_their_share() -> None:
    assert the_named([0.2, 0.5, 0.3], [4.0, 6.0, 5.0], [1.0, 1.0, 1.0]) == ([1, 2, 0], True)
    assert the_named([0.2, 0.5, 0.3], [4.0, 6.0, 5.0], [1.0, 1.0, 1.0], most=2) == ([1, 2], True)
    assert the_named([0.5, 0.5], [4.0, 6.0], [1.0, 1.0]) == ([0, 1], True), "ties by sensor order"


def test_a_sensor_that_stood_still_and_does_is_never_named() -> None:
    """Its unit is made up, so the tiny deviations of the model can be most of the error."""
    assert the_named([0.9, 0.1], [0.02, 4.0], [0.001, 1.0], still=[0]) == ([1], True)
    assert the_named([0.9, 0.1], [0.5, 4.0], [0.001, 1.0], still=[0]) == ([0, 1], True), "it moves by half its unit"


def test_a_deviation_is_large_against_the_spread_and_against_the_usual_deviation() -> None:
    assert the_named([0.6, 0.4], [0.3, 2.0], [0.01, 0.1]) == ([1], True), "a third of the spread is not seen"
    assert the_named([0.6, 0.4], [2.0, 2.0], [1.0, 0.1]) == ([1], True), "the first one deviates so all the time"


def test_a_deviation_that_is_small_beside_another_sensor_is_not_named() -> None:
    assert the_named([0.99, 0.009, 0.02], [50.0, 4.0, 6.0], [1.0, 1.0, 1.0]) == ([0, 2], True)


def test_beside_an_extreme_value_a_sensor_with_ordinary_ones_is_not_named() -> None:
    """The extreme one spoils what the model expects of it. Without one, its pattern may be wrong."""
    share, size, usual = [0.4, 0.3, 0.3], [4.0, 4.0, 4.0], [0.1, 0.1, 0.1]
    assert the_named(share, size, usual, distance=[0.5, 20.0, 3.0]) == ([1, 2], True)
    assert the_named(share, size, usual, distance=[0.5, 4.0, 3.0]) == ([0, 1, 2], True)


def test_the_frame_shown_is_that_of_the_largest_deviation_but_not_an_ordinary_value_beside_an_extreme_one() -> None:
    """After a spike, the model expects it to go on for a frame: the deviation of that frame is nothing to see."""
    size, away = np.array([[1.0, 4.0, 6.0, 1.0]]).T, np.array([[0.5, 8.0, 0.2, 0.1]]).T
    one = np.ones(1)
    assert named(Deviations(one, size, away, one, one < 0), 5).at.tolist() == [1]
    assert named(Deviations(one, size, away / 4, one, one < 0), 5).at.tolist() == [2]


def test_a_sensor_without_a_part_in_the_error_is_not_named() -> None:
    assert the_named([1.0, 0.0], [4.0, -1.0], [1.0, 1.0]) == ([0], True)


def test_where_nothing_can_be_seen_the_largest_share_is_named_and_said_to_be_hidden() -> None:
    assert the_named([0.3, 0.4, 0.3], [1.0, 2.0, 1.5], [1.0, 1.0, 1.0]) == ([1], False)
    assert the_named([0.9, 0.1], [0.01, 1.0], [0.001, 1.0], still=[0]) == ([1], False), "rather one that moves"
    assert the_named([1.0], [0.01], [0.001], still=[0]) == ([0], False)
