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
from typing import Any

import torch

from tests.quality.cases import CASES
from tests.quality.report import facts, table
from tests.quality.run import Job, run
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
    parser.add_argument("--seeds", type=int, default=len(SEEDS), choices=range(1, len(SEEDS) + 1), help="how many")
    options = parser.parse_args()
    data = data_folder()
    if not data.is_dir():
        print(
            f"error: no data sets in {data}; set NARROWS_DATA to the folder that holds smd, nab and skab",
            file=sys.stderr,
        )
        return 1
    wanted = list(CASES) if "all" in options.groups else list(dict.fromkeys(options.groups))
    seeds = SEEDS[: options.seeds]
    jobs = [
        Job(group, place, seed, data, tuple(options.set))
        for group in wanted
        for place in range(len(CASES[group](data)))
        for seed in seeds
    ]
    results = sorted(_done(jobs), key=lambda result: (wanted.index(result["group"]), result["case"], result["seed"]))
    under = conditions() | {"seed": ", ".join(map(str, seeds)), "set": ", ".join(options.set) or "nothing"}
    if options.json:
        print(json.dumps({"conditions": under, "rows": facts(results), "runs": results}, indent=2))
    else:
        print(", ".join(f"{name} {value}" for name, value in under.items()), table(results), sep="\n\n")
    return 0


def _done(jobs: list[Job]) -> Iterator[dict[str, Any]]:
    """Every job's figures, as they come; as many at a time as there are cores, each on one."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="narrows-quality-") as folder,
        ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), torch.set_num_threads, (1,)) as pool,
    ):
        running = [pool.submit(run, job, Path(folder) / str(place)) for place, job in enumerate(jobs)]
        for count, done in enumerate(as_completed(running), 1):
            result = done.result()
            seconds = time.monotonic() - began
            print(f"{count} of {len(jobs)}: {result['case']}, seed {result['seed']}; {seconds:.0f} s", file=sys.stderr)
            yield result


if __name__ == "__main__":
    sys.exit(main())
