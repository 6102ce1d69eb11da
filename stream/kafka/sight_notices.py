"""What is told of a series that has gone blind, or sees again."""

from stream.detect.frames.blindness import SightEvent
from stream.events.record import rfc3339
from stream.events.status import Notice, named


def sight_notice(sight: SightEvent, offset: int) -> Notice:
    """The status event; `offset`: of the message that caused it."""
    since, names = rfc3339(sight.since), sight.masked
    details: dict[str, str | int] = {"since": since, "at": rfc3339(sight.time), "masked": ", ".join(names)}
    if sight.sees:
        message = f"{sight.series!r} has frames that can be scored again, after none since {since}"
        return Notice("data.series_sees_again", message, sight.series, offset, details)
    message = (
        f"{sight.series!r} is not watched: no frame since {since} can be scored, as {len(names)} sensors have no value "
        f"({named(names)}), more than `frames.max_missing`; look at its wiring and its gateway"
    )
    return Notice("data.series_blind", message, sight.series, offset, details)
