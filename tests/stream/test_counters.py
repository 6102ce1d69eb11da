"""Counters: everything that is counted is declared, and the log and `/status` show exactly what is declared."""

from typing import get_args

from structlog.testing import capture_logs

from stream.counters import DEAD_PREFIX, DEAD_REASONS, Count
from stream.detect.incidents.incident import State
from stream.detect.outcome import Verdict
from stream.intake.columns import Disposition, Reason
from stream.serve.health import Health
from tests.stream.serve.test_refused_swap import InMemory

# What the log line says beside the counters.
GAUGES = {"partitions", "recovering", "series", "open_incidents", "dead_reasons", "event", "log_level"}


def test_each_end_of_a_reading_a_frame_or_an_incident_has_a_counter() -> None:
    assert {Count[fate.name] for fate in Disposition} | {Count[verdict.name] for verdict in Verdict} <= set(Count)
    assert {Count(f"incidents.{state}") for state in get_args(State)} <= set(Count)
    assert {Count(f"{DEAD_PREFIX}{reason}") for reason in Reason} == set(DEAD_REASONS)


def test_each_counter_says_what_it_counts() -> None:
    """A sentence, a unit, and no name twice: an enumeration would make the second an alias of the first."""
    for counter in Count:
        assert counter.help.endswith(".")
        assert counter.unit in {"readings", "frames", "series", "incidents", "events", "values"}
    assert len(Count) == len(Count.__members__)


def test_the_service_counts_and_shows_exactly_what_is_declared() -> None:
    """Frames, incidents, dead letters of several reasons: each under a declared counter, and all of them are shown."""
    memory, shown = InMemory(), list[Health]()
    memory.service._monitor._show = shown.append
    memory.serve(readings=200, turns=300)
    counts = memory.service.counts
    assert all(type(counter) is Count for counter in counts)
    assert counts[Count.SCORED] > 0
    assert counts[Count.INCIDENTS_RESOLVED] > 0
    assert counts[Count.DEAD] == sum(counts[reason] for reason in DEAD_REASONS) > 0
    with capture_logs() as lines:
        memory.service.close()
    (line,) = (line for line in lines if line["event"] == "progress")
    assert line.keys() - GAUGES == set(Count) - set(DEAD_REASONS)
    assert line["dead_reasons"] == {r.value: n for r in Reason if (n := counts[Count(f"{DEAD_PREFIX}{r}")])}
    assert shown[-1].counts.keys() == set(Count)
