"""The counters of the service, each declared once: its name, its unit, its help.

The log line `progress`, `/status` and the summary of a replay show these counters and no others.
"""

from enum import StrEnum


class Count(StrEnum):
    """A counter; its value is its name outside.

    Each partition counts for itself. Once its transaction is committed, its counts are added to those of the process,
    which begin at 0. Counters `dead.<reason>` are the parts of `dead`, one for each reason of dead letters.

    Attributes:
        unit: what is counted. help: one sentence for people.
    """

    unit: str
    help: str

    def __new__(cls, name: str, unit: str = "", help_text: str = "") -> "Count":
        """A member from its declaration."""
        member = str.__new__(cls, name)
        member._value_, member.unit, member.help = name, unit, help_text
        return member

    RECEIVED = "received", "readings", "Readings of all messages; a message that cannot be decoded is one."
    USED = "used", "readings", "Readings that became part of a frame."
    LATE = "late", "readings", "Readings older than the newest frame of their series."
    DUPLICATE = "duplicate", "readings", "Readings of a time that their series already has."
    IGNORED = "ignored", "readings", "Readings of sensors that are not in the bundle."
    DEAD = "dead", "readings", "Readings that became dead letters."
    UNCONFIRMED = "unconfirmed", "readings", "Readings far ahead in time that no next one has confirmed."
    BAD_VALUES = "bad_values", "values", "Values of sensors that are no numbers, and so missing."
    SENTINELS = "sentinels", "values", "Values that `frames.sentinels` lists for their sensor, and so missing."
    LOST = "lost", "readings", "Readings that retention deleted before they were scored."
    HISTORY_LOST = "history_lost", "series", "Series that warm up because readings for their windows are gone."
    SCORED = "scored", "frames", "Frames with a score."
    WARMING = "warming", "frames", "Frames without a score: their window is not full."
    DEGRADED = "degraded", "frames", "Frames without a score: too many sensors have no value."
    OFF = "off", "frames", "Frames without a score: the asset is off or under maintenance."
    DISAGREEING = "disagreeing", "frames", "Scored frames whose members disagree unusually."
    INCIDENTS_OPENED = "incidents.opened", "incidents", "Incidents opened."
    INCIDENTS_UPDATED = "incidents.updated", "events", "Updates of open incidents."
    INCIDENTS_RESOLVED = "incidents.resolved", "incidents", "Incidents resolved."
    INCIDENTS_EXCEEDING = "incidents.exceeding", "incidents", "Incidents that a score opened, not a value out of range."
    DEAD_EMPTY = "dead.empty", "readings", "Dead: the message has no value."
    DEAD_TOO_LARGE = "dead.too_large", "readings", "Dead: the message is longer than `input.max_bytes`."
    DEAD_NOT_UTF8 = "dead.not_utf8", "readings", "Dead: the message is not UTF-8."
    DEAD_NOT_JSON = "dead.not_json", "readings", "Dead: the message is not JSON."
    DEAD_NOT_A_NUMBER = "dead.not_a_number", "readings", "Dead: the message has NaN or Infinity, which JSON has not."
    DEAD_DUPLICATE_KEY = "dead.duplicate_key", "readings", "Dead: an object of the message has a key twice."
    DEAD_WRONG_TYPE = "dead.wrong_type", "readings", "Dead: a field is of another type than expected."
    DEAD_MISSING_TIME = "dead.missing_time", "readings", "Dead: there is no time."
    DEAD_BAD_TIME = "dead.bad_time", "readings", "Dead: the time is not of the configured format, or out of range."
    DEAD_FUTURE_TIME = "dead.future_time", "readings", "Dead: the time is too far ahead of the record's timestamp."
    DEAD_MISSING_SERIES = "dead.missing_series", "readings", "Dead: there is no name of a series."
    DEAD_UNKNOWN_SERIES = "dead.unknown_series", "readings", "Dead: the bundle does not know the series."
    DEAD_SERIES_IN_TWO_PARTITIONS = (
        "dead.series_in_two_partitions", "readings", "Dead: another partition scores the series.",
    )  # fmt: skip
    DEAD_LATE = "dead.late", "readings", "Dead: late, where `input.late` is dead; not counted as late."


# Names of the parts of `dead` begin with this; the reason follows.
DEAD_PREFIX = "dead."
DEAD_REASONS = tuple(count for count in Count if count.startswith(DEAD_PREFIX))
