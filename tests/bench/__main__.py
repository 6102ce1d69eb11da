"""`python -m tests.bench`: starts a broker, measures every contender, prints the table."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from deploy.kafka.broker import Broker
from tests.bench.race import FULL, QUICK, Race, say
from tests.bench.report import show


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer readings, once: a minute, and rougher")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--profile", action="store_true", help="say where narrows spends its time, on stderr")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="narrows-bench-") as scratch, Broker(Path(scratch) / "kafka") as broker:
        race = Race(broker.bootstrap, Path(scratch), QUICK if options.quick else FULL)
        rows = race.run()
        if options.profile:
            say(race.profile(next(row for row in rows if row.name == "narrows")))
    show(rows, options.json)
    say(f"took {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
