"""Guesses settings from a data set, each with its reason, for `narrows init --from-file`."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stream.intake.columns import LongReadings, Readings
from stream.intake.field_paths import joined
from stream.intake.sampling import sampling, steps
from stream.intake.sampling_advice import sampling_advice, spoken
from stream.intake.tables.reader import Hints, Layout, discover, read
from stream.settings.data import FrameSettings
from stream.settings.quantities import format_duration
from stream.settings.starter import Guess

# Readings to look at: enough for a median and for the usual gaps, few enough to be quick.
_ENOUGH = 200_000
# A step longer than this many intervals is a gap.
_GAP = 1.5
# The prefix by which a layout marks a column that it left out; and names and reasons of a column of labels.
_LEFT_OUT = "left out: "
_LABEL = re.compile("anomal|label|outlier", re.IGNORECASE)
_MAY_LABEL = re.compile("named like a label|but bool")


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


def guess(path: str) -> list[Guess]:
    """Guesses name, layout and rate of the data set at `path`: a file, folder or glob.

    Raises:
        DataError: there is nothing that can be read as history.
    """
    layout = discover(Path(path), Hints())
    name = Guess("detector", detector_name(path), "the name of the data")
    return [name, *layout_guesses(layout), *sampling_guesses(path, layout)]


def layout_guesses(layout: Layout) -> list[Guess]:
    """Guesses the role of each column."""
    left_out = {key.removeprefix(_LEFT_OUT): why for key, why in layout.why.items() if key.startswith(_LEFT_OUT)}
    label = next((name for name, why in left_out.items() if _LABEL.search(name) and _MAY_LABEL.search(why)), None)
    others = {name: why for name, why in left_out.items() if name != label}
    shape = "a column of sensor names and one of values" if layout.format == "long" else "a column for each sensor"
    guesses = [
        Guess("input.format", layout.format, shape),
        Guess("input.time", joined([layout.time]), layout.why["time"]),
        series_guess(layout),
        Guess("input.sensors", list(layout.sensors), layout.why["sensors"]),
    ]
    if layout.sensor is not None and layout.value is not None:
        guesses += [
            Guess("input.sensor", joined([layout.sensor]), layout.why["sensor"]),
            Guess("input.value", joined([layout.value]), layout.why["value"]),
        ]
    if label is not None:
        guesses.append(Guess("input.label", label, "named like a label: rows marked in it are kept out of training"))
    if others:
        reasons = "; ".join(f"{name} is {why}" for name, why in others.items())
        guesses.append(Guess("input.exclude", list(others), reasons))
    return guesses


def series_guess(layout: Layout) -> Guess:
    """Guesses `input.series`; empty where Parquet needs no setting, because on Kafka the key names the series."""
    why = layout.why["series"]
    if layout.series is not None and layout.series_inferred:
        why += "; Kafka: this field, or empty it where the key names it"
        return Guess("input.series", joined([layout.series]), why)
    return Guess("input.series", "", f"Parquet: {why}; Kafka: the key, unless a field is named here")


def rate(batches: Iterable[Readings | LongReadings]) -> Rate | None:
    """Spacing of the first 200,000 readings; None where no series has two of them at different times."""
    step = np.sort(steps(_first(batches)).step)
    if not len(step):
        return None
    # The lower median is an element of the sample, not the mean of two: 1 s stays 1 s.
    interval = int(step[(len(step) - 1) // 2])
    return Rate(interval, len(step), int((step > _GAP * interval).sum()), int(step[-1]))


def sampling_guesses(path: str, layout: Layout) -> Iterator[Guess]:
    """Guesses `frames.interval`; and `frames.resample`, where rows hold one sensor, or have unlike steps."""
    batches = list(_first(batch.columns for batch in read(Path(path), layout)))
    found, spacing = sampling(batches, len(layout.sensors)), rate(batches)
    if spacing is None or found.interval is None or found.tick is None:
        return
    usual, is_long = FrameSettings(), layout.format == "long"
    advice = sampling_advice(found, layout.sensors, "none", None, usual.max_carry, is_long)
    reason = f"{_rate_reason(spacing)}{f'; {advice.reason}' if advice is not None else ''}"
    if advice is not None:
        yield Guess("frames.resample", advice.resample, reason)
        yield Guess("frames.interval", advice.interval, "a tick in which every sensor of every series is seen")
        return
    if layout.format == "wide":
        yield Guess("frames.interval", format_duration(found.interval), reason)
        return
    yield Guess("frames.resample", "last", "one sensor per row: the rows of one tick make a frame")
    slow = "" if found.slowest is None else f"; the slowest sensor, {layout.sensors[found.slowest]}, sets the tick"
    yield Guess("frames.interval", format_duration(found.tick), f"{reason}{slow}")


def _first(batches: Iterable[Readings | LongReadings]) -> Iterator[Readings | LongReadings]:
    count = 0
    for columns in batches:
        yield columns
        count += len(columns)
        if count >= _ENOUGH:
            return


def _rate_reason(spacing: Rate) -> str:
    """The median step, and the number of gaps."""
    reason = f"the median of {spacing.steps} steps, {spoken(spacing.interval_ns)}"
    if spacing.gaps:
        reason += f"; longer than {_GAP} of it (gaps): {spacing.gaps}, the longest {spoken(spacing.longest_ns)}"
    return reason


def detector_name(path: str) -> str:
    """Makes a valid name for a detector of the last part of a path that has no wildcards."""
    plain = [part for part in Path(path).parts if not set(part) & set("*?[")]
    stem = plain[-1].removesuffix(".parquet").lower() if plain else ""
    return re.sub(r"[^a-z0-9._-]+", "-", stem).strip("._-")[:100] or "detector"
