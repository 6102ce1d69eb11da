"""Readings as columns, which every source decodes to, and the end of each reading."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from stream.intake.bad_values import BadValues, kind_of

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
Int8s = NDArray[np.int8]
UInt8s = NDArray[np.uint8]
Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Disposition(IntEnum):
    """The end of a reading; every reading has exactly one.

    An unconfirmed reading leaps ahead of the clock of its series. It is used once the next reading confirms its time.
    """

    USED = 0
    LATE = 1
    DUPLICATE = 2
    IGNORED = 3
    DEAD = 4
    UNCONFIRMED = 5


class Reason(StrEnum):
    """The reason why a message is dead: a closed list, part of the dead-letter contract."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_A_NUMBER = "not_a_number"
    DUPLICATE_KEY = "duplicate_key"
    WRONG_TYPE = "wrong_type"
    MISSING_TIME = "missing_time"
    BAD_TIME = "bad_time"
    FUTURE_TIME = "future_time"
    MISSING_SERIES = "missing_series"
    UNKNOWN_SERIES = "unknown_series"
    SERIES_IN_TWO_PARTITIONS = "series_in_two_partitions"
    LATE = "late"


def reason_of(value: object) -> Reason:
    """The reason why a reading is dead, where this is its first bad value and no sensor has a number."""
    return Reason.NOT_A_NUMBER if kind_of(value) in ("nan", "inf") else Reason.WRONG_TYPE


@dataclass(frozen=True, slots=True)
class Readings:
    """n readings of one source partition, in arrival order; those of files perhaps in order of time.

    Attributes:
        names: distinct series names of this batch.
        series: int32 (n,), index into `names`.
        time: int64 (n,), event time, ns since 1970 UTC.
        values: float64 (n, F), in the bundle's order of sensors. NaN: the sensor is missing or not finite.
        position: int64 (n,): the message's offset in its partition, never falling, or the row of the file, which falls
            where rows were put in order. Readings of one message have the same.
    """

    names: tuple[str, ...]
    series: Int32s
    time: Int64s
    values: Float64s
    position: Int64s

    def __len__(self) -> int:
        return len(self.time)

    def rows(self, kept: Bools | slice) -> "Readings":
        """The readings where `kept`, bool (n,), is true, or a run of them; and the names that these have."""
        names, series = used_names(self.names, self.series[kept])
        return Readings(names, series, self.time[kept], self.values[kept], self.position[kept])


@dataclass(frozen=True, slots=True)
class LongReadings:
    """n readings of one sensor each: 32 bytes per reading for any number of sensors.

    Attributes:
        names, series, time, position: as in `Readings`.
        sensor: int32 (n,), index of the sensor; -1: one that has been left out.
        value: float64 (n,), NaN where missing or not finite.
        sensors: F.
    """

    names: tuple[str, ...]
    series: Int32s
    time: Int64s
    sensor: Int32s
    value: Float64s
    position: Int64s
    sensors: int

    def __len__(self) -> int:
        return len(self.time)

    def rows(self, kept: Bools | slice) -> "LongReadings":
        """As in `Readings`."""
        names, series = used_names(self.names, self.series[kept])
        value, position = self.value[kept], self.position[kept]
        return LongReadings(names, series, self.time[kept], self.sensor[kept], value, position, self.sensors)

    def dense(self) -> Readings:
        """The same readings with a value for every sensor, as the detector takes them."""
        values = np.full((len(self), self.sensors), np.nan)
        known = np.flatnonzero(self.sensor >= 0)
        values[known, self.sensor[known]] = self.value[known]
        return Readings(self.names, self.series, self.time, values, self.position)


@dataclass(frozen=True, slots=True)
class Dead:
    """A message, or one reading of it, that cannot be used. It goes to the dead-letter topic.

    Attributes:
        position: offset of the message in its partition.
        index: place of the reading in an array message; -1: the whole message.
        detail: one line for people, with what was seen and what was expected. It holds no secret of ours.
        value: the original bytes; None where the message had none.
    """

    position: int
    index: int
    reason: Reason
    detail: str
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Decoded:
    """Result of decoding a batch of messages. Invariant: received == len(readings) + ignored + len(dead).

    `bad_values`: of the readings, in which they are missing, and of those that are dead because no sensor has a number.
    """

    readings: Readings
    dead: tuple[Dead, ...]
    ignored: int
    received: int
    bad_values: BadValues


def used_names(names: Sequence[str], series: NDArray[np.integer]) -> tuple[tuple[str, ...], Int32s]:
    """The names that `series` (n,) indexes, and `series` renumbered to them."""
    used = np.bincount(series, minlength=len(names)) > 0
    renumbered: Int32s = (np.cumsum(used) - 1).astype(np.int32)
    return tuple(name for name, is_used in zip(names, used, strict=True) if is_used), renumbered[series]
