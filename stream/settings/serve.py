"""The section `serve`: batches, commits, watches and logs of the running consumer."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from stream.settings.quantities import Address, Int, Positive, PositiveDuration, format_duration, parse_duration
from stream.settings.section import Section


class ServeSettings(Section):
    """The running consumer."""

    acts = "run"

    batch: Int = Field(default=8192, ge=1, le=100_000, description="Messages taken at once, at most.")
    poll: PositiveDuration = Field(default=parse_duration("5ms"), description="Longest wait for a batch to fill.")
    commit_interval: PositiveDuration = Field(
        default=parse_duration("500ms"), description="Time between commits; a waiting alert commits at once."
    )
    max_replay: Positive = Field(
        default=200_000,
        description="Messages per partition that a restart reads again, at most; bounds the time of a restart.",
    )
    silent_after: PositiveDuration | None = Field(
        default=None,
        description="Wall-clock time without readings after which a series is reported silent. null: never.",
    )
    unwatched_after: PositiveDuration | None = Field(
        default=None,
        description="Time without a score after which a series is reported as unwatched, and its incident ends. null: "
        "the longest of one minute, ten steps of `frames.interval`, and two of `frames.max_gap`.",
    )
    unused_after: PositiveDuration | None = Field(
        default=parse_duration("1m"),
        description="Wall-clock time in which hardly any reading of the topic is of use, after which the process is "
        "not ready and says why; ten times as long where none comes. null: never.",
    )
    retire_after: PositiveDuration | None = Field(
        default=None,
        description="Event time of its partition after which a series without readings leaves memory and the state "
        "topic. "
        "If it comes back, it warms up. null: never.",
    )
    bundle_poll: PositiveDuration = Field(
        default=parse_duration("10s"),
        description="Time between two looks at `bundle`; where its alias points to another version, that one takes "
        "over.",
    )
    stale_after: PositiveDuration | None = Field(
        default=parse_duration("90d"),
        description="Time since data last confirmed the threshold after which a status event reports it. null: never.",
    )
    heartbeat: PositiveDuration | None = Field(
        default=parse_duration("1m"),
        description="Watch time after which a status event says through when a partition is complete; wall clock "
        "where nothing comes. null: none.",
    )
    transaction_timeout: PositiveDuration = Field(
        default=parse_duration("10s"), description="The broker aborts an older transaction; > commit_interval."
    )
    session_timeout: PositiveDuration = Field(
        default=parse_duration("10s"),
        description="The broker gives the partitions of a silent consumer away after this.",
    )
    health: Address | None = Field(
        default=None,
        description="host:port where /live, /ready and /status answer by HTTP; port 0: a free one, which the log "
        "names. null: nowhere.",
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, else json."
    )
    log_every: PositiveDuration = Field(default=parse_duration("10s"), description="Time between progress lines.")

    @field_validator("transaction_timeout")
    @classmethod
    def _longer_than_a_commit(cls, timeout: int, info: ValidationInfo) -> int:
        interval = info.data.get("commit_interval", 0)
        if timeout <= interval:
            raise ValueError(f"expected more than serve.commit_interval, {format_duration(interval)}")
        return timeout
