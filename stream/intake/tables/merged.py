"""One type for each column of a data set, though its files differ: a file a day, one of them from a bad day."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pyarrow import types

from stream.errors import DataError
from stream.intake.tables.column_types import is_label, is_number, is_text, is_time, listed, may_name
from stream.intake.tables.files import File
from stream.intake.tables.formats.numbers import share_of_numbers
from stream.intake.wire.causes import short
from stream.messages import some

Family = Literal["nothing", "numbers", "text", "times", "other"]
# First and last rows of a column of text that are looked at: do they hold numbers?
_LOOK = 1000
# What a column of each role must hold, and the same in words.
_TIMES = "a timestamp, an epoch or ISO-8601 text"
_ROLES: Mapping[str, tuple[Callable[[pa.DataType], bool], str]] = {
    "time": (is_time, _TIMES),
    "date": (is_time, _TIMES),
    "series": (may_name, "text or integers"),
    "label": (is_label, "bool, numbers or text"),
    "sensor": (may_name, "text or integers"),
}


def family(kind: pa.DataType | None) -> Family:
    """The kind of values in a column; nothing where it is absent or has no type."""
    if kind is None or types.is_null(kind):
        return "nothing"
    if is_number(kind):
        return "numbers"
    if is_text(kind):
        return "text"
    return "times" if types.is_timestamp(kind) or types.is_date(kind) else "other"


def merged_types(found: Sequence[File]) -> dict[str, pa.DataType]:
    """Type of every column: that of the family with the most rows. Null where no file has a value.

    Files without rows say nothing, except where no file has rows.
    """
    kinds: dict[str, dict[Family, pa.DataType]] = {}
    rows: dict[str, Counter[Family]] = {}
    for file in [file for file in found if file.rows] or found:
        for name, kind in file.types().items():
            of = family(kind)
            known = kinds.setdefault(name, {}).setdefault(of, kind)
            if of == "numbers" and types.is_integer(known) and not types.is_integer(kind):
                kinds[name][of] = kind
            rows.setdefault(name, Counter())[of] += file.rows if of != "nothing" else 0
    return {name: kinds[name][rows[name].most_common(1)[0][0]] for name in kinds}


def gaps(found: Sequence[File], names: Iterable[str]) -> dict[str, list[str]]:
    """The columns of numbers that are not so in every file with rows, by a sentence about these files."""
    kinds = {file.name: (file, file.types()) for file in found if file.rows}
    columns: dict[str, list[str]] = {}
    for name in names:
        sentence = _gap(
            {key: pa.float64() if _has_numbers(file, name) else of.get(name) for key, (file, of) in kinds.items()}
        )
        if sentence is not None:
            columns.setdefault(sentence, []).append(name)
    return columns


def _gap(lacking: Mapping[str, pa.DataType | None]) -> str | None:
    """A sentence about the files in which a column has no numbers, given its type in each; None where all have them."""
    absent = [file for file, kind in lacking.items() if kind is None]
    empty = [file for file, kind in lacking.items() if kind is not None and types.is_null(kind)]
    other = [(file, kind) for file, kind in lacking.items() if family(kind) not in ("nothing", "numbers")]
    texts = [f"no such column in {some(absent)}"] if absent else []
    texts += [f"no value in {some(empty)}"] if empty else []
    texts += [f"{other[0][1]} instead of numbers in {some([file for file, _ in other])}"] if other else []
    if not texts:
        return None
    files_of = f", of {len(lacking)} files" if len(lacking) > 1 else ""
    return f"{'; '.join(texts)}{files_of}: missing in these rows"


def without_rows(found: Iterable[File]) -> str | None:
    """The files that hold nothing, for people; None where there are none."""
    empty = [file for file in found if not file.rows]
    broken = [file.path.name + (" (0 bytes)" if file.table is None else "") for file in empty]
    return f"{some(broken)}: no rows in {'it' if len(broken) == 1 else 'them'}" if broken else None


def numbers_in(file: File, columns: Iterable[str]) -> frozenset[str]:
    """Those of the columns that may hold numbers in this file: also as text; or words for no value, in CSV."""
    kinds = {name: kind for name, kind in file.types().items() if family(kind) in ("numbers", "text", "nothing")}
    return frozenset(name for name in columns if name in kinds)


def text_among_numbers(found: Sequence[File], name: str) -> bool:
    """True for a column that is text because some values are no numbers: most of the first and last ones are.

    Where all of them are numbers, it was made text on purpose, as identifiers are.
    """
    shares = [share_of_numbers(rows.column(0)) for file in _with_text(found, name) for rows in _ends(file, name)]
    mostly = 2 * sum(good for good, _ in shares) > sum(values for _, values in shares)
    return mostly and any(good < values for file in found for good, values in _shares(file, name))


def holds_numbers(found: Sequence[File], name: str) -> bool:
    """True for a column of text in which some value is a number."""
    return any(_has_numbers(file, name) for file in found)


def _has_numbers(file: File, name: str) -> bool:
    """True where a column of text has a number in a file; reads no further than to the first."""
    return any(good for good, _ in _shares(file, name))


def _shares(file: File, name: str) -> Iterator[tuple[int, int]]:
    """Of each batch of a column of text: how many values are numbers, and how many are not empty."""
    for one in _with_text([file], name):
        yield from (share_of_numbers(batch.column(0)) for batch in one.batches([name], numbers=[name]))


def _with_text(found: Sequence[File], name: str) -> list[File]:
    return [file for file in found if file.rows and name in file.columns and is_text(file.columns[name])]


def _ends(file: File, name: str) -> Iterator[pa.RecordBatch]:
    return file.ends([name], _LOOK, numbers=[name])


def check_columns(found: Sequence[File], roles: Mapping[str, str | None], numbers: Sequence[str] = ()) -> None:
    """Checks that every file with rows has the columns that place a reading, and some file each column of numbers.

    A column without a type is one without a value, and fits any purpose. The label may be absent in some files.

    Args:
        roles: column by role, a key of `_ROLES`; None: no column has the role.

    Raises:
        DataError: names the file, the column and the type that is expected.
    """
    given = {role: name for role, name in roles.items() if name is not None}
    for file in (file for file in found if file.rows):
        columns = file.types()
        for role, name in given.items():
            fits, expected = _ROLES[role]
            if name not in columns and role != "label":
                raise _absent(file.path, name, role, columns)
            kind = columns.get(name, pa.null())
            if not types.is_null(kind) and not fits(kind):
                raise _unfit(file.path, name, role, kind, expected)
    merged = merged_types(found) if numbers else {}
    for name in numbers:
        if name not in merged:
            raise _absent(found[0].path, name, "value", merged)
        if family(merged[name]) not in ("numbers", "nothing") and not holds_numbers(found, name):
            where = next(file.path for file in found if file.types().get(name) == merged[name])
            raise _unfit(where, name, "value", merged[name], f"numbers{_instead(found, name)}")


def _instead(found: Sequence[File], name: str) -> str:
    """The first value in a column of text that has no number."""
    for file in _with_text(found, name):
        values = next(file.batches([name], _LOOK, numbers=[name])).column(0).drop_null()
        if len(values):
            return f", and none is among values such as {short(values[0].as_py())}"
    return ""


def _absent(where: Path, name: str, role: str, columns: Mapping[str, pa.DataType]) -> DataError:
    return DataError(
        f"{where}: no column {name!r}, wanted as {role}; there are {listed(columns)}; "
        f"read files of one layout together and the others apart, or name other columns"
    )


def _unfit(where: Path, name: str, role: str, kind: pa.DataType, expected: str) -> DataError:
    return DataError(
        f"{where}: {name!r}, wanted as {role}, is {kind}; expected {expected}; convert it, or name another column"
    )
