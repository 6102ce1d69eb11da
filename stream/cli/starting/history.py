"""Guesses settings from a history, each with its reason, for `narrows init --from-file`."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from stream.cli.starting.codes import sentinel_guesses
from stream.cli.starting.source import Look, Source, sensors_setting
from stream.errors import DataError
from stream.intake.bad_values import added
from stream.intake.columns import LongReadings, Readings
from stream.intake.field_paths import joined, nameable
from stream.intake.tables.files import files
from stream.intake.tables.label_values import label_values
from stream.intake.tables.labels import all_marked, left_out_labels, likely_label
from stream.intake.tables.reader import Batch, Hints, Layout, discover, read
from stream.offline.bad_value_lines import lines_of_values
from stream.offline.naming import with_note_on_names
from stream.settings.starter import Guess

# Readings to look at: enough for a median and for the usual gaps, few enough to be quick.
_ENOUGH = 200_000
# Guesses that a person should confirm.
_WARNED = ("input.anomalous", "input.series_name")


def guess_from_history(path: str, hints: Hints) -> Source:
    """Guesses name, layout and rate of the history at `path`: a file, folder or glob.

    Raises:
        DataError: there is nothing that can be read as history.
    """
    hints = replace(hints, propose=True)
    layout = discover(Path(path), hints)
    labels, doubt = _labels(layout)
    if labels:
        told = {guess.path.removeprefix("input."): guess.value for guess in labels}
        layout = discover(Path(path), replace(hints, **told))
    batches, every = _first_batches(Path(path), layout)
    columns = [batch.columns for batch in batches]
    look = Look.of(columns, (dead for batch in batches for dead in batch.dead), layout.sensors)
    if not look.readings:
        raise DataError(f"{path}: no row can be used: {'; '.join(look.unread)}; name other columns with --set input...")
    codes = list(sentinel_guesses(batches, layout.sensors))
    if every:
        layout = _without_blank_sensors(layout, columns)
    rows = "of all rows" if every else f"of the first {_ENOUGH} rows"
    doubts = [*layout.doubts, *_renamed(layout), *doubt]
    warnings = [*(f"{path}: {doubt}" for doubt in doubts), *(f"{path}: {rows}, {one}" for one in look.unread)]
    bad = lines_of_values(added(batch.bad for batch in batches), layout.bad_is_dead)
    warnings += [f"{path}: {rows}, {line}" for line in bad]
    guesses = [
        Guess("detector", detector_name(path), "the name of the data"),
        *layout_guesses(layout, look, lambda column: joined(layout.paths.get(column, (column,)))),
        *labels,
        *_excluded(layout),
        *codes,
        *(_one_asset(layout, columns, detector_name(path)) if every else []),
    ]
    warnings += [f"{path}: {guess.reason}" for guess in guesses if guess.path in _WARNED]
    return Source(path, layout, guesses, look, warnings)


def _first_batches(path: Path, layout: Layout) -> tuple[list[Batch], bool]:
    """The first rows, and True where these are all."""
    batches: list[Batch] = []
    rows = 0
    for batch in read(path, layout):
        if rows >= _ENOUGH:
            return batches, False
        batches.append(batch)
        rows += len(batch) + len(batch.dead) + batch.ignored
    return batches, True


def _without_blank_sensors(layout: Layout, columns: Sequence[Readings | LongReadings]) -> Layout:
    """The layout without sensors that have no value in any row; raises DataError where none has."""
    known = np.zeros(len(layout.sensors), np.bool_)
    for batch in columns:
        if isinstance(batch, LongReadings):
            known[batch.sensor[np.isfinite(batch.value) & (batch.sensor >= 0)]] = True
        else:
            known |= np.isfinite(batch.values).any(axis=0)
    if not known.any():
        raise DataError(
            f"{layout.path}: no row has a value of a sensor: {', '.join(layout.sensors)}; expected numbers to learn "
            f"from; give other data, or name other columns as `input.sensors`"
        )
    blank = (name for name, seen in zip(layout.sensors, known, strict=True) if not seen)
    return layout.without(blank, "without a value")


def _one_asset(layout: Layout, columns: Sequence[Readings | LongReadings], name: str) -> list[Guess]:
    """Guesses `input.series_name` where files without a column of series follow one another, as those of one asset."""
    spans: dict[str, tuple[int, int]] = {}
    for batch in columns:
        for place, series in enumerate(batch.names):
            times = batch.time[batch.series == place]
            first, last = spans.get(series, (int(times[0]), int(times[0])))
            spans[series] = min(first, int(times.min())), max(last, int(times.max()))
    if "pieces" not in with_note_on_names(layout, spans).why:
        return []
    why = f"{len(spans)} files follow one another in time, as those of one asset do; null where each is an asset"
    return [Guess("input.series_name", name, why)]


def layout_guesses(layout: Layout, look: Look, path_of: Callable[[str], str]) -> list[Guess]:
    """Guesses the role of each column; `path_of` gives the path of a column, as a setting names it."""
    shape = "a column of sensor names and one of values" if layout.format == "long" else "a column for each sensor"
    guesses = [
        Guess("input.format", layout.format, shape),
        *_time_guesses(layout, path_of),
        series_guess(layout, look),
        Guess("input.sensors", _sensors(layout), layout.why["sensors"]),
    ]
    if layout.sensor is not None and layout.value is not None:
        guesses += [
            Guess("input.sensor", path_of(layout.sensor), layout.why["sensor"]),
            Guess("input.value", path_of(layout.value), layout.why["value"]),
        ]
    return [*guesses, *look.spacing]


def _time_guesses(layout: Layout, path_of: Callable[[str], str]) -> Iterator[Guess]:
    """Guesses the column of times, and their form where it is not found by itself; with the first and last time."""
    times = layout.times
    seen = [] if times.form.time_format != "auto" else [times.note]
    assumed = [] if times.assumed is None else [times.assumed]
    yield Guess("input.time", path_of(layout.time), "; ".join([layout.why["time"], *seen, *assumed]))
    if times.form.date is not None:
        yield Guess("input.date", path_of(times.form.date), f"{layout.time} is a time of day, and this its date")
    if times.form.time_format != "auto":
        yield Guess("input.time_format", times.form.time_format, times.note)


def _sensors(layout: Layout) -> list[str] | dict[str, str]:
    """The sensors; with the paths of their fields in messages where these are not their names.

    Fields of structs are nested objects there, and a few characters cannot be part of a field's name.
    """
    places = {name: layout.paths.get(name, (name,)) for name in layout.sensors}
    paths = {name: joined(map(nameable, place)) for name, place in places.items()}
    return sensors_setting(paths, layout.format)


def _renamed(layout: Layout) -> list[str]:
    """A sentence about sensors whose fields in messages cannot have their names."""
    odd = [name for name in layout.sensors if layout.format == "wide" and nameable(name) != name]
    if not odd:
        return []
    return [
        f"no field of a message can be called {', '.join(map(repr, odd))} (a quote, a backslash, a control character, "
        f"or nothing): `input.sensors` names the fields with `_` instead, for the stream"
    ]


def _labels(layout: Layout) -> tuple[list[Guess], list[str]]:
    """The column of labels among those that are not read, and the values in it that mean anomalous; and a doubt."""
    label = likely_label(left_out_labels(layout.left_out))
    values = None if label is None else label_values(files(layout.path), label, ())
    if label is None or values is None or not values.rows:
        return [], []
    if (everywhere := all_marked(label, values)) is not None:
        return [], [f"`input.label` is not written, because with it {everywhere}"]
    why = f"named like a label: rows marked in it are kept out of training; it has {values.seen}"
    guesses = [Guess("input.label", label, why)]
    if values.proposed:
        why = f"which values of {label} mean anomalous is a guess: it has {values.seen}"
        guesses.append(Guess("input.anomalous", list(values.proposed), why))
    return guesses, []


def _excluded(layout: Layout) -> list[Guess]:
    """The columns that are not read."""
    others = layout.left_out
    reasons = "; ".join(f"{name} is {why}" for name, why in others.items())
    return [Guess("input.exclude", list(others), reasons)] if others else []


def series_guess(layout: Layout, look: Look) -> Guess:
    """Guesses `input.series`; empty where Parquet needs no setting, because on Kafka the key names the series."""
    why = layout.why["series"]
    if layout.series is not None and layout.series_inferred:
        why += f"; Kafka: this field, or empty it where the key names it; {look.names}"
        return Guess("input.series", joined(layout.paths.get(layout.series, (layout.series,))), why)
    return Guess("input.series", "", f"Parquet: {why}; Kafka: the key, unless a field is named here; {look.names}")


def detector_name(path: str) -> str:
    """Makes a valid name for a detector of the last part of a path that has no wildcards."""
    plain = [part for part in Path(path).parts if not set(part) & set("*?[")]
    stem = re.sub(r"\.(parquet|[ct]sv(\.gz)?)$", "", plain[-1].lower()) if plain else ""
    return re.sub(r"[^a-z0-9._-]+", "-", stem).strip("._-")[:100] or "detector"
