"""Finds the column of labels, and what in it means anomalous."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow.compute as pc

from stream.errors import DataError
from stream.intake.field_paths import as_setting
from stream.intake.tables.column_types import first_named, is_label, is_text, listed
from stream.intake.tables.files import File, files
from stream.intake.tables.label_values import WELL, LabelValues, label_values
from stream.intake.tables.merged import check_columns
from stream.intake.tables.search import Search, left_out

# Words in the names of columns that mark rows. A detector that reads these learns the answer: they are sensors only
# where the configuration names them. `isFault`, `attack_P1` and `Normal/Attack` have one, `default_flow` has none.
_MARKS = "labels?|labell?ed|attacks?|faults?|faulty|anomal(?:y|ies|ous)|abnormal|outliers?|failures?|failed"
_CHANGES = "change_?points?"
_LABEL = re.compile(rf"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))(?i:{_MARKS}|{_CHANGES})(?![a-z])")
_CHANGE = re.compile(_CHANGES, re.IGNORECASE)
# Values of a label that may mean anomalous where 1 means normal.
_OTHERS = "input.anomalous: [0]"
# Rows of a column of text that are looked at, at either end.
_LOOK = 1000
# Names that are the label where several columns have such a word, in the order of preference.
_ANSWERS = (
    *("anomaly", "is_anomaly", "anomalous", "is_anomalous", "anomaly_label", "label", "labels", "is_label"),
    *("outlier", "is_outlier", "attack", "is_attack", "normal/attack", "fault", "is_fault", "failure", "is_failure"),
)


def is_label_name(name: str) -> bool:
    """True for the name of a column that marks rows, in the opinion of those who name columns."""
    return _LABEL.search(name) is not None


def left_out_labels(left_out: Mapping[str, str]) -> list[str]:
    """Columns named like labels among those that were left out, each with its reason, but by no setting."""
    return [name for name, reason in left_out.items() if reason != "configured" and is_label_name(name)]


def find_label(search: Search) -> tuple[str | None, LabelValues | None]:
    """The column of labels that the configuration names, with its values; at least one file must have it."""
    name = search.hints.label
    if name is None:
        return None, None
    # Training files often lack it: there, nothing is labelled.
    if not any(name in file.types() for file in search.files):
        raise DataError(
            f"{search.path}: no file has the column {name!r}, configured as label; there are {search.listed}; "
            f"name another, or none for data without labels"
        )
    if name in (search.hints.sensors or ()):
        raise DataError(f"{search.path}: {name!r} is configured as label and as sensor; it can be one of them")
    check_columns(search.files, {"label": name})
    values = label_values(search.files, name, search.hints.anomalous)
    if values.proposed:
        setting = as_setting("anomalous", list(values.proposed))
        raise DataError(
            f"{search.path}: the label {name!r} has {values.seen}; expected true and false, 0 and 1, or two words one "
            f"of which means normal; write the values that mean anomalous, such as `{setting}`"
        )
    search.why["label"] = f"{values.marked:,} of {values.rows:,} rows are anomalous: {values.seen}"
    if 2 * values.marked > values.rows:
        search.doubts.append(
            f"{values.marked:,} of {values.rows:,} rows are labelled anomalous by {name!r}: {values.seen}; where these "
            f"are normal, write the values that are not, such as `{_OTHERS}`"
        )
    return name, values


def all_marked(name: str, values: LabelValues) -> str | None:
    """A sentence about a label that marks every row, with what to write instead; None where it does not."""
    if not values.rows or values.marked < values.rows:
        return None
    return (
        f"all rows are labelled anomalous: {name!r} has {values.seen}; write `{as_setting('label', name)}` and the "
        f"values that mean anomalous, such as `{_OTHERS}`, or no `input.label`"
    )


def doubt_unused_labels(search: Search) -> None:
    """Doubts columns that are named like labels and mark rows, where nothing keeps these rows out of training."""
    names = [name for name in _like_labels(left_out_labels(left_out(search.why))) if is_label(search.types[name])]
    if search.hints.label is not None or search.hints.bundle or (search.hints.propose and likely_label(names)):
        return
    marked: dict[str, str] = {}
    for name in names or _state_words(search):
        values = label_values(search.files, name, search.hints.anomalous)
        if (everywhere := all_marked(name, values)) is not None:
            search.doubts.append(f"no label is configured, so every row counts as normal: with {name!r}, {everywhere}")
        elif values.marked or values.proposed or not names:
            marked[name] = f"{name!r} has {values.seen}"
    if marked:
        search.doubts.append(
            f"{'; '.join(marked.values())}; {'named' if names else 'it looks'} like a label, but none is configured: "
            f"every row counts as normal; "
            f"`{as_setting('label', likely_label(marked) or next(iter(marked)))}` keeps marked rows out of training"
        )


def _state_words(search: Search) -> list[str]:
    """Columns of text with one or two words, one of which means normal, in their first and last rows."""
    found = [file for file in search.files if file.rows]
    unread = left_out(search.why)
    texts = [name for name in search.in_all(is_text) if unread.get(name, "configured") != "configured"]
    stored = [name for name in texts if name not in {*found[0].folders, *found[-1].folders}]
    return [name for name in stored if _says_well(_ends(found[0], name) | _ends(found[-1], name))]


def _ends(file: File, name: str) -> set[str | None]:
    """The texts in the first and last rows of a column."""
    return {text for rows in file.ends([name], _LOOK) for text in pc.unique(rows.column(0)).to_pylist()}


def _says_well(texts: set[str | None]) -> bool:
    words = {text.strip().casefold() for text in texts if text}
    return len(words) <= 2 and bool(words & WELL)


def likely_label(columns: Iterable[str]) -> str | None:
    """The column that marks anomalous rows, by its name; None where several may, or none."""
    like = _like_labels(columns)
    return first_named(like, _ANSWERS) or (like[0] if len(like) == 1 else None)


def label_column(path: Path | str) -> str:
    """The column that marks anomalous rows, found by its name.

    Raises:
        DataError: nothing to read, no file has such a column, or several may be it.
    """
    columns = {name: kind for file in files(path) for name, kind in file.types().items() if is_label(kind)}
    likely, like = likely_label(columns), _like_labels(columns)
    if likely is not None:
        return likely
    if like:
        raise DataError(
            f"{path}: several columns are named like labels: {', '.join(like)}; name the one that marks anomalous "
            f"rows, such as `{as_setting('label', like[0])}`"
        )
    raise DataError(
        f"{path}: no column of labels; there are {listed(files(path)[0].types())}; expected 0/1, bool or two words "
        f"in one whose name has a word such as anomaly, label, attack, fault or outlier: name it as `input.label`"
    )


def _like_labels(columns: Iterable[str]) -> list[str]:
    """Columns that may mark anomalous rows: a change of the operating point is no anomaly."""
    return [name for name in columns if is_label_name(name) and not _CHANGE.search(name)]
