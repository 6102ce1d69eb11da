"""The account of a series: counts that add up, the cause of missing scores, and the setting that would help."""

import dataclasses

import numpy as np
import pytest

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.series_counts import SeriesCounter
from stream.events.account import SeriesAccount, series_accounts, summary, warnings
from stream.intake.columns import Readings
from tests.support.builders import SECOND, a_definition, a_policy

# W = 4 and M = 3: the first score needs 5 frames in a row. One reading a second; a step above 5 s is a gap.
NEEDED = 5


def definition(**policy: object) -> Definition:
    return dataclasses.replace(a_definition(), policy=a_policy(**policy))


def readings(seconds: list[int], name: str = "a", speed: float = 1.0, missing: int = 0) -> Readings:
    """Readings of one series; the second sensor has no value in the last `missing` of them."""
    values = np.full((len(seconds), 2), speed)
    values[len(seconds) - missing :, 1] = np.nan
    series, time = np.zeros(len(seconds), np.int32), np.array(seconds, np.int64) * SECOND
    return Readings((name,), series, time, values, np.arange(len(seconds)))


def account(of: Definition, *batches: Readings) -> tuple[SeriesAccount, ...]:
    detector, counter = Detector(of), SeriesCounter()
    for batch in batches:
        counter.add(batch, detector.push(batch))
    return series_accounts(counter.counts(), of)


def runs_of(length: int, count: int, gap: int = 60) -> list[int]:
    """Seconds of `count` runs of `length` readings, `gap` seconds apart."""
    return [start * (length + gap) + at for start in range(count) for at in range(length)]


def test_counts_add_up_over_batches_and_one_warm_up_needs_no_word() -> None:
    times = [*range(30), 29, 3]
    (whole,) = account(definition(), readings(times))
    parts = [readings(times[:7]), readings(times[7:20]), readings(times[20:])]
    assert account(definition(), *parts) == (whole,)
    assert (whole.readings, whole.duplicate, whole.late, whole.frames) == (32, 1, 1, 30)
    assert (whole.scored, whole.warming) == (30 - NEEDED + 1, NEEDED - 1)
    assert (whole.cause, whole.blind, warnings([whole])) == ("", False, [])
    assert whole.frames == sum(whole.counts[1:5]) == whole.readings - sum(whole.counts[5:]), "as tables show it"


def test_a_short_series_is_named_with_what_its_first_score_needs() -> None:
    (short,) = account(definition(), readings(list(range(4))))
    assert warnings([short]) == [
        "never scored: 'a': 0 of 4 frames scored, 4 warming: the first score needs 5 frames in a row (W = 4, M = 3); "
        "it is scored once it has sent as many"
    ]


@pytest.mark.parametrize(
    ("seconds", "cause", "remedy"),
    [
        (runs_of(4, 20), "gaps", "train with `frames.max_gap: 2m`, or with a shorter window, `model.window: 1`"),
        (
            [10 * at for at in range(40)],
            "gaps",
            "ticks of its step, `frames.interval: 10s`, by `frames.resample: mean`",
        ),
    ],
)
def test_gaps_are_named_with_a_gap_that_may_be_or_with_ticks(seconds: list[int], cause: str, remedy: str) -> None:
    (gappy,) = account(definition(), readings(seconds))
    assert (gappy.scored, gappy.cause, gappy.blind) == (0, cause, True)
    assert remedy in gappy.remedy


def test_degraded_frames_are_named_with_the_sensors_that_have_no_value() -> None:
    (degraded,) = account(definition(), readings(list(range(100)), missing=90))
    assert (degraded.degraded, degraded.cause, degraded.blind) == (85, "degraded", True)
    assert degraded.why == (
        "more than 0 of 2 sensors have no value for longer than 5 frames (`frames.max_carry`); without a value: 's1' "
        "in 100% of these frames"
    )
    assert degraded.remedy.startswith("train with `frames.max_missing: 1`, with a longer `frames.interval`")


def test_an_asset_that_is_never_on_is_named_with_the_expression() -> None:
    of = definition(score_when="s0 > 100")
    (off,) = account(of, readings(list(range(30))))
    assert (off.off, off.cause, off.unscored) == (30, "off", 0.0)
    assert warnings([off])[0].endswith(
        "always off, as `frames.score_when: s0 > 100` never held; if this is a spare machine, nothing is wrong; "
        "if not, look at `frames.score_when`"
    )


def test_an_asset_that_is_on_too_briefly_for_a_window_is_named_with_a_shorter_one() -> None:
    values = readings(list(range(80)))
    values.values[:, 0] = np.where(np.arange(80) % 8 < 4, 1.0, 0.0)
    (brief,) = account(definition(score_when="s0 > 0"), values)
    assert (brief.scored, brief.cause) == (0, "off")
    assert brief.remedy == "train with a shorter window, `model.window: 1`"
    assert "it is on for 4 frames at a time on average" in brief.why


def test_series_with_one_cause_are_one_line_and_readings_that_were_refused_are_dead() -> None:
    of, counter = definition(), SeriesCounter()
    detector = Detector(of)
    for name in ("a", "b", "c", "d", "e", "f", "g"):
        batch = readings(list(range(3 if name != "g" else 90)), name)
        counter.add(batch, detector.push(batch), {"x": 2})
    accounts = series_accounts(counter.counts(), of)
    (unknown,) = [one for one in accounts if one.series == "x"]
    assert (unknown.readings, unknown.dead, unknown.frames, unknown.cause) == (14, 14, 0, "no frames")
    lines = warnings(accounts)
    assert lines[0].startswith(
        "never scored: 6 of 8 series ('a', 'b', 'c', 'd', 'e' and 1 more), such as 'a': 0 of 3 frames"
    )
    assert lines[1].startswith("never scored: 'x': 0 of 0 frames scored, 14 dead: the bundle does not know it")
    assert summary(accounts) == "86 of 108 frames scored; 7 of 8 series never or hardly scored"


def test_many_frames_without_a_score_are_named_though_no_series_is_blind() -> None:
    (partly,) = account(definition(), readings(list(range(100)), missing=35))
    assert (partly.blind, partly.cause) == (False, "degraded")
    assert warnings([partly])[0].startswith("30% of the frames of 1 series have no score, as of 'a': 66 of 100 frames")


def test_a_series_whose_clock_ran_ahead_is_named_though_all_of_its_frames_are_scored() -> None:
    """Without new starts all readings behind are late; with them, all but those that show where the clock is now."""
    (late,) = account(definition(restart_after=0), readings([*range(100, 130), *range(40)]))
    assert (late.late, late.cause, late.blind) == (40, "late", True)
    assert "'a': 26 of 30 frames scored, 4 warming, 40 late: most of its readings stand behind a later one" in late.text
    (anew,) = account(definition(), readings([*range(100, 130), *range(40)]))
    assert (anew.late, anew.frames, anew.scored, anew.cause) == (19, 51, 26 + 17, "")
