"""The sections `input` and `frames`: the layout of readings, and the rules by which they become frames."""

import ast
import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from stream.intake.field_paths import joined, split
from stream.intake.time_formats import RECORD, UTC_ZONE, TimeFormat
from stream.settings.kafka import Topic
from stream.settings.quantities import (
    Duration,
    Float,
    Instant,
    NonNegative,
    PositiveDuration,
    Size,
    format_duration,
    parse_duration,
    parse_size,
)
from stream.settings.section import Half, Section

if TYPE_CHECKING:
    from stream.intake.tables.hints import Hints


def _paths_by_name(given: object) -> object:
    if isinstance(given, list | tuple) and all(isinstance(name, str) for name in given):
        twice = sorted({name for name in given if given.count(name) > 1})
        if twice:
            raise ValueError(f"expected each name once, got twice: {', '.join(twice)}")
        return {name: joined([name]) for name in given}
    if not isinstance(given, dict):
        raise ValueError("expected a list of names, or a mapping of names to paths")
    return given


Sensors = Annotated[
    dict[str, str],
    BeforeValidator(_paths_by_name),
    WithJsonSchema(
        {
            "oneOf": [
                {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
                {"type": "object", "additionalProperties": {"type": "string"}},
            ]
        }
    ),
]
Text = Annotated[str, Field(min_length=1)]


def _a_zone(name: str) -> str:
    # ZoneInfo reads a file; a path out of its folder is a ValueError.
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("expected an IANA time zone such as Europe/Berlin") from None
    return name


Zone = Annotated[str, AfterValidator(_a_zone)]


class Wire(NamedTuple):
    """The layout of a Kafka message."""

    format: Literal["wide", "long"]
    time: str
    sensor: str
    value: str


class InputSettings(Section):
    """The source of readings, and the layout of one; the same for Kafka and Parquet."""

    acts = "both"
    acts_apart: ClassVar[dict[str, Half]] = {
        "topic": "run",
        "label": "training",
        "anomalous": "training",
        "exclude": "training",
        "series_name": "training",
        "max_future": "run",
        "max_bytes": "run",
        "late": "run",
        "unknown_series": "run",
    }

    topic: Topic = Field(default="readings", description="Topic to read.")
    format: Literal["wide", "long"] | None = Field(
        default=None,
        description="wide: a field per sensor. long: one sensor a reading, named by `sensor`, valued by `value`. "
        "null: found (Parquet), wide (Kafka).",
    )
    time: Text | None = Field(
        default=None, description="Field or column of the time; record: the Kafka record's. null: found, or `time`."
    )
    time_format: TimeFormat = Field(
        default="auto",
        description="Form of the event time. auto: ISO 8601 text, or an epoch by its size, from 1990 to 2100. excel: "
        "serial days. yyyymmdd, yyyymmddhhmmss: digits. year_first, day_first, month_first: texts such as "
        "`31.12.2024 23:59`.",
    )
    date: Text | None = Field(
        default=None,
        description="Field or column of the date, where `time` is a time of day alone. null: `time` is both.",
    )
    timezone: Zone | None = Field(
        default=None,
        description="IANA zone, such as `Europe/Berlin`, of times that name none. Of an hour that comes twice, the "
        "first is meant; a time in the hour that is left out is dead. null: UTC.",
    )
    series: str = Field(
        default="",
        description='Field or column that names the asset. "": the Kafka key; Parquet: found, or one series per file.',
    )
    series_name: Text | None = Field(
        default=None,
        description="Parquet only: the one series of data without a column of series, in one file or many. null: a "
        "file is a series, or the bundle's only one.",
    )
    sensors: Sensors = Field(
        default_factory=dict,
        description="Sensor names, or names mapped to paths of fields: `values.flow` is nested, `values\\.flow` a name "
        "with a dot. Empty: found (Parquet), the bundle's (Kafka).",
    )
    sensor: Text | None = Field(
        default=None, description="long: field of the sensor's name. null: found (Parquet), `sensor` (Kafka)."
    )
    value: Text | None = Field(
        default=None, description="long: field of the value. null: found (Parquet), `value` (Kafka)."
    )
    label: Text | None = Field(
        default=None,
        description="Parquet only: column that is true or 1 on anomalous rows, kept out of training. null: none; "
        "`narrows evaluate` looks for one named like it.",
    )
    anomalous: tuple[StrictBool | StrictInt | StrictFloat | str, ...] = Field(
        default=(),
        description="Parquet only: values of `label` that mean anomalous, such as `[-1]` or `[Attack]`. []: found, "
        "where they are true, 1, or the other of two words one of which means normal.",
    )
    exclude: tuple[str, ...] = Field(default=(), description="Parquet only: columns that are not sensors.")
    max_future: Duration = Field(
        default=parse_duration("1h"), description="A reading further ahead of its record's own timestamp is dead."
    )
    max_bytes: Size = Field(default=parse_size("1MiB"), description="A larger message is dead.")
    bad_values: Literal["missing", "dead"] = Field(
        default="missing",
        description="missing: a sensor whose value is no number (text, NaN, an object) has none in that reading; if no "
        "sensor has a number, the message is dead. dead: one such value makes the message, or the row of a file, dead.",
    )
    late: Literal["count", "dead"] = Field(
        default="count",
        description="count: a late reading is counted. dead: it is a dead letter too, so that a backlog that came "
        "after newer readings can be found.",
    )
    unknown_series: Literal["accept", "refuse"] = Field(
        default="accept",
        description="accept: a series that training did not see is scored with the pooled scale. refuse: its readings "
        "are dead.",
    )

    @property
    def hints(self) -> "Hints":
        """The columns of Parquet data that are named here; None for those to be found."""
        # pyarrow takes 0.2 s, which a consumer of messages need not spend.
        from stream.intake.tables.hints import Hints

        time, date, series, sensor, value = (
            ".".join(split(path)) if path else None
            for path in (None if self.time == RECORD else self.time, self.date, self.series, self.sensor, self.value)
        )
        return Hints(
            time, series, tuple(self.sensors) or None, self.label, sensor, value, self.exclude, self.series_name,
            date, self.time_format, self.timezone, self.anomalous, format=self.format,
            paths={name: split(path) for name, path in self.sensors.items() if split(path) != (name,)},
            bad_is_dead=self.bad_values == "dead",
        )  # fmt: skip

    @model_validator(mode="after")
    def _one_way_to_name_series(self) -> Self:
        if self.series and self.series_name:
            raise ValueError(
                f"`series: {self.series}` is a column that names the series of each row, and `series_name: "
                f"{self.series_name}` names the one series of all rows; set one of them"
            )
        return self

    @property
    def zone(self) -> str:
        """The zone of times that name none."""
        return self.timezone or UTC_ZONE

    @property
    def wire(self) -> Wire:
        """The layout of a Kafka message, with defaults for what is not set."""
        return Wire(self.format or "wide", self.time or "time", self.sensor or "sensor", self.value or "value")


class MaintenanceSpan(Section):
    """Frames of `series` with start <= time < end are off."""

    series: str = Field(default="", description='Name of the series. "": every series.')
    start: Instant = Field(description="First instant that is off, ISO 8601, UTC unless it says otherwise.")
    end: Instant = Field(description="First instant that is on again.")

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end <= self.start:
            raise ValueError("expected `end` after `start`")
        return self


class FrameSettings(Section):
    """The rules by which readings become frames; they travel in the bundle."""

    interval: PositiveDuration | None = Field(
        default=None,
        description="Sampling interval, the length of a tick. null: the median step of wide data; "
        "on ticks the step by which every sensor is seen.",
    )
    resample: Literal["none", "last", "mean"] = Field(
        default="none", description="none: every reading is a frame. last, mean: readings go on ticks of `interval`."
    )
    grace: Duration = Field(
        default=0,
        description="A tick closes once its series is this far past its end. It closes earlier, with its last sensor, "
        "where resample is `last` and the long history has one value per sensor and tick.",
    )
    max_gap: PositiveDuration | None = Field(
        default=None,
        description="A longer step between two frames empties the window: the series warms up. >= interval. null: 10 "
        "usual steps.",
    )
    restart_after: NonNegative = Field(
        default=20,
        description="Readings in a row, behind by more than `max_gap` and 10 intervals and over as many intervals, "
        "after which a clock was set back: the series starts anew at their time. 0: never, all of them are late.",
    )
    max_carry: NonNegative = Field(
        default=5, description="Frames for which a missing sensor keeps its last value; then it is masked."
    )
    max_missing: NonNegative | None = Field(
        default=None,
        description="More masked sensors than this: the frame is degraded and has no score. null: a quarter of the "
        "sensors.",
    )
    clip: Float = Field(
        default=10.0,
        gt=0,
        description="Standard deviations. The model sees values within +-clip; beyond, the error grows with their "
        "logarithm.",
    )
    score_when: str = Field(
        default="",
        description='Expression over sensors, such as `speed > 100`; frames where it is false are off. "": always on.',
    )
    settle: Duration = Field(default=0, description="Frames stay off for this long after `score_when` was last false.")
    maintenance: tuple[MaintenanceSpan, ...] = Field(
        default=(), description="Spans {series, start, end} whose frames are off."
    )
    sentinels: dict[str, tuple[Float, ...]] = Field(
        default_factory=dict,
        description="Sensor names mapped to values that mean no value, such as `temp: [-9999]`; they are missing. "
        "[]: all values of this sensor are real.",
    )

    @field_validator("max_gap")
    @classmethod
    def _not_below_the_interval(cls, max_gap: int | None, info: ValidationInfo) -> int | None:
        interval = info.data.get("interval")
        if max_gap is not None and interval is not None and max_gap < interval:
            raise ValueError(f"expected at least the interval, {format_duration(interval)}")
        return max_gap

    @field_validator("score_when")
    @classmethod
    def _an_expression(cls, text: str) -> str:
        # Training checks the names and operators: sensors are not known here.
        try:
            ast.parse(re.sub("`[^`]*`", "x", text.strip() or "x"), mode="eval")
        except (SyntaxError, ValueError):
            raise ValueError("expected an expression such as `speed > 100 and not valve == 0`") from None
        return text.strip()
