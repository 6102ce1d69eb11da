"""The files of a data set, Parquet or CSV: one file, a folder, a glob, or folders named key=value."""

import glob
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from stream.errors import DataError
from stream.intake.tables.column_types import as_names
from stream.intake.tables.formats.delimited import ENDINGS, header
from stream.intake.tables.formats.opened import FOREIGN, Source, opened

_WILD = frozenset("*?[")
# Hive and Spark give the folder of rows whose key is null this name.
_NULL = "__HIVE_DEFAULT_PARTITION__"
_PARQUET = (".parquet",)


@dataclass(frozen=True, slots=True)
class File:
    """One file of history.

    Attributes:
        name: path below the data set, without its ending.
        table: its columns and rows; None where it has no bytes.
        folders: columns that folders named key=value give: one value for all rows, None for null.
    """

    path: Path
    name: str
    table: Source | None
    folders: Mapping[str, str | None]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return 0 if self.table is None else self.table.rows

    @property
    def columns(self) -> Mapping[str, pa.DataType]:
        """Plain type of every column in the file itself."""
        return {} if self.table is None else self.table.columns

    def types(self) -> dict[str, pa.DataType]:
        """Plain type of every column; those that folders give are strings."""
        return {**self.columns, **dict.fromkeys(self.folders, pa.string())}

    def batches(
        self, columns: Sequence[str], batch_rows: int = 65_536, encode: bool = False, numbers: Collection[str] = ()
    ) -> Iterator[pa.RecordBatch]:
        """The rows, in columns of the file itself; see `Source.batches`. Raises DataError where the file is damaged."""
        if self.table is not None:
            yield from self._undamaged(self.table.batches(columns, batch_rows, encode, numbers))

    def ends(self, columns: Sequence[str], rows: int, numbers: Collection[str] = ()) -> Iterator[pa.RecordBatch]:
        """The first and the last `rows` rows, not less where the file has as many; DataError where it is damaged."""
        first = next(self.batches(columns, rows, numbers=numbers))
        yield first
        left = min(self.rows - len(first), rows)
        if self.table is not None and left > 0:
            last = pa.Table.from_batches(self._undamaged(self.table.last(columns, left, numbers)))
            yield from last.slice(len(last) - left).to_batches()

    def _undamaged(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except MemoryError:
            raise  # Too large is not damaged; Arrow's own error for it is an ArrowException too.
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.path}: damaged, cannot be read whole ({error}); repair or remove it") from error

    def distinct(self, column: str) -> set[str | None]:
        """Distinct names in a column of text or whole numbers; empty where the file has no such column."""
        if column in self.folders:
            return {self.folders[column]}
        if column not in self.columns:
            return set()
        where = f"{self.path}: column {column!r}"
        parts = (pc.unique(as_names(rows.column(0), where)) for rows in self.batches([column], encode=True))
        return {None if name is None else str(name) for part in parts for name in part.to_pylist()}

    def column(self, rows: pa.RecordBatch, name: str) -> pa.Array:
        """A column of rows of this file, also one that a folder gives."""
        if name in self.folders:
            return pa.repeat(pa.scalar(self.folders[name], pa.string()), rows.num_rows)
        column = rows.column(name)
        # A column without a type, in which every row is null.
        return column.cast(pa.timestamp("ns")) if types.is_null(column.type) else column


def files(path: Path | str) -> list[File]:
    """The files at a path, sorted.

    Raises:
        DataError: no file there, or one that is damaged or of another format.
    """
    root, found = _root_and_files(Path(path))
    if not found:
        raise DataError(
            f"{path}: no Parquet files and no CSV; expected a file, a folder that holds *.parquet or *.csv, or a glob"
        )
    return [_file(file, root) for file in found]


def passed_over(path: Path | str, found: Sequence[File], time: str) -> list[str]:
    """Names of CSV files with a column `time` in a folder, that are not read because Parquet files are there."""
    if not Path(path).is_dir() or any(file.path.name.lower().endswith(ENDINGS) for file in found):
        return []
    return [file.name for file in _readable(Path(path).rglob("*"), Path(path), (ENDINGS,)) if time in header(file)]


def _root_and_files(path: Path) -> tuple[Path, list[Path]]:
    """The folder that the names of files are relative to, and the files."""
    if path.is_file():
        return path.parent, [path]
    if path.is_dir():
        return path, _readable(path.rglob("*"), path)
    steady = next((i for i, part in enumerate(path.parts) if _WILD & set(part)), None)
    if steady is None:
        raise DataError(f"{path}: no such file or folder; give a Parquet file, a folder of them, or a glob in quotes")
    root = Path(*path.parts[:steady])
    matches = [Path(match) for match in glob.glob(str(path), recursive=True)]
    below = [file for match in matches if match.is_dir() for file in match.rglob("*")]
    # A file that the glob matches is read whatever its name ends in, unless *.parquet files match too.
    named = [match for match in matches if match.is_file() and _visible(match, root)]
    return root, _readable([*below, *named], root) or sorted(named)


def _readable(
    found: Iterable[Path], root: Path, formats: Sequence[Sequence[str]] = (_PARQUET, ENDINGS, tuple(FOREIGN))
) -> list[Path]:
    """The Parquet files; where there are none, the CSV files; else those of formats that can be named."""
    seen = {file for file in found if file.is_file() and _visible(file, root)}
    for endings in formats:
        files_of = sorted(file for file in seen if file.name.lower().endswith(tuple(endings)))
        if files_of:
            return files_of
    return []


def _visible(file: Path, root: Path) -> bool:
    """False for hidden files: half-written output, and the logs of Spark and Delta."""
    return not any(part[0] in "._" for part in file.relative_to(root).parts)


def _file(path: Path, root: Path) -> File:
    below = path.relative_to(root)
    table = opened(path)
    columns = {} if table is None else table.columns
    folders = {key: value for key, value in _folders(below.parent) if key not in columns}
    ending = next((end for end in (*_PARQUET, *ENDINGS) if below.name.lower().endswith(end)), below.suffix)
    return File(path, below.as_posix()[: -len(ending) or None], table, folders)


def _folders(below: PurePath) -> Iterator[tuple[str, str | None]]:
    for part in below.parts:
        key, is_pair, value = part.partition("=")
        if is_pair and key:
            yield unquote(key), None if value == _NULL else unquote(value)


def places(path: Path | str) -> list[Path]:
    """The files at a path, unopened. Raises DataError where nothing is there."""
    return _root_and_files(Path(path))[1]


def count_rows(path: Path | str) -> int:
    """Rows at a path, from the files' metadata. Raises DataError like `files`."""
    return sum(file.rows for file in files(path))
