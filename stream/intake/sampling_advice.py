"""The settings that bring readings of unlike steps together: `frames.resample` and `frames.interval`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stream.intake.intervals import format_duration, spoken
from stream.intake.sampling import Sampling

Resample = Literal["none", "last", "mean"]

# Series whose steps are so many times apart are not alike: a window of one spans so much more time.
APART = 2
# A message names at most this many series.
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class SamplingAdvice:
    """A difference in sampling, and the settings that help; both in words, and as values to write.

    Attributes:
        resample: the value of `frames.resample`; interval: that of `frames.interval`.
    """

    reason: str
    resample: Resample
    interval: str

    @property
    def settings(self) -> str:
        """The settings as they are written in a configuration."""
        return f"`frames.resample: {self.resample}` and `frames.interval: {self.interval}`"

    @property
    def sentence(self) -> str:
        """The difference and what to do."""
        return f"{self.reason}; set {self.settings}, which brings them on ticks of {self.interval}"


def sampling_advice(
    found: Sampling, sensors: Sequence[str], resample: Resample, interval: int | None, max_carry: int, is_long: bool
) -> SamplingAdvice | None:
    """Advises where series, or sensors of one series, report at steps that these settings do not bring together.

    Args:
        sensors: F names.
        resample, interval, max_carry: as in the section `frames`; interval in ns, None: that of the data.
        is_long: readings have one sensor each, so they go on ticks in any case.
    """
    if found.widest_tick is None or found.tick is None:
        return None
    on_ticks = is_long or resample != "none"
    tick = (interval or found.tick) if on_ticks else 0
    rows = {name: found.rows[name] for name in found.whole}
    seen = max_carry + 1  # frames for which one value serves
    sparse = {name: step for name, step in found.whole.items() if step > seen * (tick or found.rows[name])}
    if sparse:
        reason = _sparse(found, sparse, sensors, tick)
    elif not on_ticks and max(rows.values()) >= APART * min(rows.values()):
        reason = f"series report at unlike steps ({_steps(rows)}), so windows of some span more time"
    else:
        return None
    proposed: Resample = resample if resample != "none" else "last" if is_long else "mean"
    return SamplingAdvice(reason, proposed, format_duration(found.widest_tick))


def _sparse(found: Sampling, sparse: dict[str, int], sensors: Sequence[str], interval: int) -> str:
    """Names the series with sensors that are masked most of the time, and the slowest sensor."""
    which = f", slowest of them {sensors[found.slowest]!r}" if found.slowest is not None else ""
    frame = f"the tick of {format_duration(interval)}" if interval else "their rows"
    return (
        f"sensors of {len(sparse)} of {len(found.rows)} series report less often than {frame} "
        f"({_steps(sparse)}{which}), and have no value in between"
    )


def _steps(of: dict[str, int]) -> str:
    """The shortest and the longest steps, with their series: the ends tell the difference."""
    ordered = sorted(of.items(), key=lambda one: one[1])
    if len(ordered) > MOST_NAMED:
        ordered = [ordered[0], *ordered[1 - MOST_NAMED :]]
    return ", ".join(f"{name!r} every {spoken(step)}" for name, step in ordered)
