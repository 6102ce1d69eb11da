"""`python -m tests.simulation --schedules N --seed S` runs N schedules from seed S on, and shows the first failure."""

import argparse
import sys
import time
import traceback
from collections import Counter

from tests.simulation.silent_logs import silent_logs
from tests.simulation.world import World


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    struck: Counter[str] = Counter()
    begun, alerts, commits = time.monotonic(), 0, 0
    with silent_logs():
        for seed in range(options.seed, options.seed + options.schedules):
            world = World(seed)
            try:
                world.run()
            except Exception as failure:
                traceback.print_exception(failure)
                print(f"replay it with: python -m tests.simulation --seed {seed} --schedules 1", file=sys.stderr)
                return 1
            struck += world.struck
            alerts, commits = alerts + world.alerts, commits + len(world.broker.history)
    seconds = time.monotonic() - begun
    for what, times in sorted(struck.items()):
        print(f"{times:7d} {what}")
    print(
        f"{options.schedules} schedules in {seconds:.1f} s, {options.schedules / seconds:.1f}/s: "
        f"{sum(struck.values())} faults, {commits} commits, {alerts} alerts, all as they must be"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
