"""The Parquet files of a data set: one file, a folder, a glob, or folders named key=value."""

import glob
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stream.errors import DataError

_WILD = frozenset("*?[")
# Hive and Spark give the folder of rows whose key is null this name.
_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, slots=True)
class File:
    """One Parquet file, as its metadata describe it.

    Attributes:
        name: path below the data set, without `.parquet`.
        schema: the columns in the file, without those that folders give.
        folders: columns that folders named key=value give: one value for all rows, None for null.
    """

    path: Path
    name: str
    schema: pa.Schema
    rows: int
    folders: Mapping[str, str | None]

    def distinct(self, column: str) -> set[str | None]:
        """Distinct values of a column of text; empty where the file has no such column."""
        if column in self.folders:
            return {self.folders[column]}
        if column not in self.schema.names:
            return set()
        # As a dictionary, a name is read once per row group, not once per row: 40 times faster, and in little memory.
        with pq.ParquetFile(self.path, read_dictionary=[column]) as reader:
            batches = reader.iter_batches(columns=[column])
            return {name for rows in batches for name in pc.unique(rows.column(0)).to_pylist()}

    def column(self, rows: pa.RecordBatch, name: str) -> pa.Array:
        """A column of rows of this file, also one that a folder gives."""
        if name in self.folders:
            return pa.repeat(pa.scalar(self.folders[name], pa.string()), rows.num_rows)
        return rows.column(name)

    def types(self) -> dict[str, pa.DataType]:
        """Type of every column; those that folders give are strings."""
        return {field.name: field.type for field in self.schema} | dict.fromkeys(self.folders, pa.string())


def files(path: Path | str) -> list[File]:
    """The files at a path, sorted.

    Raises:
        DataError: no file there, or one that is not Parquet.
    """
    root, found = _root_and_files(Path(path))
    if not found:
        raise DataError(
            f"{path}: no Parquet files; expected a file, a folder with *.parquet below it, or a glob of such"
        )
    return [_opened(file, root) for file in found]


def _root_and_files(path: Path) -> tuple[Path, list[Path]]:
    """The folder that the names of files are relative to, and the files."""
    if path.is_file():
        return path.parent, [path]
    if path.is_dir():
        return path, sorted(_below(path))
    steady = next((i for i, part in enumerate(path.parts) if _WILD & set(part)), None)
    if steady is None:
        raise DataError(f"{path}: no such file or folder; give a Parquet file, a folder of them, or a glob in quotes")
    root = Path(*path.parts[:steady])
    matches = [Path(match) for match in glob.glob(str(path), recursive=True)]
    below = {file for match in matches if match.is_dir() for file in _below(match)}
    # A file that the glob matches is read whatever its name ends in, unless *.parquet files match too.
    named = {match for match in matches if match.is_file()}
    parquet = {match for match in named if match.suffix == ".parquet"}
    return root, sorted(file for file in below | (parquet or named) if _visible(file, root))


def _below(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*.parquet") if file.is_file() and _visible(file, folder))


def _visible(file: Path, root: Path) -> bool:
    """False for hidden files: half-written output, and the logs of Spark and Delta."""
    return not any(part[0] in "._" for part in file.relative_to(root).parts)


def _opened(path: Path, root: Path) -> File:
    below = path.relative_to(root)
    try:
        metadata = pq.read_metadata(path)
        schema = metadata.schema.to_arrow_schema()
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({error}); remove or repair it, or name the others"
        ) from error
    folders = {key: value for key, value in _folders(below.parent) if key not in schema.names}
    return File(path, below.with_suffix("").as_posix(), schema, metadata.num_rows, folders)


def _folders(below: PurePath) -> Iterator[tuple[str, str | None]]:
    for part in below.parts:
        key, is_pair, value = part.partition("=")
        if is_pair and key:
            yield unquote(key), None if value == _NULL else unquote(value)


def count_rows(path: Path | str) -> int:
    """Rows at a path, from the files' metadata. Raises DataError like `files`."""
    return sum(file.rows for file in files(path))
