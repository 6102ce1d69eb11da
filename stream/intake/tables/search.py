"""One search for the columns of a data set: what every part of it needs to know."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from stream.errors import DataError
from stream.intake.tables.column_types import listed
from stream.intake.tables.files import File
from stream.intake.tables.hints import Hints


@dataclass(slots=True)
class Search:
    """A search for the columns of a data set.

    Attributes:
        types: type of each column, in the first file.
        why: see `Layout.why`; fills up on the way.
    """

    path: Path
    hints: Hints
    files: Sequence[File]
    why: dict[str, str] = field(default_factory=dict)
    types: dict[str, pa.DataType] = field(init=False)

    def __post_init__(self) -> None:
        self.types = self.files[0].types()

    @property
    def where(self) -> str:
        """The file whose columns are meant, for an error text."""
        return str(self.files[0].path)

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
