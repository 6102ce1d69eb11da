"""The columns of a data set that the configuration names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from stream.intake.tables.files import files
from stream.intake.time_formats import TimeFormat


@dataclass(frozen=True, slots=True)
class Hints:
    """Columns named in the configuration. None: the column is found in the data.

    Attributes:
        sensor, value: the two columns of long data.
        label: the column that marks rows known to be anomalous. Never found in the data; see `label_column`.
        exclude: columns that are no sensors; absent ones are passed over.
        series_name: the series of all rows, in data without a column of series.
        date: the column of the date, where `time` is a time of day.
        time_format: form of times that are numbers or text; timestamps have their own. None: found.
        zone: IANA zone of times that name none; None: UTC is assumed, and said.
        anomalous: values of the label that mean anomalous; none: found.
        propose: take what the data look like where the configuration should say it; for `narrows init`.
        format: wide or long; None: found.
        paths: place of a configured sensor in a nested record, where it is not the column of its name.
        bundle: sensors of a bundle: sensors whatever their names, where they occur.
        texts: a text that spells a number is one, as in a CSV file. False: it is text, as in a message.
        bad_is_dead: a value that is no number kills its row. False: its sensor has no value there.
    """

    time: str | None = None
    series: str | None = None
    sensors: Sequence[str] | None = None
    label: str | None = None
    sensor: str | None = None
    value: str | None = None
    exclude: Sequence[str] = ()
    series_name: str | None = None
    date: str | None = None
    time_format: TimeFormat | None = None
    zone: str | None = None
    anomalous: Sequence[bool | float | str] = ()
    propose: bool = False
    format: Literal["wide", "long"] | None = None
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bundle: Sequence[str] = ()
    texts: bool = True
    bad_is_dead: bool = False

    def without_label(self) -> "Hints":
        """The same for a reader without labels: the label column may be absent, and is no sensor."""
        answers = () if self.label is None else (self.label,)
        return replace(self, label=None, exclude=(*self.exclude, *answers))

    def with_optional_label(self, path: Path) -> "Hints":
        """The same for data that may lack the label column: without it where no file has it."""
        return self if any(self.label in file.types() for file in files(path)) else self.without_label()
