"""Everything is published exactly once under random schedules, and the simulation finds services that break that.

More schedules: `python -m tests.simulation --schedules 5000 --seed 1`.
"""

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from stream.kafka.commit.transaction import Transaction
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.oracle import MOVED, ViolationError
from tests.simulation.scope import Scope
from tests.simulation.silent_logs import silent_logs
from tests.simulation.world import World

# Number of schedules that finds each mutant.
ENOUGH = 300


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Drops log lines."""
    with silent_logs():
        yield


@pytest.mark.parametrize("scope", [Scope(1, 1, 40, faults=False), Scope(3, 3, 80, faults=False)], ids=["one", "three"])
def test_without_faults_alerts_are_those_of_one_pass(scope: Scope) -> None:
    """Also while services start one after the other, and partitions change hands."""
    told = 0
    for seed in range(10):
        world = World(seed, scope)
        world.run()
        told += world.alerts
    assert told > 50


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_whatever_crashes_freezes_or_times_out_everything_is_told_exactly_once(first: int) -> None:
    """And each restore gives the state of one pass up to the committed offset, bit for bit."""
    struck: Counter[str] = Counter()
    sights: Counter[str] = Counter()
    for seed in range(first, first + 100):
        world = World(seed)
        world.run()
        struck += world.struck
        sights += world.sights
    assert sum(struck.values()) > 100, "a calm simulation shows nothing"
    assert min(sights["data.series_unwatched"], sights["data.series_watched"]) > 20, "series must go unwatched and back"
    assert sights[MOVED] > 20, "levels must become the usual ones"
    assert struck["fenced: joined anew"] > 5


def test_the_same_seed_gives_the_same_schedule() -> None:
    """So a failure can be repeated."""
    first, second = World(7), World(7)
    first.run()
    second.run()
    assert first.trace == second.trace
    assert first.broker.history == second.broker.history


def violations(mutant: Mutant) -> Iterator[str]:
    """Messages of the oracle, one of each schedule that breaks a promise. Other errors of a mutant are raised."""
    for seed in range(mutant.first, mutant.first + ENOUGH):
        try:
            World(seed, mutant.scope).run()
        except ViolationError as broken:
            yield str(broken)


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_service_that_breaks_a_promise_is_found(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulation that cannot fail shows nothing. It must find the very promise that is broken."""
    for owner, name, value in mutant.changes():
        monkeypatch.setattr(owner, name, value)
    assert any(re.search(mutant.broken, broken) for broken in violations(mutant))


def test_a_bug_is_not_taken_for_a_broken_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant that only crashes is not found: its error is raised, with the seed to repeat it."""

    def commit(self: Transaction) -> None: ...

    monkeypatch.setattr(Transaction, "commit", commit)
    with pytest.raises(TypeError, match="seed 0"):
        World(0).run()
