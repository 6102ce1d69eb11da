"""The criterion of coverage: refused where a part of the fleet, or half of the frames, can never be scored."""

import msgspec
import pytest

from stream.events.account import Cause, SeriesAccount
from training.gate.coverage import coverage_criterion

WHOLE = SeriesAccount("a", 100, 0, 0, 0, 0, 100, 96, 4, 0, 0, 0.0, "", "", "")


def fleet(**of: tuple[int, int, float, Cause]) -> list[SeriesAccount]:
    """Accounts of `scored` and degraded frames, with the share unscored and its cause, by name of the series."""
    return [
        msgspec.structs.replace(
            WHOLE, series=name, frames=scored + degraded, scored=scored, degraded=degraded, warming=0,
            unscored=unscored, cause=cause, why="too few sensors", remedy="set this",
        )
        for name, (scored, degraded, unscored, cause) in of.items()
    ]  # fmt: skip


@pytest.mark.parametrize(("whole", "verdict"), [(1, "refused"), (8, "refused"), (9, "passed")])
def test_a_tenth_of_the_series_may_be_blind_and_is_named(whole: int, verdict: str) -> None:
    found = coverage_criterion([WHOLE] * whole + fleet(b=(0, 50, 1.0, "degraded")))
    assert found.verdict == verdict
    assert "'b': 0 of 50 frames scored, 50 degraded: too few sensors; set this" in found.reason
    assert (found.measured, found.limit) == (1 / (whole + 1), 0.1)


@pytest.mark.parametrize(("degraded", "verdict"), [(45, "passed"), (600, "refused")])
def test_half_of_the_frames_may_have_no_score(degraded: int, verdict: str) -> None:
    partly: tuple[int, int, float, Cause] = (100, degraded, degraded / (100 + degraded), "degraded")
    found = coverage_criterion([WHOLE] * 2 + fleet(**{f"s{at}": partly for at in range(30)}))
    assert found.verdict == verdict
    assert "of the frames in operation have no score" in found.reason


def test_a_short_series_is_named_and_does_not_count() -> None:
    """It is scored as soon as it has sent enough: no setting is wrong."""
    found = coverage_criterion([WHOLE, *fleet(b=(0, 10, 0.0, "short"))])
    assert found.verdict == "passed"
    assert "never scored: 'b'" in found.reason
    assert coverage_criterion(fleet(b=(0, 10, 0.0, "short"))).verdict == "not judged"


def test_a_series_that_is_always_off_is_named_and_does_not_count() -> None:
    """A spare machine; one that is on now and then, but never for long enough, counts."""
    spare = coverage_criterion([WHOLE, *fleet(b=(0, 0, 0.0, "off"))])
    assert (spare.verdict, spare.measured) == ("passed", 0.0)
    assert "never scored: 'b'" in spare.reason
    assert coverage_criterion([WHOLE, *fleet(b=(0, 50, 1.0, "off"))]).verdict == "refused"
