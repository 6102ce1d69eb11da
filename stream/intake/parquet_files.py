"""The Parquet files of a data set: one file, a folder, a glob, or folders named key=value."""

import glob
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from stream.errors import DataError

_WILD = frozenset("*?[")
# What Hive and Spark name the folder of rows whose key is null.
_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, slots=True)
class File:
    """One file and what is known of it without reading rows.

    Attributes:
        name: path below the data set, without `.parquet`.
        schema: of its columns; those that folders give are not among them.
        folders: columns that the folders give, by name, the same for every row; None is null.
    """

    path: Path
    name: str
    schema: pa.Schema
    rows: int
    folders: Mapping[str, str | None]

    def types(self) -> dict[str, pa.DataType]:
        """Type of every column, also of those that folders give (strings)."""
        return {field.name: field.type for field in self.schema} | dict.fromkeys(self.folders, pa.string())


def files(path: Path | str) -> list[File]:
    """The files at a path, sorted.

    Raises:
        DataError: nothing there, or something that is no Parquet.
    """
    root, found = _found(Path(path))
    if not found:
        raise DataError(
            f"{path}: no Parquet files; expected a file, a folder with *.parquet below it, or a glob of such"
        )
    return [_opened(file, root) for file in found]


def _found(path: Path) -> tuple[Path, list[Path]]:
    """What names of files begin with, and the files."""
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
    # A file that the glob matches is meant, whatever its name ends in, unless it lies beside Parquet.
    named = {match for match in matches if match.is_file()}
    parquet = {match for match in named if match.suffix == ".parquet"}
    return root, sorted(file for file in below | (parquet or named) if _visible(file, root))


def _below(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*.parquet") if file.is_file() and _visible(file, folder))


def _visible(file: Path, root: Path) -> bool:
    """Not hidden, which half-written output and the logs of Spark and Delta are."""
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
