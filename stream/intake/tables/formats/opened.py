"""Opens a file of history in the format that it has, or says how to convert it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from stream.errors import DataError
from stream.intake.tables.formats.delimited import ENDINGS, DelimitedTable
from stream.intake.tables.formats.parquet import MAGIC, ParquetTable
from stream.intake.tables.formats.plain import Names

# Other formats by their suffix: the pandas function that reads them.
FOREIGN = {
    ".xlsx": "read_excel", ".xls": "read_excel", ".xlsm": "read_excel", ".ods": "read_excel",
    ".json": "read_json", ".jsonl": "read_json", ".ndjson": "read_json",
    ".feather": "read_feather", ".arrow": "read_feather", ".ipc": "read_feather", ".orc": "read_orc",
    ".h5": "read_hdf", ".hdf5": "read_hdf", ".hdf": "read_hdf", ".pkl": "read_pickle", ".pickle": "read_pickle",
    ".txt": "read_csv", ".dat": "read_csv", ".sav": "read_spss", ".dta": "read_stata", ".xml": "read_xml",
}  # fmt: skip


class Source(Protocol):
    """The columns of one file.

    Attributes:
        columns: plain type of each column; fields of structs have dotted names.
        paths: place of each column; that of a field of a struct has several names.
        rows: number of rows.
        series: the name of the series that its metadata give; empty where they give none.
    """

    columns: Mapping[str, pa.DataType]
    rows: int
    series: str
    paths: Mapping[str, Names]

    def batches(
        self, names: Sequence[str], batch_rows: int, encode: bool = False, numbers: Collection[str] = ()
    ) -> Iterator[pa.RecordBatch]:
        """The rows, `batch_rows` at a time, in these columns.

        Args:
            encode: text as a dictionary, where that is faster.
            numbers: columns in which a word for no value, such as NaN or n/a, stays what it is. An empty cell is null.
        """

    def last(self, names: Sequence[str], rows: int, numbers: Collection[str] = ()) -> Iterator[pa.RecordBatch]:
        """The last rows in these columns, `rows` of them at least where there are so many."""


def opened(path: Path) -> Source | None:
    """The table in a file; None where the file has no bytes.

    Raises:
        DataError: damaged, or of a format that is not read.
    """
    is_text = path.name.lower().endswith(ENDINGS)
    try:
        if not path.stat().st_size:
            return None
        with path.open("rb") as stream:
            is_parquet = stream.read(len(MAGIC)) == MAGIC
        if not is_parquet and not is_text:
            raise DataError(_other_format(path))
        return ParquetTable(path) if is_parquet else DelimitedTable(path)
    except MemoryError:
        raise  # Too large is not damaged; Arrow's own error for it is an ArrowException too.
    except (pa.ArrowException, OSError, UnicodeError) as error:
        form = "CSV" if is_text else "Parquet"
        raise DataError(
            f"{path}: cannot be read as {form} ({error}); remove or repair it, or name the others"
        ) from error


def _other_format(path: Path) -> str:
    reader = FOREIGN.get(path.suffix.lower())
    if reader is not None:
        return (
            f"{path}: a {path.suffix.lower()} file; expected Parquet or CSV; convert it, as with pandas: "
            f"pd.{reader}({path.name!r}).to_parquet({path.stem + '.parquet'!r})"
        )
    return (
        f"{path}: no Parquet file: it does not begin with {MAGIC.decode()}; expected Parquet, or CSV in a file "
        f"that ends in {', '.join(ENDINGS)}; rename a file of text, convert any other"
    )
