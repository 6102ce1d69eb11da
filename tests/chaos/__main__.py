"""`python -m tests.chaos`: starts a broker and consumers, injects faults, and compares the alerts with the oracle."""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from tests.chaos.plan import SIZES
from tests.chaos.run import run, show


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns 0 if every alert event came exactly once and in order."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="short", help="how much of everything (default short)")
    parser.add_argument("--seed", type=int, help="of input and faults (default: drawn, and printed)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--keep", action="store_true", help="keep the logs and the broker's data also after success")
    options = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(1 << 16) if options.seed is None else options.seed
    folder = Path(tempfile.mkdtemp(prefix="narrows-chaos-"))
    begun = time.monotonic()
    # Consumers must not outlive the run.
    signal.signal(signal.SIGTERM, _interrupt)

    def say(message: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {message}", file=sys.stderr, flush=True)

    say(f"size {options.size}, seed {seed}, logs in {folder}")
    report = run(options.size, SIZES[options.size], seed, folder, say)
    show(report, options.json)
    if report.complaints:
        return 1
    if not options.keep:
        shutil.rmtree(folder)
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
