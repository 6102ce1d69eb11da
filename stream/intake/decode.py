"""Decodes batches of Kafka messages to columns of readings, and to dead ones with their reasons.

A message is one reading or an array of several. If any part of it is malformed, all of it is dead. A well-formed
element whose time or series cannot be used is dead alone, and so is one with bad values and no number of any sensor. A
value that is null or absent is missing. A long reading of a sensor that the bundle lacks is ignored.
"""

import re
from collections.abc import Hashable, Sequence
from enum import IntEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.intake.bad_values import BadValue, BadValues, grouped, kind_of, shown
from stream.intake.columns import Bools, Dead, Decoded, Float64s, Int64s, Readings, Reason, reason_of, used_names
from stream.intake.fields import Fields as Fields
from stream.intake.fields import leaves
from stream.intake.time_formats import RECORD, bounds
from stream.intake.timestamps import LAST_NS, joined_to_ns, sent_to_ns
from stream.intake.wire.causes import KEYS, SHOWN, short, with_cause
from stream.intake.wire.json_parser import JsonParser
from stream.intake.wire.parser import Parsed, Parser

JSON = "json"
_MS = 1_000_000
_MAX_UNUSED = 64
_WHOLE = re.compile(r"0|-?[1-9]\d{0,18}")

# The parser of each wire format.
PARSERS: dict[str, type[Parser]] = {JSON: JsonParser}


class _RowResult(IntEnum):
    """Result of a row; where several apply, the highest counts."""

    READING = 0
    NO_NUMBER = 1
    IGNORED = 2
    UNKNOWN_SERIES = 3
    MISSING_SERIES = 4
    FUTURE_TIME = 5
    BAD_TIME = 6
    MISSING_TIME = 7


_RowResults = NDArray[np.int8]


class Decoder:
    """Decodes the messages of one topic. Not for several threads at once."""

    def __init__(self, fields: Fields, sensors: tuple[str, ...], known_series: frozenset[str] | None) -> None:
        """Prepares for F sensors in the bundle's order.

        Args:
            known_series: readings of other series are dead. None: every series is accepted.

        Raises:
            ConfigError: the paths in `fields` cannot be read together.
        """
        self._fields = fields
        places: dict[str | int, int] = {name: i for i, name in enumerate(sensors)}
        # A sensor that is an integer is named by its digits.
        self._sensors = places | {int(name): i for i, name in enumerate(sensors) if _WHOLE.fullmatch(name)}
        self._names = sensors
        self._width = len(sensors)
        self._known = known_series
        # The date, where it stands apart, comes between the time and the series.
        self._series_head = 2 if fields.date else 1
        self._parser = PARSERS[fields.encoding](
            leaves(fields, sensors), fields.max_bytes, not fields.series, fields.bad_values == "missing"
        )  # fmt: skip
        self._foreign: frozenset[str] = frozenset()

    @property
    def late_is_dead(self) -> bool:
        """True where readings that the detector finds late become dead letters."""
        return self._fields.late == "dead"

    @property
    def unused_names(self) -> frozenset[str]:
        """Names in the messages that the bundle lacks, for people; some of them where they are many.

        Wide: names of fields that are not read. Long: names of sensors that are ignored.
        """
        if self._fields.format == "long":
            return self._foreign
        return frozenset(".".join(path)[:SHOWN] for path in self._parser.unread)

    def decode(
        self,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None],
        positions: Sequence[int],
        timestamps_ms: Sequence[int],
    ) -> Decoded:
        """Decodes n messages. No content of a message raises.

        Args:
            positions: their offsets, never falling.
            timestamps_ms: the records' own timestamps, ms since 1970 UTC; negative: none.

        Returns:
            Readings and dead, both in the order of the messages and of their elements. Where a batch is cut makes no
            difference.
        """
        parsed = self._parser.parse(values, keys)
        names, series = _series(parsed.heads[self._series_head] if self._fields.series else _keys_of_rows(keys, parsed))
        stamps = np.array(timestamps_ms, np.int64)[parsed.message]
        times, timed = self._times(parsed, stamps)
        numbers, ours = self._numbers(parsed)
        future = self._in_future(times, stamps)

        results = np.full(len(ours), _RowResult.READING, np.int8)
        results[_without_number(parsed)] = _RowResult.NO_NUMBER
        results[~ours] = _RowResult.IGNORED
        results[self._unknown(names, series)] = _RowResult.UNKNOWN_SERIES
        results[series < 0] = _RowResult.MISSING_SERIES
        results[future] = _RowResult.FUTURE_TIME
        results[~timed] = _RowResult.BAD_TIME
        for head in parsed.heads[: self._series_head]:
            results[_without(head, ~timed)] = _RowResult.MISSING_TIME

        position = np.array(positions, np.int64)[parsed.message]
        readings = _readings(results == _RowResult.READING, names, series, times, numbers, position)
        dead = self._dead(parsed, results, values, keys, positions)
        ignored = int(np.count_nonzero(results == _RowResult.IGNORED))
        bad = self._bad_values(parsed, results, names, series, position)
        return Decoded(readings, dead, ignored, len(readings) + ignored + len(dead), bad)

    def _bad_values(
        self, parsed: Parsed, results: _RowResults, names: Sequence[str], series: Int64s, position: Int64s
    ) -> BadValues:
        """The bad values of readings, and of rows that are dead because no sensor has a number."""
        if not parsed.bad:
            return {}
        of, at, fate = series.tolist(), position.tolist(), (results <= _RowResult.NO_NUMBER).tolist()
        # Most bad values are alike: each is put into words once.
        known: dict[tuple[int, str, object], BadValue] = {}
        found: list[tuple[BadValue, int]] = []
        for row, i, value in parsed.bad:
            if fate[row]:
                key = (of[row], self._sensor(parsed, row, i), value if type(value) is str else (shown(value),))
                bad = known.get(key)
                if bad is None:
                    bad = known[key] = BadValue(names[key[0]], key[1], kind_of(value), shown(value))
                found.append((bad, at[row]))
        return grouped(found)

    def _sensor(self, parsed: Parsed, row: int, column: int) -> str:
        """The sensor of a number of a row."""
        return str(parsed.heads[-1][row]) if self._fields.format == "long" else self._names[column]

    def _times(self, parsed: Parsed, stamps_ms: Int64s) -> tuple[Int64s, Bools]:
        """Times in ns (n,), and bool (n,), true where there is one."""
        fields = self._fields
        if fields.time == RECORD:
            stamped = (stamps_ms >= 0) & (stamps_ms <= LAST_NS // _MS)
            return np.where(stamped, stamps_ms, 0) * _MS, stamped
        if fields.date:
            return joined_to_ns(parsed.heads[1], parsed.heads[0], fields.time_format, fields.timezone)
        return sent_to_ns(parsed.heads[0], fields.time_format, fields.timezone)

    def _numbers(self, parsed: Parsed) -> tuple[Float64s, Bools]:
        """Values (n, F), and bool (n,), false for rows of sensors that the bundle lacks."""
        rows = len(parsed.message)
        if self._fields.format == "wide":
            return parsed.numbers, np.ones(rows, np.bool_)
        # The sensor stands right before the value.
        sensor = np.fromiter((self._sensors.get(name, -1) for name in parsed.heads[-1]), np.int64, rows)
        ours: Bools = sensor >= 0
        if len(self._foreign) < _MAX_UNUSED and not ours.all():
            self._note_foreign(parsed.heads[-1])
        values = np.full((rows, self._width), np.nan)
        values[np.flatnonzero(ours), sensor[ours]] = parsed.numbers[ours, 0]
        return values, ours

    def _note_foreign(self, names: Sequence[str | int]) -> None:
        found = sorted({str(name)[:SHOWN] for name in set(names) - self._sensors.keys()} - self._foreign)
        self._foreign |= frozenset(found[: _MAX_UNUSED - len(self._foreign)])

    def _in_future(self, times: Int64s, stamps_ms: Int64s) -> Bools:
        """Mask of rows too far ahead of their record's timestamp, bool (n,). Saturates: any timestamp may come."""
        ahead = min(self._fields.max_future_ns, LAST_NS)
        stamps = np.clip(stamps_ms, 0, LAST_NS // _MS) * _MS
        limit = np.where(stamps > LAST_NS - ahead, LAST_NS, stamps + np.minimum(ahead, LAST_NS - stamps))
        future: Bools = (stamps_ms >= 0) & (times > limit)
        return future

    def _unknown(self, names: Sequence[str], series: Int64s) -> Bools:
        unknown = [i for i, name in enumerate(names) if self._known is not None and name not in self._known]
        return np.isin(series, unknown) if unknown else np.zeros(len(series), np.bool_)

    def _dead(
        self,
        parsed: Parsed,
        results: _RowResults,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None],
        positions: Sequence[int],
    ) -> tuple[Dead, ...]:
        """The dead messages and elements, in order."""
        found = [(message, -1, fault.reason, fault.detail) for message, fault in parsed.faults]
        gone = np.flatnonzero((results > _RowResult.IGNORED) | (results == _RowResult.NO_NUMBER)).tolist()
        # Reversed: the first bad value of a row is kept.
        first = {row: (column, value) for row, column, value in reversed(parsed.bad)} if gone else {}
        for row in gone:
            result = _RowResult(results[row])
            message = int(parsed.message[row])
            if result is _RowResult.NO_NUMBER:
                column, value = first[row]
                reason = reason_of(value)
                detail = f"no sensor has a number; `{self._sensor(parsed, row, column)}` has {shown(value)}"
            else:
                reason, detail = Reason[result.name], self._detail(result, parsed, row, keys[message])
            found.append((message, int(parsed.index[row]), reason, detail))
        found.sort(key=lambda dead: dead[:2])
        return tuple(
            Dead(positions[message], index, reason, detail, keys[message], values[message])
            for message, index, reason, detail in found
        )

    def _detail(self, result: _RowResult, parsed: Parsed, row: int, key: bytes | None) -> str:
        fields, time = self._fields, parsed.heads[0][row]
        series = parsed.heads[self._series_head][row] if fields.series else key
        if result is _RowResult.MISSING_TIME and fields.time == RECORD:
            return "the record has no timestamp of its own, which `input.time: record` takes"
        if result is _RowResult.MISSING_TIME:
            paths = " or ".join(repr(path) for path in (fields.time, fields.date) if path)
            return f"nothing at the path {paths}, where a time was expected"
        if result is _RowResult.BAD_TIME:
            return f"{short(time)} at {fields.time!r} is not a time{bounds(fields.time_format, fields.timezone)}"
        if result is _RowResult.FUTURE_TIME:
            allowed = fields.max_future_ns / 1e9
            return f"{short(time)} at {fields.time!r} is more than {allowed:g} s ahead of the record's own timestamp"
        if result is _RowResult.MISSING_SERIES:
            where = f"at the path {fields.series!r}" if fields.series else "in the key"
            return f"nothing {where}, where a series was expected"
        detail = self._not_known(series)
        return with_cause(KEYS, key, detail) if key and not fields.series else detail

    def _not_known(self, series: object) -> str:
        known = self._known or frozenset()
        if len(known) == 1:
            only = f"{short(*known)}, the only known one; `input.series_name` names it in training"
            return f"series {short(series)} is not {only}"
        return f"series {short(series)} is not among the {len(known)} known ones"


def _without_number(parsed: Parsed) -> Int64s:
    """The rows that have bad values, and no number of any sensor."""
    rows = np.array(sorted({row for row, _, _ in parsed.bad}), np.int64)
    without: Int64s = rows[np.isnan(parsed.numbers[rows]).all(axis=1)]
    return without


def _keys_of_rows(keys: Sequence[bytes | None], parsed: Parsed) -> Sequence[Hashable]:
    if len(parsed.message) == len(keys) and not parsed.faults and not (parsed.index >= 0).any():
        return keys
    return [keys[i] for i in parsed.message.tolist()]


def _series(found: Sequence[Hashable]) -> tuple[list[str], Int64s]:
    """Distinct names, and the index of each row's name, int64 (n,); -1 where it has none."""
    names: dict[str, int] = {}
    index: dict[Hashable, int] = {}
    for raw in dict.fromkeys(found):
        text = raw.decode() if isinstance(raw, bytes) else str(raw) if isinstance(raw, str | int) else ""
        index[raw] = names.setdefault(text, len(names)) if text else -1
    return list(names), np.fromiter(map(index.__getitem__, found), np.int64, len(found))


def _without(values: Sequence[object], among: Bools) -> Int64s:
    """The rows of `among` whose value is absent."""
    rows = np.flatnonzero(among).tolist()
    return np.array([i for i in rows if values[i] is None or values[i] is msgspec.UNSET], np.int64)


def _readings(
    keep: Bools, names: Sequence[str], series: Int64s, times: Int64s, values: Float64s, position: Int64s
) -> Readings:
    """The rows that are readings, and only the names that they use."""
    if not keep.all():
        series, times, values, position = series[keep], times[keep], values[keep], position[keep]
    kept, index = used_names(names, series)
    return Readings(kept, index, times, values, position)
