"""Guesses settings from the newest messages of a topic, for `narrows init --from-topic`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from stream.cli.starting.history import detector_name, layout_guesses
from stream.cli.starting.sample_table import KEY, SampleTable, sample_table
from stream.cli.starting.source import Look, Source, sensors_setting
from stream.errors import DataError
from stream.intake.bad_values import tallied
from stream.intake.columns import Decoded, LongReadings, Readings
from stream.intake.decode import Decoder
from stream.intake.tables.column_types import is_name
from stream.intake.tables.files import files
from stream.intake.tables.reader import Hints, Layout, discover
from stream.intake.tables.repeated_times import FirstRows
from stream.settings import Settings
from stream.settings.starter import Guess, settings_of, with_given

if TYPE_CHECKING:
    from stream.kafka.topic_reader import TopicRecord

# Keys that leave more readings than this with the time of another one do not tell assets apart.
_REPEATED = 0.1


def guess_from_topic(settings: Settings, topic: str) -> Source:
    """Guesses the layout of the messages of `topic`, on the configured broker.

    Raises:
        BrokerError: no broker answers, or the topic cannot be read.
        DataError: it holds nothing that can be read as readings.
    """
    from stream.kafka.topic_sample import newest_records

    return guess_from_records(topic, newest_records(settings.kafka.connection(), topic), settings)


def guess_from_records(topic: str, records: Sequence["TopicRecord"], settings: Settings) -> Source:
    """Guesses the layout of these messages; `settings` name the fields that are known.

    The layout is that which a table with a column for each field would have. Then the messages go through the decoder
    of `narrows run`, which says what it can use.

    Raises:
        DataError: nothing here can be read as readings.
    """
    sample = sample_table(topic, records)
    layout = _layout(topic, sample, settings)
    unseen = _guesses(topic, sample, layout, Look.of((), (), ()))
    sensors, decoded = _decoded(settings_of(with_given(unseen, settings)), layout, records)
    columns = _of_one_sensor(decoded.readings) if layout.format == "long" else decoded.readings
    look = Look.of([columns], decoded.dead, sensors)
    if not look.readings:
        raise DataError(f"topic {topic!r}: no message can be used: {'; '.join(look.unread)}")
    warnings = [f"topic {topic!r}: {doubt}" for doubt in layout.doubts]
    warnings += [f"topic {topic!r}: of {decoded.received} readings, {clause}" for clause in look.unread]
    warnings += [
        f"topic {topic!r}: {one.text}; the sensor has none there" for one in tallied(decoded.bad_values).sensors()
    ]
    warnings += _scattered(topic, decoded.readings, records)
    return Source(topic, layout, _guesses(topic, sample, layout, look), look, warnings)


def _layout(topic: str, sample: SampleTable, settings: Settings) -> Layout:
    """The role of each field; the series is `KEY` where the key names it."""
    hints = _hints(settings, {path: name for name, path in sample.paths.items()})
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{topic}.parquet"
        sample.write(path)
        try:
            layout = _found(path, sample, hints)
        except DataError as error:
            # The file is ours: its name would tell nobody anything.
            raise DataError(_of_messages(str(error).replace(str(path), f"topic {topic!r}"))) from error
    if layout.series is None:
        raise DataError(
            f"topic {topic!r}: nothing names the asset: {sample.key}, and no field does; "
            f"let the producer send its name as the key, or name a field with --set input.series=FIELD"
        )
    why = {role: _of_messages(why) for role, why in layout.why.items()}
    return replace(layout, why=why, doubts=tuple(map(_of_messages, layout.doubts)))


def _hints(settings: Settings, names: Mapping[str, str]) -> Hints:
    """The configured fields; `names` gives the column of the field at a path."""
    given = settings.input
    paths = given.sensors if given.format == "long" else given.sensors.values()
    named = (given.time, given.date, given.series, given.sensor, given.value)
    time, date, series, sensor, value = (names.get(path, path) if path else None for path in named)
    return replace(
        given.hints, time=time, date=date, series=series, sensor=sensor, value=value, label=None, propose=True,
        texts=False,
        sensors=tuple(names.get(path, path) for path in paths) or None,
    )  # fmt: skip


def _found(path: Path, sample: SampleTable, hints: Hints) -> Layout:
    """The layout of the table at `path`."""
    if KEY not in sample.table.column_names or hints.series is not None:
        return discover(path, hints)
    layout = discover(path, replace(hints, series=KEY))
    # Fields that tell readings of one key and time apart, where keys leave many together.
    taken = {layout.time, layout.sensor, layout.value, KEY}
    names = [name for name, kind in files(path)[0].types().items() if name not in taken and is_name(kind)]
    rows, keys = FirstRows(files(path)), [key for key in (layout.time, layout.sensor, KEY) if key is not None]
    share, explaining = rows.share(keys), rows.explaining(keys, names)
    if share > _REPEATED and explaining:
        layout = discover(path, replace(hints, series=explaining[0]))
        why = f"tells readings of one key and time apart: {share:.0%} repeat both"
        layout = replace(layout, why={**layout.why, "series": why})
    return layout


def _of_messages(text: str) -> str:
    """A sentence about a table as one about messages."""
    text = re.sub(r"a sensor if converted[^;]*", "a sensor if the producer sends JSON numbers", text)
    return re.sub(r"(?<!['.])\bcolumn(s?)\b(?!['.])", r"field\1", text).replace(KEY, "the key")


def _guesses(topic: str, sample: SampleTable, layout: Layout, look: Look) -> list[Guess]:
    """The settings for these messages."""
    guesses = {guess.path: guess for guess in layout_guesses(layout, look, lambda name: sample.paths[name])}
    if layout.series is None or layout.series == KEY:
        same = [name for name in sample.paths if _equals_key(sample, name)]
        also = f"; the field {same[0]} says the same" if same else ""
        series = Guess("input.series", "", f"{sample.key}{also}")
    else:
        why = f"{layout.why['series']}; {look.names}; {sample.key}"
        series = Guess("input.series", sample.paths[layout.series], why)
    sensors = sensors_setting({name: sample.paths.get(name, "") for name in layout.sensors}, layout.format)
    unread = {name: why for name, why in (layout.left_out | sample.left_out).items() if name != KEY}
    why = guesses["input.sensors"].reason + "".join(f"; {name} is {reason}" for name, reason in unread.items())
    changed = [series, Guess("input.sensors", sensors, why)]
    named = [
        Guess("detector", detector_name(topic), "the name of the topic"),
        Guess("input.topic", topic, "the topic of the sample"),
    ]
    return [*named, *(guesses | {guess.path: guess for guess in changed}).values()]


def _equals_key(sample: SampleTable, name: str) -> bool:
    keys = sample.table[KEY].to_pylist() if KEY in sample.table.column_names else None
    return bool([str(value) for value in sample.table[name].to_pylist()] == keys)


def _decoded(settings: Settings, layout: Layout, records: Sequence["TopicRecord"]) -> tuple[tuple[str, ...], Decoded]:
    """The sensors, and the messages as `narrows run` decodes them with these settings."""
    from stream.serve.compose import fields

    sensors = tuple(settings.input.sensors) or layout.sensors
    keys, values = [record.key for record in records], [record.value for record in records]
    decoder = Decoder(fields(settings), sensors, None)
    return sensors, decoder.decode(values, keys, range(len(records)), [record.timestamp_ms for record in records])


def _of_one_sensor(readings: Readings) -> LongReadings:
    """Readings that each have a value of one sensor; -1 where it is missing."""
    there = ~np.isnan(readings.values)
    sensor = np.where(there.any(1), there.argmax(1), -1).astype(np.int32)
    value = readings.values[np.arange(len(readings)), sensor]
    return LongReadings(
        readings.names, readings.series, readings.time, sensor, value, readings.position, readings.values.shape[1]
    )


def _scattered(topic: str, readings: Readings, records: Sequence["TopicRecord"]) -> list[str]:
    """Warns of series that are in several partitions: each is scored in one."""
    partitions = np.array([record.partition for record in records], np.int64)[readings.position]
    pairs = np.unique(np.stack([readings.series, partitions]), axis=1)
    several = np.flatnonzero(np.bincount(pairs[0], minlength=len(readings.names)) > 1)
    if not len(several):
        return []
    return [
        f"topic {topic!r}: {len(several)} series in several partitions, such as {readings.names[several[0]]!r}; "
        f"each is scored in one of them, and its other readings are dead letters: let producers send the name of the "
        f"asset as the key"
    ]
