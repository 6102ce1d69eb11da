"""Failpoints: the named passage ends the process, and a misspelt name is an error."""

import pytest

from stream.errors import ConfigError
from stream.kafka.failpoints import PLACES, Failpoints


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("order", "action"), [("{}:3", "kill"), ("{}:3:freeze", "freeze"), ("{}:3:kill", "kill")])
def test_the_nth_passage_of_the_named_place_acts_and_no_other(place: str, order: str, action: str) -> None:
    done: list[str] = []
    points = Failpoints(order.format(place), done.append)
    for _ in range(5):
        for passed in PLACES:
            points.at(passed)
    assert done == [action]


def test_without_the_variable_nothing_happens() -> None:
    done: list[str] = []
    points = Failpoints("", done.append)
    for place in PLACES:
        points.at(place)
    assert done == []


@pytest.mark.parametrize("order", ["comitted:1", "committed", "committed:x", "committed:1:explode", ":1"])
def test_an_unknown_place_or_action_is_refused(order: str) -> None:
    with pytest.raises(ConfigError, match=r"expected <place>:<n>\[:kill\|freeze\] with a place of assigned"):
        Failpoints(order)
