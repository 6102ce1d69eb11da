"""`make quality`: the quality of the defaults on real labelled data, beside floors and bars; three fixed seeds."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import torch

from tests.quality.cases import CASES
from tests.quality.page import write
from tests.quality.report import bars, facts, table
from tests.quality.run import Done, Job, run
from tests.real_data.__main__ import conditions
from tests.real_data.cases import data_folder

# Far apart: members of an ensemble have the seeds that follow.
SEEDS = (0, 100, 200)


def main() -> int:
    """Returns the exit code: 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m tests.quality", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=(*CASES, "all"), default="all")
    parser.add_argument("--json", action="store_true", help="every figure as one JSON document")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=V", help="a setting other than the default")
    parser.add_argument("--page", type=Path, metavar="DIR", help="write a page with the worst misses and false alerts")
    parser.add_argument("--against", type=Path, metavar="FILE", help="an earlier --json: what changed, `!` for a loss")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), choices=range(1, len(SEEDS) + 1), help="how many")
    options = parser.parse_args()
    data = data_folder()
    if not data.is_dir():
        print(
            f"error: no data sets in {data}; set NARROWS_DATA to the folder that holds {', '.join(CASES)}",
            file=sys.stderr,
        )
        return 1
    wanted = list(CASES) if "all" in options.groups else list(dict.fromkeys(options.groups))
    seeds = SEEDS[: options.seeds]
    jobs = [
        Job(group, place, seed, data, tuple(options.set), first := seed == seeds[0], first and options.page is not None)
        for seed in seeds
        for group in wanted
        for place in range(len(CASES[group](data)))
    ]
    # Two processes have two cores: libraries must not start a thread for each core in each of them.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    began = time.monotonic()
    done = list(_done(jobs))
    order = {group: place for place, group in enumerate(wanted)}
    results = sorted((one.figures for one in done), key=lambda one: (order[one["group"]], one["case"], one["seed"]))
    under = conditions() | {"seed": ", ".join(map(str, seeds)), "set": ", ".join(options.set) or "nothing"}
    under["seconds"] = round(time.monotonic() - began)
    said = ", ".join(f"{name} {value}" for name, value in under.items())
    if options.json:
        print(json.dumps({"conditions": under, **facts(results), "runs": results}, indent=2))
    else:
        before = [] if options.against is None else json.loads(options.against.read_text())["rows"]
        print(said, table(results, before), sep="\n\n")
    if options.page is not None:
        moments = {"misses": [m for one in done for m in one.misses]}
        moments["false alerts"] = [m for one in done for m in one.false_alerts]
        print(f"page: {write(options.page, said, bars(results), moments)}", file=sys.stderr)
    return 0


def _done(jobs: list[Job]) -> Iterator[Done]:
    """Every job's figures, as they come; as many at a time as there are cores, each on one."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="narrows-quality-") as folder,
        ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), torch.set_num_threads, (1,)) as pool,
    ):
        running = [pool.submit(run, job, Path(folder) / str(place)) for place, job in enumerate(jobs)]
        for count, done in enumerate(as_completed(running), 1):
            one = done.result()
            seconds, refused = time.monotonic() - began, "; not trained" if one.figures.get("refused") else ""
            name = f"{one.figures['case']}, seed {one.figures['seed']}{refused}"
            print(f"{count} of {len(jobs)}: {name}; {seconds:.0f} s", file=sys.stderr)
            yield one


if __name__ == "__main__":
    sys.exit(main())
