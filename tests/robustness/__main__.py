"""`make robustness`: attacks that take no gradient, on bundles trained on real labelled data."""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from stream.cli.options.training import train_options
from stream.intake.tables.hints import Hints
from stream.registry.bundle import load
from stream.settings import load as load_settings
from tests.real_data.__main__ import conditions
from tests.real_data.cases import ANSWERS, LABEL, SMD_MACHINES, TIME, data_folder, smd
from tests.robustness.report import facts, show
from tests.robustness.study import Study, study
from tests.support.small_training import QUIET
from training.evaluate.evaluation import Bundle
from training.evaluate.labelled import score_labelled
from training.pipeline import train

# An ensemble of five: disagreement among members is one of the figures.
SETTINGS = ("model.members=5",)


def main() -> int:
    """Returns the exit code: 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness", description=__doc__)
    parser.add_argument("machines", nargs="*", choices=(*SMD_MACHINES, "all"), default="all")
    parser.add_argument("--json", action="store_true", help="every figure as one JSON document")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=V", help="a setting other than the default")
    parser.add_argument("--segments", type=int, default=60, help="segments of events to replay sensors on, at most")
    options = parser.parse_args()
    data = data_folder()
    if not data.is_dir():
        print(f"error: no data sets in {data}; set NARROWS_DATA to the folder that holds smd", file=sys.stderr)
        return 1
    torch.set_num_threads(1)
    machines = SMD_MACHINES if "all" in options.machines else options.machines
    results = {machine: _studied(data, machine, tuple(options.set), options.segments) for machine in machines}
    if options.json:
        print(json.dumps({"conditions": conditions(), "results": {name: facts(of) for name, of in results.items()}}))
        return 0
    print(", ".join(f"{name} {value}" for name, value in conditions().items()))
    for name, of in results.items():
        print(f"\nSMD {name}", flush=True)
        show(of)
    return 0


def _studied(data: Path, machine: str, overrides: tuple[str, ...], segments: int) -> Study:
    with tempfile.TemporaryDirectory(prefix="narrows-robustness-") as name:
        folder = Path(name)
        history, live = smd(data, machine).write(folder)
        settings = load_settings(None, [*SETTINGS, *overrides], {})
        hints = Hints(time=TIME, exclude=ANSWERS)
        options = train_options(settings, history)
        options = replace(options, detector="robustness", registry=folder / "registry", hints=hints)
        print(f"==> {machine}: training", file=sys.stderr)
        bundle = train(options, QUIET).folder
        manifest, definition = load(bundle)
        frames = score_labelled(definition, live, Hints(time=TIME, label=LABEL, exclude=ANSWERS[1:])).frames
        return study(Bundle(bundle, manifest, definition), frames, options, segments, settings.recalibrate)


if __name__ == "__main__":
    sys.exit(main())
