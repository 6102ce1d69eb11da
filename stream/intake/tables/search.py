"""One search for the columns of a data set: what every part of it needs to know."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from stream.errors import DataError
from stream.intake.tables.column_types import listed
from stream.intake.tables.files import File
from stream.intake.tables.hints import Hints
from stream.intake.tables.merged import merged_types, text_among_numbers
from stream.intake.tables.repeated_times import FirstRows

# A reason in `why` that is against a column.
LEFT_OUT = "left out: "


def left_out(why: Mapping[str, str]) -> dict[str, str]:
    """The reason against each column that is not read; see `Layout.why`."""
    return {key.removeprefix(LEFT_OUT): reason for key, reason in why.items() if key.startswith(LEFT_OUT)}


@dataclass(slots=True)
class Search:
    """A search for the columns of a data set.

    Attributes:
        types: type of each column, in most files.
        rows: the first rows, in which the series are looked for.
        why, doubts: see `Layout`; they fill up on the way.
    """

    path: Path
    hints: Hints
    files: Sequence[File]
    why: dict[str, str] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    types: dict[str, pa.DataType] = field(init=False)
    rows: FirstRows = field(init=False)

    def __post_init__(self) -> None:
        self.types = merged_types(self.files)
        self.rows = FirstRows(self.files)

    @property
    def where(self) -> str:
        """The data whose columns are meant, for an error text."""
        return str(self.files[0].path if len(self.files) == 1 else self.path)

    @property
    def listed(self) -> str:
        """The columns with their types, for an error text."""
        return listed(self.types)

    def configured(self, role: str, name: str | None) -> str | None:
        """A column that the configuration names; it must exist.

        Raises:
            DataError: it does not.
        """
        if name is None:
            return None
        if name not in self.types:
            raise DataError(f"{self.where}: no column {name!r}, configured as {role}; there are {self.listed}")
        self.why[role] = "configured"
        return name

    def text_among_numbers(self, name: str) -> bool:
        """True for a column that is text because a few of its values are no numbers, where a text may be a number."""
        return self.hints.texts and text_among_numbers(self.files, name)

    @property
    def no_series(self) -> set[str | None]:
        """Columns that have another purpose, or are no series."""
        hints = self.hints
        return {*hints.exclude, *(hints.sensors or ()), *hints.bundle, hints.label, hints.time, hints.value}

    def in_all(self, fits: Callable[[pa.DataType], bool]) -> list[str]:
        """The columns whose type fits in every file with rows."""
        full = [file.types() for file in self.files if file.rows]
        return [name for name in full[0] if all(name in types and fits(types[name]) for types in full)]

    def nested(self) -> dict[str, tuple[str, ...]]:
        """Place of each column that is a field of a struct."""
        paths = {name: path for file in self.files if file.table for name, path in file.table.paths.items()}
        return {name: path for name, path in paths.items() if len(path) > 1}
