"""Files of alerts and feedback: JSON lines; feedback also as CSV or Parquet."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from stream.errors import ConfigError, DataError
from stream.events.incident_view import IncidentView, newest, to_ns
from stream.events.people.feedback import Feedback
from stream.events.record import encode, rfc3339

COLUMNS = tuple(field.name for field in msgspec.structs.fields(Feedback))
TABLES = (".csv", ".parquet")
NO_FEEDBACK = "not feedback, expected {alert_id, verdict: confirmed | false | maintenance, at?, by?, note?}"


def read_alerts(path: Path) -> dict[str, IncidentView]:
    """Reads alert events from JSON lines, as `narrows replay` writes them; gives each alert in its newest state.

    Raises:
        DataError: the file cannot be read, or a line is no alert event.
    """
    return newest(decode_alert(line, where) for where, line in _lines(path))


def read_feedback(path: Path) -> list[Feedback]:
    """Reads the entries of a file, in its order: .csv, .parquet, or JSON lines.

    Raises:
        DataError: the file cannot be read, or an entry is no feedback.
    """
    if path.suffix not in TABLES:
        return [decode_feedback(line, where) for where, line in _lines(path)]
    rows = _table(path).to_pylist()
    return [_from_row(row, f"{path}, row {n}") for n, row in enumerate(rows, 1)]


def append(path: Path, entry: Feedback) -> None:
    """Adds an entry to a file of JSON lines; makes the file if there is none.

    Raises:
        ConfigError: the file is a table, or cannot be written.
    """
    if path.suffix in TABLES:
        raise ConfigError(f"--file {path}: entries are added to JSON lines; name a file that ends in .jsonl")
    try:
        broken = path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n")
        with path.open("ab") as file:
            file.write((b"\n" if broken else b"") + encode(entry) + b"\n")
    except OSError as fault:
        raise ConfigError(f"--file {path}: {fault.strerror}; name a file that can be written") from fault


def decode_alert(data: bytes, where: str) -> IncidentView:
    """Decodes one alert event; `where`: its place, for the error.

    Raises:
        DataError: the JSON is no alert event.
    """
    try:
        return msgspec.json.decode(data, type=IncidentView)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise DataError(
            f"{where}: not an alert event, expected a line of JSON as `narrows replay` writes; {fault}"
        ) from fault


def decode_feedback(data: bytes, where: str) -> Feedback:
    """Decodes one entry; `where`: its place, for the error.

    Raises:
        DataError: the JSON is no feedback.
    """
    try:
        entry = msgspec.json.decode(data, type=Feedback)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise DataError(f"{where}: {NO_FEEDBACK}; {fault}") from fault
    return _with_valid_time(entry, where)


def _from_row(row: Mapping[str, str | None], where: str) -> Feedback:
    try:
        entry = msgspec.convert({name: value for name, value in row.items() if value}, Feedback)
    except msgspec.ValidationError as fault:
        raise DataError(f"{where}: {NO_FEEDBACK}; {fault}") from fault
    return _with_valid_time(entry, where)


def _with_valid_time(entry: Feedback, where: str) -> Feedback:
    try:
        if entry.at is not None:
            to_ns(entry.at)
    except DataError as fault:
        raise DataError(f"{where}: at: {fault}") from fault
    return entry


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Lines that are not blank, with the place of each."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as fault:
        raise DataError(f"{path}: {fault.strerror}; expected a file of JSON lines") from fault
    yield from ((f"{path}:{n}", line) for n, line in enumerate(lines, 1) if line.strip())


def _table(path: Path) -> pa.Table:
    """The columns of a feedback record that the table has, all as text."""
    try:
        table = _csv(path) if path.suffix == ".csv" else pq.read_table(path)
    except (OSError, pa.ArrowException) as fault:
        raise DataError(f"{path}: cannot be read ({fault}); expected a table with alert_id and verdict") from fault
    absent = [name for name in ("alert_id", "verdict") if name not in table.column_names]
    if absent:
        raise DataError(f"{path}: has columns {table.column_names}, not {absent}; expected some of {list(COLUMNS)}")
    there = [name for name in COLUMNS if name in table.column_names]
    return pa.table({name: _text(table[name]) for name in there})


def _csv(path: Path) -> pa.Table:
    # By default pyarrow would turn "false" into a bool, and a text that looks like a time into a time.
    types = pcsv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()))
    return pcsv.read_csv(path, convert_options=types)


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    if not pa.types.is_timestamp(column.type):
        return pc.cast(column, pa.string())
    times = column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64()).to_pylist()
    return pa.array([None if time is None else rfc3339(time) for time in times], pa.string())
