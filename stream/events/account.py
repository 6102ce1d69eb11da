"""The account of a series: what became of its readings and frames, why frames have no score, and what would help."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from stream.detect.definition import Definition
from stream.detect.policy import FramePolicy, ModelSpec
from stream.detect.series_counts import SeriesCounts
from stream.intake.bad_values import BadSensor
from stream.intake.columns import Disposition
from stream.intake.intervals import format_duration, readable, spoken
from stream.messages import some

Cause = Literal["", "late", "short", "gaps", "off", "degraded", "no frames"]
# A series is hardly scored where more than half of the frames that it should be scored in have no score.
HARDLY = 0.5
# A smaller share of frames without a score is not worth a word.
WORTH_A_WORD = 0.1
# A sentence names at most so many series, and sensors.
MOST_SERIES, MOST_SENSORS = 5, 3

# Counts of an account that people see: frames with those by verdict, then readings that no frame holds.
COUNTS = ("frames", "scored", "warming", "degraded", "off", "late", "duplicate", "ignored", "dead", "unconfirmed")


class SeriesAccount(msgspec.Struct, frozen=True):
    """The account of one series, as JSON and tables show it. Keys are stable: some may be added, none is renamed.

    Attributes:
        readings: all of them; late, duplicate, ignored, dead, unconfirmed: those that no frame holds.
        frames: all of them; scored, warming, degraded, off: by verdict. The sum is `frames`.
        unscored: share of the frames that should have a score and have none. Off frames and one warm-up are in order.
        cause: of most of these; "" where too few are without a score to be worth a word.
        why: the cause in words, with what was seen and expected; remedy: the setting that would help.
        bad_values: the values that are no numbers, by sensor, and those of many further sensors together.
    """

    series: str
    readings: int
    late: int
    duplicate: int
    ignored: int
    dead: int
    frames: int
    scored: int
    warming: int
    degraded: int
    off: int
    unscored: float
    cause: Cause
    why: str
    remedy: str
    unconfirmed: int = 0
    bad_values: list[BadSensor] = []

    @property
    def expected(self) -> int:
        """Frames that are not off."""
        return self.frames - self.off

    @property
    def blind(self) -> bool:
        """The series is never or hardly scored, or most of its readings came too late."""
        return bool(self.cause) and (not self.scored or self.unscored > HARDLY or self.cause == "late")

    @property
    def in_order(self) -> bool:
        """Nothing is set wrong though it has no score: it has sent too little so far, or it is always off."""
        return self.cause == "short" or (self.cause == "off" and not self.expected)

    @property
    def counts(self) -> tuple[int, ...]:
        """The counts that tables show, in the order of `COUNTS`."""
        return tuple(getattr(self, name) for name in COUNTS)

    @property
    def text(self) -> str:
        """One line: the counts, the cause and the remedy."""
        counts = zip(COUNTS[2:], self.counts[2:], strict=True)
        listed = "".join(f", {count:,} {name}" for name, count in counts if count)
        bad = "".join(f"; {one.text}" for one in self.bad_values[:MOST_SENSORS])
        scored = f"{self.scored:,} of {self.frames:,} frames scored{listed}"
        return f"{self.series!r}: {scored}: {self.why}{bad}; {self.remedy}"


def series_accounts(counts: Iterable[SeriesCounts], definition: Definition) -> tuple[SeriesAccount, ...]:
    """The account of each series that was counted with the detector of `definition`."""
    return tuple(_account(one, definition) for one in counts)


def frames_to_first_score(spec: ModelSpec) -> int:
    """Frames in a row up to the first score: a window, and half of the errors of a level."""
    return spec.window - 1 + math.ceil(spec.smoothing / 2)


def summary(accounts: Sequence[SeriesAccount]) -> str:
    """The frames that are scored, and how many series are not, in one line."""
    scored, frames = (sum(counts) for counts in zip(*((one.scored, one.frames) for one in accounts), strict=True))
    blind = sum(one.blind for one in accounts)
    return f"{scored:,} of {frames:,} frames scored; {blind:,} of {len(accounts):,} series never or hardly scored"


def warnings(accounts: Sequence[SeriesAccount]) -> list[str]:
    """A line for each cause for which series are never or hardly scored; or for many frames without a score."""
    blind = [one for one in accounts if one.blind]
    causes = dict.fromkeys(one.cause for one in blind)
    lines = [_together([one for one in blind if one.cause == cause], len(accounts)) for cause in causes]
    rest = [one for one in accounts if not one.blind]
    if (share := unscored_share(rest)) > WORTH_A_WORD:
        worst = max(rest, key=lambda one: one.unscored * one.expected)
        lines.append(f"{share:.0%} of the frames of {len(rest):,} series have no score, as of {worst.text}")
    return lines


def unscored_share(accounts: Sequence[SeriesAccount]) -> float:
    """Share of the frames that should have a score and have none, of all these series together."""
    return sum(one.unscored * one.expected for one in accounts) / max(sum(one.expected for one in accounts), 1)


def _together(alike: list[SeriesAccount], of: int) -> str:
    """A line for series with one cause: one as it is; of several the number, the names and the worst one."""
    how = "never" if not any(one.scored for one in alike) else "hardly"
    if len(alike) == 1:
        return f"{how} scored: {alike[0].text}"
    worst = max(alike, key=lambda one: one.frames)
    names = some([repr(one.series) for one in alike], MOST_SERIES)
    return f"{how} scored: {len(alike):,} of {of:,} series ({names}), such as {worst.text}"


def _account(of: SeriesCounts, definition: Definition) -> SeriesAccount:
    scored, warming, degraded, off = of.frames
    _, late, duplicate, ignored, dead, unconfirmed = of.readings
    frames, needed = sum(of.frames), frames_to_first_score(definition.spec)
    expected = frames - off
    unscored = (degraded + max(warming - needed + 1, 0)) / expected if expected else 0.0
    cause = _cause(of, needed, unscored)
    why, remedy = _words(cause, of, definition) if cause else ("", "")
    return SeriesAccount(
        of.series, sum(of.readings), late, duplicate, ignored, dead, frames, scored, warming, degraded, off,
        unscored, cause, why, remedy, unconfirmed, list(of.bad),
    )  # fmt: skip


def _cause(of: SeriesCounts, needed: int, unscored: float) -> Cause:
    scored, warming, degraded, off = of.frames
    if of.readings[Disposition.LATE] > HARDLY * sum(of.readings):
        return "late"
    if scored and unscored <= WORTH_A_WORD:
        return ""
    if not any(of.frames):
        return "no frames"
    if not scored + warming + degraded:
        return "off"
    if degraded >= warming:
        return "degraded"
    if of.runs > 1:
        return "off" if off else "gaps"
    return "short" if warming < needed else "degraded"


def _words(cause: Cause, of: SeriesCounts, definition: Definition) -> tuple[str, str]:
    """The cause with what was seen and expected, and the remedy."""
    spec, policy, needed = definition.spec, definition.policy, frames_to_first_score(definition.spec)
    expected = sum(of.frames) - of.frames[3]
    run = max(expected // max(of.runs, 1), 1)
    shorter = f"train with a shorter window, `model.window: {max(run // 4, 1)}`"
    rows = f"the first score needs {needed} frames in a row (W = {spec.window}, M = {spec.smoothing})"
    if cause == "late":
        return "most of its readings stand behind a later one", "look for a time in its future, or sort its readings"
    if cause == "no frames":
        return _without_frames(of)
    if cause == "short":
        return rows, "it is scored once it has sent as many"
    if cause == "degraded":
        return _degraded(of, definition)
    if cause == "off" and not expected:
        setting, never = "frames.maintenance", "every frame is in `frames.maintenance`"
        if policy.score_when:
            setting, never = "frames.score_when", f"`frames.score_when: {policy.score_when}` never held"
        return f"always off, as {never}", f"if this is a spare machine, nothing is wrong; if not, look at `{setting}`"
    if cause == "off":
        return f"it is on for {run:,} frames at a time on average, and {rows}", shorter
    between = (of.span_ns - (expected - of.runs) * policy.interval_ns) // max(of.runs - 1, 1)
    longer = f"`frames.max_gap: {format_duration(readable(max(2 * between, 2 * policy.max_gap_ns), steady=False))}`"
    why = (
        f"gaps above {spoken(policy.max_gap_ns)} (`frames.max_gap`) leave runs of {run:,} frames on average, and {rows}"
    )
    if run <= 2:
        return why, f"train with {longer}, or with ticks of its step, {_step(of)}, by `frames.resample: mean`"
    return why, f"train with {longer}, or {shorter.removeprefix('train ')}"


def _without_frames(of: SeriesCounts) -> tuple[str, str]:
    """The cause of a series of which no reading became a frame, and the remedy."""
    if of.bad:
        return "none of its readings has a number", "look at its source"
    if of.readings[Disposition.DEAD] == sum(of.readings):
        return "the bundle does not know it", "set `input.unknown_series: accept`, or train with its history"
    return "none of its readings became a frame", "look at `input.series`, and at the order of time"


def _step(of: SeriesCounts) -> str:
    """The setting of ticks as long as the mean step of a series."""
    step = of.span_ns // max(sum(of.frames) - 1, 1)
    return f"`frames.interval: {format_duration(readable(max(step, 1), steady=False))}`"


def _degraded(of: SeriesCounts, definition: Definition) -> tuple[str, str]:
    """Names the sensors that are missing in degraded frames."""
    policy, frames = definition.policy, max(of.frames[2], 1)
    shares = [count / frames for count in of.missing]
    gone = sum(share > HARDLY for share in shares)
    if gone == len(definition.sensors):
        return "no sensor has a value", "look at its source: its readings hold no values"
    choices = [f"with `frames.max_missing: {gone}`"] if policy.max_missing < gone else []
    # A longer tick helps only a sensor that reports at all.
    if of.frames[2] < sum(of.frames) - of.frames[3]:
        choices.append("with a longer `frames.interval` and `frames.resample`")
    why = f"{missing_sensors(policy, definition.sensors, shares)} of these frames"
    return why, f"train {', '.join([*choices, 'or without these sensors'])}"


def missing_sensors(policy: FramePolicy, sensors: Sequence[str], shares: Sequence[float]) -> str:
    """The reason why frames are degraded, with the sensors that most often have no value.

    Args:
        shares: of the frames in which each sensor has no value, (F,).
    """
    often = sorted(zip(shares, sensors, strict=False), key=lambda one: -one[0])
    named = ", ".join(f"{name!r} in {share:.0%}" for share, name in often[:MOST_SENSORS] if share)
    return (
        f"more than {policy.max_missing} of {len(sensors)} sensors have no value for longer than {policy.max_carry} "
        f"frames (`frames.max_carry`); without a value: {named}"
    )
