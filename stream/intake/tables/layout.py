"""The purpose of each column of a data set: configured, or found with a reason."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from stream.errors import DataError
from stream.intake.tables.files import files, passed_over
from stream.intake.tables.hints import Hints
from stream.intake.tables.label_values import Key
from stream.intake.tables.labels import doubt_unused_labels, find_label
from stream.intake.tables.long_columns import find_long_columns, find_named_sensors
from stream.intake.tables.merged import check_columns
from stream.intake.tables.moments.form import FoundForm, find_form
from stream.intake.tables.search import LEFT_OUT, Search, left_out
from stream.intake.tables.series_column import find_series
from stream.intake.tables.times import find_time
from stream.intake.tables.wide_sensors import doubt_gaps, find_wide_sensors, leave_out_others
from stream.messages import some

# Nothing is configured: every column is found.
_FOUND = Hints()


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a data set by their purpose.

    Attributes:
        path: the data set in which the columns were found; data like it have the same layout.
        times: the form of the times, with the column of dates where these stand apart.
        series: None: each file is a series. Its name is the metadata `series` of its schema, else its path.
        series_name: the one series of all rows, where there is no column of series; None: each file is one.
        sensors: columns (wide) or sensor names (long), in order.
        sensor: long: the column of the sensor's name.
        value: long: the column of its value.
        why: reason for each of these, by attribute; "left out: NAME" for each column that is not read.
        columns: wide: the column of a sensor, where it has another name.
        bad_is_dead: a value that is no number kills its row. False: its sensor has no value there.
        paths: place of each sensor or other column that is a field of a struct.
        series_inferred: the content of the series column gave it away; other data like these may not show it.
        in_order: False: the rows are put in order of time before they are used; `why` says how many were not.
        anomalous: keys of the values of the label that mean anomalous.
        doubts: what may be wrong, one sentence each.
    """

    path: Path
    format: Literal["wide", "long"]
    time: str
    times: FoundForm
    series: str | None
    sensors: tuple[str, ...]
    label: str | None = None
    sensor: str | None = None
    value: str | None = None
    why: Mapping[str, str] = field(default_factory=dict)
    series_inferred: bool = False
    series_name: str | None = None
    in_order: bool = True
    anomalous: frozenset[Key] = frozenset()
    doubts: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bad_is_dead: bool = False

    @property
    def roles(self) -> dict[str, str | None]:
        """The column of each role but those of values; None where no column has it."""
        date = self.times.form.date
        return {"time": self.time, "date": date, "series": self.series, "sensor": self.sensor, "label": self.label}

    @property
    def left_out(self) -> dict[str, str]:
        """The reason against each column that is not read."""
        return left_out(self.why)

    def without(self, sensors: Iterable[str], reason: str) -> "Layout":
        """The layout in which these sensors are left out, for this reason."""
        why = {f"{LEFT_OUT}{name}": reason for name in sensors}
        remaining = tuple(name for name in self.sensors if f"{LEFT_OUT}{name}" not in why)
        return replace(self, sensors=remaining, why={**self.why, **why})

    def columns_of(self, sensors: Sequence[str]) -> tuple[str, ...]:
        """The columns that hold the values of these sensors."""
        wide = tuple(self.columns.get(name, name) for name in sensors)
        return wide if self.value is None else (self.value,)


def discover(path: Path | str, hints: Hints = _FOUND) -> Layout:
    """Finds the purpose of each column of a data set.

    Reads no rows but the names of long sensors. Where no column of text is called like a series, it also reads the
    times of a million rows, and the columns of text and integers where these repeat or the columns are few.

    Raises:
        DataError: nothing to read, a named column that is absent, no time, no sensors, or files that differ.
    """
    found = files(path)
    search = Search(Path(path), hints, found)
    if not sum(file.rows for file in found):
        raise DataError(f"{path}: without a row; expected history to learn from")
    label, values = find_label(search)
    times = find_form(search, find_time(search))
    time, date = times.time, times.form.date
    sensor, value = find_long_columns(search, time, {time, date, label})
    check_columns(found, {"label": label, "sensor": sensor})
    series, inferred = find_series(search, [name for name in (time, date, sensor) if name is not None], value)
    kind: Literal["wide", "long"] = "wide" if sensor is None else "long"
    search.why["format"] = "a column per sensor" if sensor is None else f"{sensor!r} names the sensor of each row"
    taken = {time, date, series, label, sensor, value}
    if sensor is None:
        columns = find_wide_sensors(search, taken)
    else:
        columns = {name: name for name in find_named_sensors(search, sensor)}
        leave_out_others(search, taken)
    numbers = list(columns.values()) if value is None else [value]
    check_columns(found, {"time": time, "date": date, "series": series, "sensor": sensor, "label": label}, numbers)
    doubt_gaps(search, numbers)
    beside = passed_over(path, found, time)
    if beside:
        search.doubts.append(f"{some(beside)}: not read, because Parquet files are beside; name a CSV file to read it")
    doubt_unused_labels(search)
    nested = search.nested()
    places = {name: name for name in taken if name is not None} | columns
    paths = {name: nested[column] for name, column in places.items() if column in nested}
    if paths and hints.sensors is None and not hints.propose:
        search.doubts.append(
            f"{some(list(paths))}: fields of structs; if messages nest them, let `narrows init --from-file {path}` "
            "write their paths as `input.sensors`"
        )
    return Layout(
        search.path, kind, time, times, series, tuple(columns), label, sensor, value, search.why, inferred,
        hints.series_name if series is None else None,
        anomalous=frozenset() if values is None else values.anomalous,
        doubts=(*times.doubts, *search.doubts),
        columns={name: column for name, column in columns.items() if column != name},
        paths=paths,
        bad_is_dead=hints.bad_is_dead,
    )  # fmt: skip
