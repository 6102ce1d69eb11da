"""The values of a column of labels: which of them mean anomalous, found or configured, and the labels of rows."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stream.intake.columns import Bools
from stream.intake.tables.column_types import encoded, is_label
from stream.intake.tables.files import File
from stream.messages import counted, some

# A value as it is compared: text without case, numbers and bools by their size.
Key = float | str
_NORMAL = frozenset(
    {"normal", "ok", "okay", "good", "healthy", "benign", "nominal", "regular", "inlier", "none", "no", "n", "pass"}
)
_ANOMALOUS = frozenset(
    {"attack", "fault", "faulty", "anomaly", "anomalous", "abnormal", "failure", "outlier", "yes", "y"}
)
# More kinds of value than this are measurements: the rest is not read.
_MANY = 1_000
# Values that a sentence names, and characters of each.
_SHOWN, _LENGTH = 6, 60


# Of these, those that hardly say anything else than that a machine is well: a switch is also off or not.
WELL = frozenset({"normal", "healthy", "benign", "nominal", "inlier"})


@dataclass(frozen=True, slots=True)
class LabelValues:
    """The values of a column of labels.

    Attributes:
        anomalous: keys of those that mean anomalous.
        marked, rows: rows with such a value, and rows with any.
        seen: the values with their rows, the most frequent first, in words.
        proposed: values to configure as anomalous, where it is not clear which are; empty where it is.
    """

    anomalous: frozenset[Key]
    marked: int
    rows: int
    seen: str
    proposed: tuple[object, ...] = ()


def label_values(found: Iterable[File], column: str, configured: Sequence[bool | float | str]) -> LabelValues:
    """Looks at all values of a column of labels.

    True, 1, and the other of two words one of which means normal, are anomalous; else the configuration must say it.
    """
    counts: Counter[Key] = Counter()
    raw: dict[Key, object] = {}
    held = [file for file in found if is_label(file.types().get(column, pa.null()))]
    for value, count in (pair for file in held for pair in _counted(file, column)):
        counts[_key(value)] += count
        raw.setdefault(_key(value), value)
        if len(counts) > _MANY:
            break
    anomalous = frozenset(map(_key, configured)) if configured else _anomalous(frozenset(counts))
    seen = some(
        [f"{repr(raw[key])[:_LENGTH]} in {counted(count, 'row')}" for key, count in counts.most_common()], _SHOWN
    )
    if anomalous is None:
        usual = next((key for key in counts if key in _NORMAL or key == 0), counts.most_common(1)[0][0])
        others = tuple(raw[key] for key, _ in counts.most_common(_SHOWN) if key != usual) or (raw[usual],)
        return LabelValues(frozenset(), 0, counts.total(), seen, others)
    return LabelValues(anomalous, sum(counts[key] for key in anomalous), counts.total(), seen)


def labels_of(column: pa.Array, anomalous: frozenset[Key]) -> Bools:
    """Label of each row, bool (n,); null is false."""
    index, values = encoded(column)
    # The last place is that of rows without a value: index -1.
    labels: Bools = np.array([*(_key(value) in anomalous for value in values), False], np.bool_)[index]
    return labels


def _counted(file: File, column: str) -> Iterable[tuple[object, int]]:
    """Values of a column with the number of their rows, without null and NaN."""
    stored = [] if column in file.folders else [column]
    for rows in file.batches(stored):
        for one in pc.value_counts(file.column(rows, column).drop_null()).to_pylist():
            if one["values"] == one["values"]:
                value = one["values"]
                yield float(value) if isinstance(value, Decimal) else value, one["counts"]


def _key(value: object) -> Key:
    """The value as it is compared: "-1", -1 and -1.0 are one, and so are true and 1."""
    text = str(value).strip().casefold()
    try:
        return float({"true": "1", "false": "0"}.get(text, text))
    except ValueError:
        return text


def _anomalous(kinds: frozenset[Key]) -> frozenset[Key] | None:
    """The kinds that mean anomalous; None where that is not clear."""
    if kinds <= {0.0, 1.0}:
        return frozenset({1.0})
    normal = {kind for kind in kinds if kind in _NORMAL or kind == 0}
    others = kinds - normal
    # A 0 beside another number than 1 may be a class, and not its absence.
    if len(normal) > 1 or len(others) > 1 or (normal == {0.0} and not all(isinstance(kind, str) for kind in others)):
        return None
    return others if normal or others <= _ANOMALOUS else None
