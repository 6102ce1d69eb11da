"""Finds the form of the times of a data set in its first and last rows, or refuses it with the setting to write."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from pyarrow import types

from stream.errors import DataError
from stream.intake.calendar import DAY
from stream.intake.columns import Bools, Int64s
from stream.intake.field_paths import as_setting, joined
from stream.intake.tables.column_types import is_number, is_text
from stream.intake.tables.merged import check_columns
from stream.intake.tables.moments.conversion import TimeForm
from stream.intake.tables.moments.sample import Sample, sample
from stream.intake.tables.moments.summer_time import summer_time
from stream.intake.tables.search import Search
from stream.intake.time_formats import FIRST_YEAR, LAST_YEAR, MEANINGS, UTC_ZONE, TimeFormat
from stream.intake.timestamps import epoch_of, plausible

# A data set with a larger share of rows without a usable time is refused; a smaller one has faults, which are counted.
_MANY = 0.1
# The last resort: what takes times of any year as they are.
_AS_THEY_ARE: tuple[TimeFormat, ...] = ("iso8601", "epoch_s")
_DATES, _CLOCKS = ("date", "day", "datum"), ("time", "clock", "time_of_day")
_EXPECTED = f"timestamps, epochs or ISO 8601 text from {FIRST_YEAR} to {LAST_YEAR}"
# A zone far from UTC and without summer time: what it moves names no zone.
_ELSEWHERE = "Asia/Tokyo"


@dataclass(frozen=True, slots=True)
class FoundForm:
    """The form of the times of a data set, with words about it.

    Attributes:
        time: the column of times; of times of day where `form.date` is set.
        note: type and form of the column, first and last time; where the form is proposed, the reason.
        proposed: the reason for which the form is proposed, though it is not configured; None where it is sure.
        assumed: the times name no zone and none is configured: says so. None otherwise.
        traces: traces of summer time in such times; None where there are none.
    """

    time: str
    form: TimeForm
    note: str
    proposed: str | None = None
    assumed: str | None = None
    traces: str | None = None

    @property
    def told(self) -> str:
        """All of these words."""
        return "; ".join(word for word in (self.note, self.assumed, self.traces) if word)


def find_form(search: Search, time: str) -> FoundForm:
    """The form of the times: as configured, or as they look.

    Raises:
        DataError: too many times cannot be; the text has the setting to write. With `hints.propose` only where no
            setting would help.
    """
    hints = search.hints
    search.configured("date", hints.date)
    if hints.date == time:
        raise DataError(
            f"{search.where}: {time!r} is the column of both time and date; name the column of the times of day as "
            f"`input.time`, or no `input.date` where one column holds both"
        )
    found = FoundForm(time, TimeForm(hints.time_format or "auto", hints.zone or UTC_ZONE, hints.date), "")
    check_columns(search.files, {"time": time, "date": hints.date})
    rows = _sample(search, found)
    times, good, null = rows.read(found.form)
    if _enough(good, null) and not _is_split(search, found, times[good]):
        return _with_zone(search, replace(found, note=f"{_kind(search, found, rows)}, {_span(times[good])}"), rows)
    fitting = [trial for trial in _trials(search, found) if _fits(_sample(search, trial), trial.form)]
    if [trial.form.time_format for trial in fitting[:2]] == ["day_first", "month_first"]:
        # The wrong order scatters the days of a month over a year.
        fitting[:2] = sorted(fitting[:2], key=lambda trial: _length(search, trial))
        also = f"; or {_remedy(search, fitting[1])}"
    else:
        also = ""
    seen = _seen(search, found, rows)
    if not fitting:
        raise DataError(
            f"{search.where}: {seen}; expected {_EXPECTED}; name another column as `input.time`, the column of the "
            f"date as `input.date` where these are times of day, or the form as `input.time_format`; or convert them"
        )
    if not hints.propose:
        raise DataError(f"{search.where}: {seen}; expected {_EXPECTED}; {_remedy(search, fitting[0])}{also}")
    guess = f"{seen}; taken as {_meaning(search, fitting[0])}{also}"
    return _with_zone(search, replace(fitting[0], note=guess, proposed=guess), _sample(search, fitting[0]))


def _sample(search: Search, found: FoundForm) -> Sample:
    return sample(search.files, [found.time, *([] if found.form.date is None else [found.form.date])])


def _enough(good: Bools, null: Bools) -> bool:
    return bool(np.count_nonzero(good) >= (1 - _MANY) * np.count_nonzero(~null))


def _fits(rows: Sample, form: TimeForm) -> bool:
    """True where nearly all values are plausible times; for what takes values as they are, times of any year."""
    times, good, null = rows.read(form)
    return bool(good.any()) and _enough(
        good if form.time_format in _AS_THEY_ARE else plausible(times, good, "auto"), null
    )


def _trials(search: Search, found: FoundForm) -> Iterator[FoundForm]:
    """Other forms that the times may have, the most telling first."""
    formats = ("auto", *(name for name in MEANINGS if name not in _AS_THEY_ARE), *_AS_THEY_ARE)
    date = found.form.date
    for clock, day in _pairs(search, found.time) if date is None else [(found.time, date)]:
        yield from (_with(found, clock, day, time_format) for time_format in formats)
    if date is None:
        yield from (_with(found, found.time, None, time_format) for time_format in formats)


def _with(found: FoundForm, time: str, date: str | None, time_format: TimeFormat) -> FoundForm:
    return replace(found, time=time, form=replace(found.form, date=date, time_format=time_format))


def _pairs(search: Search, time: str) -> list[tuple[str, str]]:
    """Columns of a time of day and of a date, one of which is `time`, and the other typed or named so."""
    if search.hints.time is not None and search.hints.date is not None:
        return []
    others = {name: kind for name, kind in search.types.items() if name != time}
    dates = [name for name, kind in others.items() if types.is_date(kind) or name.lower() in _DATES]
    clocks = [name for name, kind in others.items() if types.is_time(kind) or name.lower() in _CLOCKS]
    return [*((time, date) for date in dates), *((clock, time) for clock in clocks)]


def _is_split(search: Search, found: FoundForm, times: Int64s) -> bool:
    """True for repeated midnights beside a column of times of day: they are only half of each time."""
    days = np.unique(times)
    if found.form.date is not None or search.hints.time is not None or 2 * len(days) > len(times) or (days % DAY).any():
        return False
    pairs = (_with(found, clock, day, found.form.time_format) for clock, day in _pairs(search, found.time))
    return any(_fits(_sample(search, pair), pair.form) for pair in pairs)


def _seen(search: Search, found: FoundForm, rows: Sample) -> str:
    """Says what speaks against the times as they are."""
    times, good, null = rows.read(found.form)
    first, last = rows.ends()
    text = f"{found.time!r} ({search.types[found.time]}) has {first!r} to {last!r}"
    if _enough(good, null):
        return f"{text}, dates without a time of day: {len(times):,} on {len(np.unique(times[good])):,} days"
    unread = f"{np.count_nonzero(~good & ~null):,} of {len(null):,}"
    if found.form.time_format != "auto":
        return f"{text}; {unread} are no {found.form.time_format!r}, as configured"
    unit = epoch_of(first)
    epochs, good, _ = rows.read(replace(found.form, time_format="iso8601" if isinstance(first, str) else unit))
    if not _enough(good, null):
        return f"{text}; {unread} are no times"
    return f"{text}; {'' if isinstance(first, str) else f'as {MEANINGS[unit]} '}these are {_span(epochs[good])}"


def _remedy(search: Search, fitting: FoundForm) -> str:
    """The settings to write for a form, and what it makes of the times."""
    form, hints = fitting.form, search.hints
    settings = {
        "time": joined([fitting.time]) if form.date is not None and hints.time is None else None,
        "date": joined([form.date]) if form.date is not None and hints.date is None else None,
        "time_format": form.time_format if form.time_format != (hints.time_format or "auto") else None,
    }
    written = " and ".join(f"`{as_setting(name, value)}`" for name, value in settings.items() if value is not None)
    return f"write {written} for {_meaning(search, fitting)}"


def _meaning(search: Search, fitting: FoundForm) -> str:
    """The form in words, with the first and the last time that it gives."""
    times, good, _ = _sample(search, fitting).read(fitting.form)
    name, date = fitting.form.time_format, fitting.form.date
    if name == "epoch_s" and not plausible(times, good, "auto").any():
        return "a counter, each step of 1 taken as a second"
    meaning = MEANINGS.get(name, "times as they are written")
    if date is not None:
        meaning = f"times of day in {fitting.time!r} with dates in {date!r}" + (
            f", {meaning}" if name != "auto" else ""
        )
    return f"{meaning}: {_span(times[good])}"


def _length(search: Search, found: FoundForm) -> int:
    times, good, _ = _sample(search, found).read(found.form)
    return int(times[good].max() - times[good].min())


def _kind(search: Search, found: FoundForm, rows: Sample) -> str:
    """Type of the column and the form of its values, in words."""
    kind, time_format = search.types[found.time], found.form.time_format
    value = rows.ends()[1]
    if found.form.date is not None:
        return f"{kind}, with the date in {found.form.date!r}"
    if time_format in MEANINGS and (is_text(kind) or is_number(kind)):
        return f"{kind}, {MEANINGS[time_format]}"
    if is_text(kind):
        return f"{kind}, ISO 8601"
    return f"{kind}, {MEANINGS[epoch_of(value)]}" if isinstance(value, int | float) else str(kind)


def _span(times: Int64s) -> str:
    """First and last time, in seconds, UTC."""
    if not len(times):
        return "no times"
    first, last = (np.datetime_as_string(t.astype("M8[ns]"), unit="s") for t in (times.min(), times.max()))
    return f"{first}Z to {last}Z"


def _with_zone(search: Search, found: FoundForm, rows: Sample) -> FoundForm:
    """Says that UTC was assumed, where the times name no zone and none is configured."""
    if search.hints.zone is not None:
        return found
    times, good, _ = rows.read(found.form)
    elsewhere, there, _ = rows.read(replace(found.form, zone=_ELSEWHERE))
    if not (times[good & there] != elsewhere[good & there]).any():
        return found
    assumed = "the times name no zone: UTC is assumed; `input.timezone` names another"
    return replace(found, assumed=assumed, traces=summer_time(times[good]))
