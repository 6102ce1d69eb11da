"""Finds the column of labels."""

from pathlib import Path

from stream.errors import DataError
from stream.intake.tables.column_types import first_named, is_label, listed
from stream.intake.tables.files import files
from stream.intake.tables.search import Search

ANSWERS = (
    *("anomaly", "is_anomaly", "anomalous", "is_anomalous", "anomaly_label", "label", "labels", "is_label"),
    *("outlier", "is_outlier"),
)
# A detector that reads these learns the answer: they are sensors only where the configuration names them.
LABELS = (*ANSWERS, "changepoint", "change_point", "is_changepoint")


def find_label(search: Search) -> str | None:
    """The column of labels that the configuration names; at least one file must have it."""
    name = search.hints.label
    if name is None:
        return None
    # Training files often lack it: there, nothing is labelled.
    if not any(name in file.types() for file in search.files):
        raise DataError(
            f"{search.path}: no file has the column {name!r}, configured as label; there are {search.listed}; "
            f"name another, or none for data without labels"
        )
    if name in (search.hints.sensors or ()):
        raise DataError(f"{search.path}: {name!r} is configured as label and as sensor; it can be one of them")
    search.why["label"] = "configured"
    return name


def label_column(path: Path | str) -> str:
    """The column that marks anomalous rows, found by its name.

    Raises:
        DataError: nothing to read, or no file has such a column.
    """
    columns = {name: kind for file in files(path) for name, kind in file.types().items() if is_label(kind)}
    named = first_named(columns, ANSWERS)
    if named is None:
        raise DataError(
            f"{path}: no column of labels; there are {listed(files(path)[0].types())}; expected 0/1 or bool, true on "
            f"anomalous rows, in one named {', '.join(ANSWERS)}: name it as `input.label`"
        )
    return named
