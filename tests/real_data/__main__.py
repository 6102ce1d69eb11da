"""`make real`: train on real data, stream it through a real broker, report alerts beside labels."""

import argparse
import contextlib
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from deploy.kafka.broker import Broker
from deploy.kafka.jars import KafkaUnavailableError
from deploy.kafka.process import KafkaDiedError
from tests.real_data.cases import cases, data_folder
from tests.real_data.experiment import BUDGETS, Result, experiment
from tests.real_data.report import facts, tables


def main() -> int:
    """Returns the exit code: 0, or 1 with the reason on stderr. A broken promise raises AssertionError."""
    parser = argparse.ArgumentParser(prog="python -m tests.real_data", description=__doc__)
    parser.add_argument("cases", nargs="?", choices=("smd", "nab", "skab", "all"), default="all")
    parser.add_argument("--json", action="store_true", help="every figure as one JSON document")
    options = parser.parse_args()
    data = data_folder()
    if not data.is_dir():
        return _fail(f"no data sets in {data}; set NARROWS_DATA to the folder that holds smd, nab and skab")
    try:
        results = _results(data, options.cases)
    except (KafkaUnavailableError, KafkaDiedError) as error:
        return _fail(str(error))
    if options.json:
        print(json.dumps({"conditions": conditions(), "results": [facts(result) for result in results]}, indent=2))
    else:
        print(", ".join(f"{name} {value}" for name, value in conditions().items()), tables(results), sep="\n\n")
    return 0


def conditions() -> dict[str, Any]:
    """Conditions under which the figures are taken."""
    libraries = ("narrows", "torch", "numpy", "confluent-kafka")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
        "seed": 0,
    }


def _results(data: Path, wanted: str) -> list[Result]:
    results = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="narrows-real-")))
        broker = stack.enter_context(Broker(folder / "kafka"))
        for case in cases(data, wanted):
            for budget in BUDGETS:
                print(f"==> {case.name}, {budget:g} alerts per series and week", file=sys.stderr, flush=True)
                started = time.monotonic()
                results.append(experiment(case, budget, folder, broker.bootstrap))
                print(f"<== {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return results


def _fail(reason: str) -> int:
    print(f"error: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
