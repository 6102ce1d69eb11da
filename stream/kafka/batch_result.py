"""Result of a batch of one partition: what is published because of it, and what the progress line counts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from stream.counters import DEAD_PREFIX, Count
from stream.detect.incidents.incident import IncidentEvent
from stream.detect.outcome import Outcome
from stream.intake.bad_values import total
from stream.intake.columns import Dead, Decoded

# An incident event, and the offset of the message that caused it.
CausedEvent = tuple[IncidentEvent, int]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Everything that a batch of a partition gives to publish.

    Attributes:
        dead: messages and readings that become dead letters.
        outcome: of the detector; None where the batch had no live readings.
        series: those that the batch had readings of.
        decoded: the whole batch, as decoded.
    """

    events: list[CausedEvent] = field(default_factory=list)
    dead: tuple[Dead, ...] = ()
    outcome: Outcome | None = None
    series: tuple[str, ...] = ()
    decoded: Decoded | None = None


def outcome_counts(outcome: Outcome) -> Counter[Count]:
    """Readings, frames and incident events of an outcome, for the progress line."""
    counts = outcome.counts()
    counts.update(Count(f"incidents.{event.state}") for event in outcome.events)
    counts[Count.INCIDENTS_EXCEEDING] += sum(e.state == "opened" and e.cause == "model" for e in outcome.events)
    return counts


def decoded_counts(decoded: Decoded, dead: Sequence[Dead]) -> Counter[Count]:
    """All messages of a batch, and those that gave no readings, by reason."""
    counts = Counter({Count.RECEIVED: decoded.received, Count.IGNORED: decoded.ignored, Count.DEAD: len(dead)})
    counts.update(Count(f"{DEAD_PREFIX}{letter.reason}") for letter in dead)
    counts[Count.BAD_VALUES] = total(decoded.bad_values)
    return counts
