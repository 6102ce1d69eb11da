"""Concurrent jobs: nothing that real processes publish is lost, and a reader never sees a half-written version."""

import multiprocessing
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from pyarrow import fs

from stream.errors import BundleError
from stream.registry.manifest import read_manifest
from stream.registry.promotion import promote
from stream.registry.registry import ALIASES, CANDIDATE, PRODUCTION, Registry
from tests.stream.registry.registries import objects, published
from tests.support.processes import FORKS

JOBS, VERSIONS = 3, 6


def in_a_folder(path: Path) -> Registry:
    return Registry(path / "registry")


def in_objects(path: Path) -> Registry:
    return Registry(objects(fs.SubTreeFileSystem(str(path / "registry"), fs.LocalFileSystem()), path))


KINDS = {"a folder": in_a_folder, "objects": in_objects}
Told = tuple[str, str, str]


def work(kind: str, path: Path, job: str, start: Barrier, told: "multiprocessing.Queue[list[Told]]") -> None:
    """One job: publishes what all of them try to, then versions of its own, and points both names to each."""
    registry = KINDS[kind](path)
    done: list[Told] = []
    start.wait()
    try:
        shared = published(registry, 0)
        done.append(("published", shared, job))
    except BundleError:
        (shared, *_) = (version for version in registry.versions("test") if is_shared(registry, version))
    if registry.start_production("test", shared, job) is not None:
        done.append((PRODUCTION, shared, job))
    for n in range(VERSIONS):
        version = published(registry, 1 + int(job) * VERSIONS + n)
        registry.point("test", CANDIDATE, version, "train", job)
        promote(registry, "test", version, job)
        done += [("published", version, job), (CANDIDATE, version, job), (PRODUCTION, version, job)]
    told.put(done)


def is_shared(registry: Registry, version: str) -> bool:
    return read_manifest(registry.folder("test", version)).threshold_q == 1.0


@dataclass(frozen=True)
class JobResults:
    """The registry after the jobs, their reports, and every version that production was seen to point to."""

    registry: Registry
    told: Counter[Told]
    seen: set[str | None]


@pytest.fixture(scope="module")
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> JobResults:
    path = tmp_path_factory.mktemp("jobs")
    (path / "registry").mkdir()
    registry = KINDS[request.param](path)
    start, queue = FORKS.Barrier(JOBS), FORKS.Queue()
    jobs = [
        FORKS.Process(target=work, args=(request.param, path, str(job), start, queue), daemon=True)
        for job in range(JOBS)
    ]
    for job in jobs:
        job.start()
    seen = set()
    while request.param == "a folder" and any(job.is_alive() for job in jobs):
        seen.add(registry.alias("test", PRODUCTION))
        jobs[0].join(timeout=0.001)  # the jobs need the processor more
    told = Counter(one for _ in jobs for one in queue.get(timeout=240))
    for job in jobs:
        job.join(timeout=60)
    assert [job.exitcode for job in jobs] == [0] * JOBS
    return JobResults(registry, told, seen)


@pytest.mark.parametrize("ran", ["a folder", "objects"], indirect=True, scope="module")
def test_no_version_and_no_line_is_lost(ran: JobResults) -> None:
    versions = ran.registry.versions("test")
    assert set(versions) == {version for what, version, _ in ran.told if what == "published"}
    assert len(versions) == 1 + JOBS * VERSIONS
    for version in versions:
        assert read_manifest(ran.registry.folder("test", version)).version == version
    history = ran.registry.history("test")
    moves = Counter((move.alias, move.after, move.reason) for move in history)
    assert moves == Counter({one: n for one, n in ran.told.items() if one[0] in ALIASES})
    for alias in ALIASES:
        assert ran.registry.alias("test", alias) in {move.after for move in history if move.alias == alias}


@pytest.mark.parametrize("ran", ["a folder"], indirect=True, scope="module")
def test_in_a_folder_jobs_take_turns_and_who_looks_sees_a_version(ran: JobResults) -> None:
    """One of them publishes what all try to, one sets production first, and each move starts where the last ended.

    Object storage has no lock: of two who move one alias at the same moment the later wins.
    """
    (shared,) = {version for what, version, job in ran.told if is_shared(ran.registry, version)}
    assert sum(n for (what, version, _), n in ran.told.items() if version == shared) == 2
    assert ran.seen - {None} <= set(ran.registry.versions("test"))
    assert len(ran.seen) > 2, "the jobs ran while one looked"
    for alias in ALIASES:
        moves = [move for move in ran.registry.history("test") if move.alias == alias]
        assert moves[0].before is None
        assert all(earlier.after == later.before for earlier, later in pairwise(moves))
        assert ran.registry.alias("test", alias) == moves[-1].after
