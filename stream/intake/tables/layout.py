"""The purpose of each column of a Parquet data set: configured, or found with a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pyarrow import types

from stream.errors import DataError
from stream.intake.tables.column_types import check_columns, first_named, is_label, is_number, is_text, is_time, listed
from stream.intake.tables.files import File, files
from stream.intake.tables.series_column import repeated_times

_TIMES = ("time", "timestamp", "ts", "datetime", "date")
_SERIES = ("series", "asset", "device", "machine", "id", "key", "series_id", "asset_id", "device_id", "machine_id")
_SENSORS = ("sensor", "tag", "channel", "metric")
_ANSWERS = (
    *("anomaly", "is_anomaly", "anomalous", "is_anomalous", "anomaly_label", "label", "labels", "is_label"),
    *("outlier", "is_outlier"),
)
# A detector that reads these learns the answer: they are sensors only where the configuration names them.
_LABELS = (*_ANSWERS, "changepoint", "change_point", "is_changepoint")
_DATE_FOLDERS = ("year", "month", "day", "hour", "date", "dt")


@dataclass(frozen=True, slots=True)
class Hints:
    """Columns named in the configuration. None: the column is found in the data.

    Attributes:
        sensor, value: the two columns of long data.
        label: 0/1 or bool, true on rows known to be anomalous. Never found in the data; see `label_column`.
        exclude: columns that are no sensors; absent ones are passed over.
    """

    time: str | None = None
    series: str | None = None
    sensors: Sequence[str] | None = None
    label: str | None = None
    sensor: str | None = None
    value: str | None = None
    exclude: Sequence[str] = ()

    def without_label(self) -> "Hints":
        """The same for a reader without labels: the label column may be absent, and is no sensor."""
        answers = () if self.label is None else (self.label,)
        return replace(self, label=None, exclude=(*self.exclude, *answers))

    def with_optional_label(self, path: Path) -> "Hints":
        """The same for data that may lack the label column: without it where no file has it."""
        return self if any(self.label in file.types() for file in files(path)) else self.without_label()


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a data set by their purpose.

    Attributes:
        path: the data set in which the columns were found; data like it have the same layout.
        series: None: each file is a series. Its name is the metadata `series` of its schema, else its path.
        sensors: columns (wide) or sensor names (long), in order.
        sensor: long: the column of the sensor's name.
        value: long: the column of its value.
        why: reason for each of these, by attribute; "left out: NAME" for each column that is not read.
        series_inferred: the content of the series column gave it away; other data like these may not show it.
    """

    path: Path
    format: Literal["wide", "long"]
    time: str
    series: str | None
    sensors: tuple[str, ...]
    label: str | None = None
    sensor: str | None = None
    value: str | None = None
    why: Mapping[str, str] = field(default_factory=dict)
    series_inferred: bool = False


def discover(path: Path | str, hints: Hints = Hints()) -> Layout:
    """Finds the purpose of each column of a data set.

    Reads no rows but the names of long sensors. Where no column is called like a series, it also reads the columns of
    text and the times of a million rows.

    Raises:
        DataError: nothing to read, a named column that is absent, no time, no sensors, or files that differ.
    """
    found = files(path)
    if not sum(file.rows for file in found):
        raise DataError(f"{path}: {len(found)} Parquet files without a row; expected history to learn from")
    return _Search(Path(path), hints, found).layout()


def label_column(path: Path | str) -> str:
    """The column that marks anomalous rows, found by its name.

    Raises:
        DataError: nothing to read, or no file has such a column.
    """
    columns = {name: kind for file in files(path) for name, kind in file.types().items() if is_label(kind)}
    named = first_named(columns, _ANSWERS)
    if named is None:
        raise DataError(
            f"{path}: no column of labels; there are {listed(files(path)[0].types())}; expected 0/1 or bool, true on "
            f"anomalous rows, in one named {', '.join(_ANSWERS)}: name it as `input.label`"
        )
    return named


class _Search:
    """One search for the columns; `why` fills up on the way."""

    def __init__(self, path: Path, hints: Hints, found: Sequence[File]) -> None:
        self._path, self._hints, self._files = path, hints, found
        self._types = found[0].types()
        self._why: dict[str, str] = {}
        self._series_inferred = False

    def layout(self) -> Layout:
        """The layout, with a reason for each column."""
        label = self._label()
        time = self._time()
        sensor, value = self._long()
        series = self._series() or self._inferred_series([time, *([] if sensor is None else [sensor])])
        kind: Literal["wide", "long"] = "wide" if sensor is None else "long"
        self._why["format"] = "a column per sensor" if sensor is None else f"{sensor!r} names the sensor of each row"
        sensors = self._wide_sensors({time, series, label}) if sensor is None else self._named_sensors(sensor)
        check_columns(self._files, time, series, label, sensor, sensors if value is None else [value])
        return Layout(self._path, kind, time, series, sensors, label, sensor, value, self._why, self._series_inferred)

    def _configured(self, role: str, name: str | None) -> str | None:
        """A column that the configuration names; it must exist."""
        if name is None:
            return None
        if name not in self._types:
            raise DataError(f"{self._where()}: no column {name!r}, configured as {role}; there are {self._listed()}")
        self._why[role] = "configured"
        return name

    def _label(self) -> str | None:
        name = self._hints.label
        if name is None:
            return None
        # Training files often lack it: there, nothing is labelled.
        if not any(name in file.types() for file in self._files):
            raise DataError(
                f"{self._path}: no file has the column {name!r}, configured as label; there are {self._listed()}; "
                f"name another, or none for data without labels"
            )
        if name in (self._hints.sensors or ()):
            raise DataError(f"{self._path}: {name!r} is configured as label and as sensor; it can be one of them")
        self._why["label"] = "configured"
        return name

    def _time(self) -> str:
        configured = self._configured("time", self._hints.time)
        if configured is not None:
            return configured
        columns = {name: kind for name, kind in self._types.items() if name not in self._files[0].folders}
        stamps = [name for name, kind in columns.items() if types.is_timestamp(kind)]
        if len(stamps) == 1:
            self._why["time"] = "the only timestamp column"
            return stamps[0]
        named = first_named(stamps or [name for name, kind in columns.items() if is_time(kind)], _TIMES)
        if named is None:
            what = f"several timestamp columns ({', '.join(stamps)})" if stamps else "no time column"
            raise DataError(
                f"{self._where()}: {what}; expected one timestamp column, or one named {', '.join(_TIMES)}; "
                f"there are {self._listed()}; name the time in the configuration"
            )
        self._why["time"] = f"named {named!r}, of type {columns[named]}"
        return named

    def _series(self) -> str | None:
        configured = self._configured("series", self._hints.series)
        if configured is not None:
            return configured
        texts = [name for name, kind in self._types.items() if is_text(kind)]
        named = first_named(texts, _SERIES)
        if named is not None:
            self._why["series"] = f"a column of text named {named!r}"
            return named
        folders = [name for name in self._files[0].folders if name.lower() not in (*_DATE_FOLDERS, *_SENSORS)]
        if len(folders) == 1:
            self._why["series"] = f"folders are named {folders[0]}=..."
            return folders[0]
        self._why["series"] = "no column of series: each file is one, named by its metadata or its path"
        return None

    def _inferred_series(self, keys: list[str]) -> str | None:
        """The only column of text that makes times unique; several are named in `why`."""
        texts = [name for name in self._texts() if name not in keys]
        if not texts or set(keys) & set(self._files[0].folders):
            return None
        found = repeated_times(self._files, keys, texts)
        if len(found.explained_by) == 1:
            self._series_inferred = True
            self._why["series"] = (
                f"the only column of text that makes times unique: without it {found.share:.0%} of rows repeat one"
            )
            return found.explained_by[0]
        if found.explained_by:
            self._why["series"] = (
                f"each file is one, but {found.share:.0%} of rows repeat a time; {' or '.join(found.explained_by)} "
                f"would tell them apart: name one as `input.series`"
            )
        return None

    def _texts(self) -> list[str]:
        """Columns of text, in every file, that may name a series."""
        given = {*self._hints.exclude, *(self._hints.sensors or ()), self._hints.label}
        in_all = set.intersection(*(set(file.schema.names) for file in self._files))
        texts = [name for name, kind in self._types.items() if is_text(kind) and name in in_all - given]
        return [name for name in texts if name.lower() not in (*_LABELS, *_TIMES)]

    def _long(self) -> tuple[str, str] | tuple[None, None]:
        """The columns of sensor and value of long data."""
        sensor = self._configured("sensor", self._hints.sensor)
        value = self._configured("value", self._hints.value)
        numbers = [name for name, kind in self._types.items() if is_number(kind)]
        texts = [name for name, kind in self._types.items() if is_text(kind)]
        sensor_found = sensor or first_named(texts, _SENSORS)
        value_found = value or first_named(numbers, ("value",))
        if sensor_found is None or value_found is None:
            if sensor or value:
                lacking = "value" if sensor else "sensor"
                raise DataError(
                    f"{self._where()}: long data need a {lacking} column; there are {self._listed()}; name it"
                )
            return None, None
        self._why.setdefault("sensor", f"a column of text named {sensor_found!r}")
        self._why.setdefault("value", f"a column of numbers named {value_found!r}")
        return sensor_found, value_found

    def _named_sensors(self, sensor: str) -> tuple[str, ...]:
        """The sensors of long data: those configured, else all that the rows name."""
        if self._hints.sensors is not None:
            self._why["sensors"] = "configured"
            return tuple(self._hints.sensors)
        names = {name for file in self._files for name in file.distinct(sensor) if name}
        sensors = tuple(sorted(names - set(self._hints.exclude)))
        if not sensors:
            raise DataError(f"{self._path}: the column {sensor!r} names no sensors; expected a name in every row")
        self._why["sensors"] = f"the distinct values of {sensor!r}"
        return sensors

    def _wide_sensors(self, taken: set[str | None]) -> tuple[str, ...]:
        if self._hints.sensors is not None:
            for name in self._hints.sensors:
                self._configured("sensors", name)
            return tuple(self._hints.sensors)
        sensors = self._numbers(self._files[0], taken)
        for file in self._files[1:]:
            odd = sorted(set(self._numbers(file, taken)) ^ set(sensors))
            if odd:
                raise DataError(
                    f"{file.path}: {odd[0]!r} is a column of numbers in only one of this file and "
                    f"{self._files[0].path}; name the sensors in the configuration, exclude it, or read them apart"
                )
        if not sensors:
            raise DataError(
                f"{self._where()}: no numeric sensors; there are {self._listed()}; "
                f"expected numbers beside the time, name the sensors if they are among these"
            )
        self._why["sensors"] = "every other column of numbers"
        return sensors

    def _numbers(self, file: File, taken: set[str | None]) -> tuple[str, ...]:
        """Numeric columns that may be sensors; `why` gets the reason against each other column."""
        sensors = []
        for name, kind in file.types().items():
            reason = None if name in taken else self._reason_against(name, kind)
            if name not in taken and reason is None:
                sensors.append(name)
            elif reason is not None:
                self._why[f"left out: {name}"] = reason
        return tuple(sensors)

    def _reason_against(self, name: str, kind: pa.DataType) -> str | None:
        if name in self._hints.exclude:
            return "configured"
        if not is_number(kind):
            return f"not numbers but {kind}"
        if name.lower() in _LABELS:
            return "named like a label: a detector must not see the answers; configure it as label or as sensor"
        if name.lower() in _TIMES:
            return "named like a time; configure it as sensor if it is one"
        if name.lower() in _SERIES or name.startswith("__index_level_"):
            return "named like an identifier; configure it as series or as sensor if it is one"
        return None

    def _where(self) -> str:
        return str(self._files[0].path)

    def _listed(self) -> str:
        return listed(self._types)
