"""Prints realised over promised alerts in simulation, a line for each kind of levels and promise."""

import argparse
import json
import sys

from tests.promise.simulate import CaseResult, cases, run_case


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.promise", description=__doc__)
    parser.add_argument(
        "--repeats", type=int, default=40, help="calibrations of a case with one series; a case with many has a quarter"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="all figures as one JSON document")
    options = parser.parse_args()
    found = []
    for case in cases():
        print(f"==> {case.name}", file=sys.stderr, flush=True)
        repeats = options.repeats if case.series == 1 else -(-options.repeats // 4)
        found.append(run_case(case, repeats, options.seed))
    if options.json:
        print(json.dumps({"seed": options.seed, "cases": [one.facts() for one in found]}, indent=2))
    else:
        print("\n".join(["| realised / promised | median | 10-90 % | mean |", "|---|---|---|---|", *map(_row, found)]))


def _row(one: CaseResult) -> str:
    low, high = one.spread
    return f"| {one.name} | {one.median:.2f} | {low:.2f}-{high:.2f} | {one.mean:.2f} |"


if __name__ == "__main__":
    main()
