"""Intervals as people write them."""

import pytest

from stream.intake.intervals import readable, spoken

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("seconds", "steady", "written"),
    [
        (181, False, 180), (97, False, 120), (13, False, 15), (1.0003, True, 1), (97.03, True, 97), (0.4998, True, 0.5),
        (0.0123, True, 0.012), (61, True, 60), (3_550, False, 3_600), (700_000, False, 1_209_600), (420, False, 600),
        (4_380, True, 4_380),
    ],
)  # fmt: skip
def test_a_step_becomes_an_interval_that_people_write(seconds: float, steady: bool, written: float) -> None:
    assert readable(int(seconds * SECOND), steady) == int(written * SECOND)


def test_any_step_has_an_interval() -> None:
    for power in range(19):
        assert readable(3 * 10**power, steady=True) > 0
        assert readable(3 * 10**power, steady=False) > 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(60, "1m"), (177.2043, "177s"), (3.616447, "3616ms"), (3605, "3605s"), (3085533.2, "36d"), (0.25, "250ms")],
)
def test_a_duration_that_is_only_read_is_short(seconds: float, text: str) -> None:
    assert spoken(int(seconds * SECOND)) == text
