"""Finds the form of the times of a data set in its first and last rows, or refuses it with the setting to write."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from pyarrow import types

from stream.errors import DataError
from stream.intake.columns import Bools, Int64s
from stream.intake.field_paths import as_setting, joined
from stream.intake.intervals import DAY, readable
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
_DIGITS: tuple[TimeFormat, ...] = ("yyyymmddhhmmss", "yyyymmdd")
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
        proposed: the form is proposed, though it is not configured.
        assumed: the times name no zone and none is configured: says so. None otherwise.
        traces: traces of summer time in such times; None where there are none.
        counter: the times are a counter: says that its steps are taken for seconds. None otherwise.
    """

    time: str
    form: TimeForm
    note: str
    proposed: bool = False
    assumed: str | None = None
    traces: str | None = None
    counter: str | None = None

    @property
    def told(self) -> str:
        """All of these words."""
        return "; ".join(word for word in (self.note, self.assumed, self.traces) if word)

    @property
    def doubts(self) -> list[str]:
        """Possible faults of the form, one sentence each."""
        guessed = [f"the form of the times is a guess: {self.note}"] if self.proposed else []
        zone = [] if self.traces is None else [f"{self.assumed}; {self.traces}: name the zone of the plant"]
        return [*guessed, *zone]


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
    check_columns(search.files, {"time": time, "date": hints.date})
    trials = _Trials(search)
    given = trials.of(time, hints.date, hints.time_format or "auto")
    fitting, also = trials.rivals(given), ""
    if given.is_enough and not fitting and not trials.is_split(given):
        return _found(search, given, f"{_kind(search, given)}, {given.span}", proposed=False)
    if fitting:
        seen = f"{_values(search, given)}, which may be times in {len(fitting)} ways"
        also = "".join(f"; or {_remedy(search, rival)}" for rival in fitting[1:])
    else:
        seen = f"{_seen(search, trials, given)}; expected {_EXPECTED}"
        fitting = [trial for trial in trials.others(given) if trial.fits]
    if [trial.form.time_format for trial in fitting[:2]] == ["day_first", "month_first"]:
        # The wrong order scatters the days of a month over a year.
        fitting[:2] = sorted(fitting[:2], key=lambda trial: int(np.ptp(trial.times[trial.good])))
        also = f"; or {_remedy(search, fitting[1])}"
    if not fitting:
        raise DataError(
            f"{search.where}: {seen}; name another column as `input.time`, the column of the date as `input.date` "
            f"where these are times of day, or the form as `input.time_format`; or convert them"
        )
    if not hints.propose:
        raise DataError(f"{search.where}: {seen}; {_remedy(search, fitting[0])}{also}")
    guess = f"{seen.removesuffix(f'; expected {_EXPECTED}')}; taken as {fitting[0].meaning}{also}"
    return _found(search, fitting[0], guess, proposed=True)


@dataclass(frozen=True, slots=True)
class _Trial:
    """A form, and what it makes of the n times of a sample.

    Attributes:
        time: the column of times.
        times: int64 (n,), ns.
        good, null: bool (n,), true for times of the form, and for values that are null.
    """

    time: str
    form: TimeForm
    rows: Sample
    times: Int64s
    good: Bools
    null: Bools

    @property
    def is_enough(self) -> bool:
        """True where nearly all values are times."""
        return self._nearly_all(self.good)

    @property
    def fits(self) -> bool:
        """True where nearly all values are plausible times; for what takes values as they are, times of any year."""
        as_they_are = self.form.time_format in _AS_THEY_ARE and bool(self.good.any())
        return self._nearly_all(self.good) if as_they_are else self.is_plausible

    @property
    def is_plausible(self) -> bool:
        """True where nearly all values are times of plausible years."""
        return bool(self.good.any()) and self._nearly_all(plausible(self.times, self.good, "auto"))

    @property
    def is_counter(self) -> bool:
        """True for seconds of years in which no sensor was read."""
        return self.form.time_format == "epoch_s" and not plausible(self.times, self.good, "auto").any()

    @property
    def is_usual(self) -> bool:
        """True where the median step is an interval as a person would write it."""
        step = int(np.median(np.diff(np.unique(self.times[self.good])) if np.ptp(self.times[self.good]) else 0))
        return readable(step, steady=False) == step

    def _nearly_all(self, good: Bools) -> bool:
        return bool(np.count_nonzero(good) >= (1 - _MANY) * np.count_nonzero(~self.null))

    @property
    def span(self) -> str:
        """First and last time, in seconds, UTC."""
        times = self.times[self.good]
        if not len(times):
            return "no times"
        first, last = (np.datetime_as_string(t.astype("M8[ns]"), unit="s") for t in (times.min(), times.max()))
        return f"{first}Z to {last}Z"

    @property
    def meaning(self) -> str:
        """The form in words, with the first and the last time that it gives."""
        name, date = self.form.time_format, self.form.date
        if self.is_counter:
            return "a counter, each step of 1 taken as a second"
        meaning = MEANINGS.get(name, "times as they are written")
        if date is not None:
            also = f", {meaning}" if name != "auto" else ""
            meaning = f"times of day in {self.time!r} with dates in {date!r}{also}"
        return f"{meaning}: {self.span}"


class _Trials:
    """Tries forms on the first and last rows, which are read once for each pair of columns."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._samples: dict[tuple[str, ...], Sample] = {}

    def of(self, time: str, date: str | None, time_format: TimeFormat) -> _Trial:
        """The form in which these columns have times of this format."""
        columns = (time,) if date is None else (time, date)
        if columns not in self._samples:
            self._samples[columns] = sample(self._search.files, columns)
        rows, form = self._samples[columns], TimeForm(time_format, self._search.hints.zone or UTC_ZONE, date)
        return _Trial(time, form, rows, *rows.read(form))

    def others(self, given: _Trial) -> Iterator[_Trial]:
        """Other forms that the times may have, the most telling first."""
        formats = ("auto", *(name for name in MEANINGS if name not in _AS_THEY_ARE), *_AS_THEY_ARE)
        date = given.form.date
        columns = [*self._pairs(given.time), (given.time, None)] if date is None else [(given.time, date)]
        for clock, day in columns:
            yield from (self.of(clock, day, time_format) for time_format in formats)

    def is_split(self, given: _Trial) -> bool:
        """True for repeated midnights beside a column of times of day: they are only half of each time."""
        times = given.times[given.good]
        days = np.unique(times)
        if given.form.date is not None or self._search.hints.time is not None:
            return False
        if 2 * len(days) > len(times) or (days % DAY).any():
            return False
        return any(self.of(*pair, given.form.time_format).fits for pair in self._pairs(given.time))

    def rivals(self, given: _Trial) -> list[_Trial]:
        """Readings of digits that are plausible besides each other, the most usual step first; none for only one."""
        first = given.rows.ends()[0]
        whole = (
            first.isdigit() if isinstance(first, str) else isinstance(first, int | float) and float(first).is_integer()
        )
        if given.form.time_format != "auto" or given.form.date is not None or not whole:
            return []
        found = [self.of(given.time, None, time_format) for time_format in MEANINGS]
        readings = [trial for trial in found if trial.is_plausible]
        return sorted(readings, key=_doubtful) if readings[1:] else []

    def _pairs(self, time: str) -> list[tuple[str, str | None]]:
        """Columns of a time of day and of a date, one of which is `time`, and the other typed or named so."""
        others = {name: kind for name, kind in self._search.types.items() if name != time}
        dates = [name for name, kind in others.items() if types.is_date(kind) or name.lower() in _DATES]
        clocks = [name for name, kind in others.items() if types.is_time(kind) or name.lower() in _CLOCKS]
        return [*((time, date) for date in dates), *((clock, time) for clock in clocks)]


def _doubtful(trial: _Trial) -> tuple[bool, bool, int]:
    """Sorts readings of the same digits: usual steps first, then dates, which no epochs are by chance, then newest."""
    return not trial.is_usual, trial.form.time_format not in _DIGITS, -int(trial.times.max())


def _values(search: Search, given: _Trial) -> str:
    """Says what the column of times holds."""
    first, last = given.rows.ends()
    return f"{given.time!r} ({search.types[given.time]}) has {first!r} to {last!r}"


def _seen(search: Search, trials: _Trials, given: _Trial) -> str:
    """Says what speaks against the times as they are."""
    text, first = _values(search, given), given.rows.ends()[0]
    if given.is_enough:
        days = len(np.unique(given.times[given.good]))
        return f"{text}, dates without a time of day: {len(given.times):,} on {days:,} days"
    unread = f"{np.count_nonzero(~given.good & ~given.null):,} of {len(given.null):,}"
    if given.form.time_format != "auto":
        return f"{text}; {unread} are no {given.form.time_format!r}, as configured"
    unit = epoch_of(first)
    of_any_year = trials.of(given.time, given.form.date, "iso8601" if isinstance(first, str) else unit)
    if not of_any_year.is_enough:
        return f"{text}; {unread} are not in ISO 8601" if isinstance(first, str) else f"{text}; {unread} are no epochs"
    return f"{text}; {'' if isinstance(first, str) else f'as {MEANINGS[unit]} '}these are {of_any_year.span}"


def _remedy(search: Search, fitting: _Trial) -> str:
    """The settings to write for a form, and what it makes of the times."""
    form, hints = fitting.form, search.hints
    settings = {
        "time": joined([fitting.time]) if form.date is not None and hints.time is None else None,
        "date": joined([form.date]) if form.date is not None and hints.date is None else None,
        "time_format": form.time_format if form.time_format != (hints.time_format or "auto") else None,
    }
    written = " and ".join(f"`{as_setting(name, value)}`" for name, value in settings.items() if value is not None)
    return f"write {written} for {fitting.meaning}"


def _kind(search: Search, given: _Trial) -> str:
    """Type of the column and the form of its values, in words."""
    kind, time_format = search.types[given.time], given.form.time_format
    value = given.rows.ends()[1]
    if given.form.date is not None:
        return f"{kind}, with the date in {given.form.date!r}"
    if time_format in MEANINGS and (is_text(kind) or is_number(kind)):
        return f"{kind}, {MEANINGS[time_format]}"
    if is_text(kind):
        return f"{kind}, ISO 8601"
    return f"{kind}, {MEANINGS[epoch_of(value)]}" if isinstance(value, int | float) else str(kind)


def _found(search: Search, trial: _Trial, note: str, proposed: bool) -> FoundForm:
    """The form of a trial. Says that UTC was assumed, where the times name no zone and none is configured."""
    found = FoundForm(trial.time, trial.form, note, proposed, counter=_counter(trial) if trial.is_counter else None)
    elsewhere, there, _ = trial.rows.read(replace(trial.form, zone=_ELSEWHERE))
    both = trial.good & there
    if search.hints.zone is not None or not (trial.times[both] != elsewhere[both]).any():
        return found
    assumed = "the times name no zone: UTC is assumed; `input.timezone` names another"
    return replace(found, assumed=assumed, traces=summer_time(trial.times[trial.good]))


def _counter(trial: _Trial) -> str:
    """Says what follows from a counter in the place of times."""
    return (
        f"{trial.time!r} counts, each step of 1 taken as a second ({trial.span}): intervals, alerts per week and "
        "promises are in these steps; convert the times where a step is no second"
    )
