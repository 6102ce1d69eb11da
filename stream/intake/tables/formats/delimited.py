"""CSV: the columns, rows and batches of one file of delimited text, also compressed with gzip."""

import csv
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
from pyarrow import types

from stream.errors import DataError
from stream.intake.tables.formats.plain import Names

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_DELIMITERS = ",;\t|"
_DATE = re.compile(r"\s*\d{4}-\d\d-\d\d|\s*\d{1,2}[./]\d{1,2}[./]\d{4}")
# Bytes of which the form of the text is learnt.
_HEAD = 1 << 16


class DelimitedTable:
    """One CSV file; its rows are parsed to know the type of each column; see `Source`."""

    def __init__(self, path: Path) -> None:
        """Reads the file; DataError where it has no header, pa.ArrowException or OSError where it is no table."""
        at = path.stat()
        self._key = (path, at.st_mtime_ns, at.st_size)
        self.columns, self.rows = _facts(*self._key)
        self.series = ""
        self.paths: Mapping[str, Names] = {name: (name,) for name in self.columns}

    def batches(
        self, names: Sequence[str], batch_rows: int, encode: bool = False, numbers: Collection[str] = ()
    ) -> Iterator[pa.RecordBatch]:
        """The rows, `batch_rows` at a time, in these columns."""
        yield from self._columns(names, numbers).to_batches(batch_rows)

    def last(self, names: Sequence[str], rows: int, numbers: Collection[str] = ()) -> Iterator[pa.RecordBatch]:
        """The last rows in these columns."""
        yield from self._columns(names, numbers).slice(max(self.rows - rows, 0)).to_batches()

    def _columns(self, names: Sequence[str], numbers: Collection[str]) -> pa.Table:
        """The columns; of those among `numbers`, only an empty cell and NULL are null, and not a word such as n/a."""
        table = _table(*self._key).select(list(names))
        doubtful = tuple(name for name in names if name in numbers and table[name].null_count)
        with_words = dict(zip(doubtful, _words(*self._key, doubtful) if doubtful else (), strict=True))
        for place, name in enumerate(names):
            column = with_words.get(name, table[name])
            if name in numbers and types.is_string(column.type) and _has_commas(*self._key):
                column = pc.replace_substring_regex(column, r"^(\s*[-+]?\d*),(\d+\s*)$", r"\1.\2")
            table = table.set_column(place, name, column)
        return table


@lru_cache(maxsize=4096)
def _facts(path: Path, changed: int, size: int) -> tuple[Mapping[str, pa.DataType], int]:
    table = _table(path, changed, size)
    return {field.name: field.type for field in table.schema}, len(table)


# A type is certain only after the last row, so a file is parsed whole, and the newest ones are kept for the next step.
@lru_cache(maxsize=4)
def _table(path: Path, changed: int, size: int) -> pa.Table:
    """The table of a file; `changed` and `size` tell its versions apart."""
    return _parsed(path, pv.ConvertOptions(strings_can_be_null=True))


@lru_cache(maxsize=4)
def _words(path: Path, changed: int, size: int, names: tuple[str, ...]) -> list[pa.ChunkedArray]:
    """These columns of a file, in which words for no value are text or NaN."""
    options = pv.ConvertOptions(strings_can_be_null=True, include_columns=names, null_values=["", "null", "NULL"])
    return _parsed(path, options).columns  # type: ignore[no-any-return]


def _parsed(path: Path, options: pv.ConvertOptions) -> pa.Table:
    """A file as a table, parsed with these options."""
    form = _form(path)
    _check_header(path, form.rows)
    options.decimal_point = "," if form.has_commas else "."
    return pv.read_csv(
        path,
        pv.ReadOptions(encoding=form.encoding, skip_rows=form.skipped + 1, column_names=_unique(form.rows[0])),
        pv.ParseOptions(delimiter=form.delimiter, newlines_in_values=True),
        options,
    )


@lru_cache(maxsize=4096)
def _has_commas(path: Path, changed: int, size: int) -> bool:
    """True where numbers are written with a comma."""
    return _form(path).has_commas


def header(path: Path) -> list[str]:
    """The names of the columns of a CSV file; none where it has no line with text, or cannot be read."""
    try:
        return next(iter(_form(path).rows), [])
    except (pa.ArrowException, OSError):
        return []


class _Form(NamedTuple):
    """The form of a text: its first rows, the header among them, and the lines of remarks above."""

    rows: list[list[str]]
    skipped: int
    delimiter: str
    encoding: str

    @property
    def has_commas(self) -> bool:
        """True where numbers are written with a comma."""
        cells = (cell for row in self.rows[1:] for cell in row) if self.delimiter == ";" else ()
        return any("," in cell and _is_number(cell) for cell in cells)


def _form(path: Path) -> _Form:
    head, encoding = _head(path)
    lines = head.splitlines() or [""]
    skipped = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), 0)
    delimiter = max(_DELIMITERS, key=lines[skipped].count)
    # The last line may be cut off.
    rows = csv.reader(lines[skipped:-1] or lines[skipped:], delimiter=delimiter)
    return _Form([row for row in rows if row], skipped, delimiter, encoding)


def _head(path: Path) -> tuple[str, str]:
    """The first lines, and the encoding: UTF-8, UTF-16 where the file says so, else that of Windows."""
    with pa.input_stream(str(path), compression="detect") as stream:
        head = stream.read(_HEAD)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head.decode("utf-16", "ignore"), "utf-16"
    # The last line may be cut off within a character.
    head = head if len(head) < _HEAD else head[: head.rfind(b"\n") + 1]
    try:
        return head.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return head.decode("cp1252", "replace"), "cp1252"


def _check_header(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Refuses text without a row of names."""
    if not rows or all(map(_is_number, rows[0])) or any(map(_DATE.match, rows[0])):
        seen = f"the first line is {rows[0][:5]}" if rows else "no line with text"
        raise DataError(f"{path}: {seen}; expected the names of the columns there, separated by a comma; add them")


def _unique(names: Sequence[str]) -> list[str]:
    """The names; the second column called `x` is `x.1`, as in pandas, or has the next number that is free."""
    unique: list[str] = []
    taken = set(map(str.strip, names))
    for name in map(str.strip, names):
        free = (numbered for number in count(1) if (numbered := f"{name}.{number}") not in taken)
        unique.append(next(free) if name in unique else name)
        taken.add(unique[-1])
    return unique


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
