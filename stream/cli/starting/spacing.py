"""Spacing of readings, and the settings `frames.interval` and `frames.resample` that suit it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stream.intake.columns import LongReadings, Readings
from stream.intake.intervals import spoken
from stream.intake.sampling import sampling, steps
from stream.intake.sampling_advice import sampling_advice
from stream.messages import counted
from stream.settings.data import FrameSettings
from stream.settings.quantities import format_duration
from stream.settings.starter import Guess

# A step longer than this many intervals is a gap.
_GAP = 1.5


@dataclass(frozen=True)
class Rate:
    """Spacing of readings: steps between neighbours of one series (long data: of one sensor of it).

    Attributes:
        interval_ns: median step, > 0.
        steps: number of steps.
        gaps: number of steps longer than 1.5 intervals.
        longest_ns: longest step.
    """

    interval_ns: int
    steps: int
    gaps: int
    longest_ns: int

    @property
    def reason(self) -> str:
        """The median step, and the number of gaps."""
        reason = f"the median of {counted(self.steps, 'step')}, {spoken(self.interval_ns)}"
        if self.gaps:
            reason += f"; longer than {_GAP} of it (gaps): {self.gaps}, the longest {spoken(self.longest_ns)}"
        return reason


def rate(batches: Iterable[Readings | LongReadings]) -> Rate | None:
    """Spacing of readings; None where no series has two of them at different times."""
    step = np.sort(steps(batches))
    if not len(step):
        return None
    # The lower median is an element of the sample, not the mean of two: 1 s stays 1 s.
    interval = int(step[(len(step) - 1) // 2])
    return Rate(interval, len(step), int((step > _GAP * interval).sum()), int(step[-1]))


def sampling_guesses(
    batches: Sequence[Readings | LongReadings], sensors: Sequence[str], spacing: Rate | None
) -> Iterator[Guess]:
    """Guesses `frames.interval`; and `frames.resample`, where readings hold one sensor, or have unlike steps."""
    found = sampling(batches, len(sensors))
    if spacing is None or found.interval is None or found.tick is None:
        return
    usual, is_long = FrameSettings(), isinstance(batches[0], LongReadings)
    advice = sampling_advice(found, sensors, "none", None, usual.max_carry, is_long)
    if advice is not None:
        yield Guess("frames.resample", advice.resample, f"{spacing.reason}; {advice.reason}")
        yield Guess("frames.interval", advice.interval, "a tick in which every sensor of every series is seen")
    elif not is_long:
        yield Guess("frames.interval", format_duration(found.interval), spacing.reason)
    else:
        yield Guess("frames.resample", "last", "one sensor at a time: what comes within one tick makes a frame")
        slow = "" if found.slowest is None else f"; the slowest sensor, {sensors[found.slowest]}, sets the tick"
        yield Guess("frames.interval", format_duration(found.tick), f"{spacing.reason}{slow}")
