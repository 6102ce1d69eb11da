"""Base of the status events: each kind of event is one struct, in `data_events` or `detector_events`."""

import logging
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from stream.events.record import JsonSchema, definitions_of

# Names that a message lists at most.
MAX_NAMES = 10


class StatusEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """One kind of status event: the tag of the struct is its `kind`, its own fields are its `details`.

    A new kind costs one subclass with a docstring, typed fields, and a constructor `of` that writes the message. The
    JSON Schema in `deploy/schemas` is generated from the subclasses.

    Attributes:
        message: for people. series, offset: what the event is about; None where it is about all of them.
        ended_by: kind of the event that says that it is over; None: there is none.
    """

    log_level: ClassVar[int] = logging.INFO
    ended_by: ClassVar[str | None] = None
    message: str
    series: str | None = None
    offset: int | None = None

    @property
    def level(self) -> int:
        """Level of the log line."""
        return self.log_level

    @property
    def kind(self) -> str:
        """Kind on the topic, such as `data.series_unwatched`."""
        return kind_of(type(self))

    @property
    def details(self) -> dict[str, str | int]:
        """Fields of this kind alone, under their JSON names."""
        return {name: value for name, value in msgspec.to_builtins(self).items() if name not in _SHARED}


_SHARED = frozenset({"kind", *StatusEvent.__struct_fields__})


def kind_of(event: type[StatusEvent]) -> str:
    """Kind of the events of a class."""
    return str(event.__struct_config__.tag)


def details_schema(event: type[StatusEvent]) -> JsonSchema:
    """JSON Schema of the details of one kind."""
    schema: JsonSchema = definitions_of(event)[0][event.__name__]
    schema["properties"] = {name: of for name, of in schema["properties"].items() if name not in _SHARED}
    schema["required"] = [name for name in schema["required"] if name not in _SHARED]
    return schema


def named(names: Sequence[str]) -> str:
    """Names for a message; of many only the first."""
    return ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
