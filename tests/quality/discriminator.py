"""Ranking with and without a discriminator on real labelled data: `python -m tests.quality.discriminator --help`.

Each case and seed takes one training: the same two autoencoders with their discriminators and without. All other
settings are the defaults.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import torch

from stream.detect.definition import Definition
from stream.detect.model.ensemble import Ensemble
from stream.intake.tables.hints import Hints
from stream.registry.bundle import load, weights
from stream.settings.detection import ModelSettings
from tests.real_data.cases import ANSWERS, LABEL, SMD_MACHINES, TIME, Case, data_folder, nab, skab, smd
from tests.support.options import fit_options, train_options
from tests.support.small_training import QUIET
from training.evaluate.figures import Detections, ground_truth, measure
from training.evaluate.labelled import score_labelled
from training.pipeline import train

SEEDS = (0, 1)
FIGURES = {"vus_pr": "VUS-PR", "auc_pr": "AUC-PR", "auc_roc": "AUC-ROC"}
GROUPS = ("smd", "nab", "skab")


def main() -> None:
    """Prints a row for each case and seed: means over its series without a discriminator and with one."""
    parser = argparse.ArgumentParser(prog="python -m tests.quality.discriminator", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=(*GROUPS, "all"), default="all")
    wanted = parser.parse_args().groups
    data = data_folder()
    torch.set_num_threads(1)
    print("| data | seed |", " | ".join(f"{figure} | with" for figure in FIGURES.values()), "|", flush=True)
    print("| --- " * (2 + 2 * len(FIGURES)) + "|")
    for case in _cases(data, GROUPS if "all" in wanted else wanted):
        for seed in SEEDS:
            with tempfile.TemporaryDirectory(prefix="narrows-discriminator-") as folder:
                plain, penalised = _measured(case, seed, Path(folder))
            pairs = " | ".join(f"{a:.3f} | {b:.3f}" for a, b in zip(plain, penalised, strict=True))
            print(f"| {case.name} | {seed} | {pairs} |", flush=True)


def _cases(data: Path, wanted: tuple[str, ...]) -> Iterator[Case]:
    if "smd" in wanted:
        yield from (smd(data, machine) for machine in SMD_MACHINES)
    if "nab" in wanted:
        yield nab(data)
    if "skab" in wanted:
        yield skab(data)


def _measured(case: Case, seed: int, folder: Path) -> tuple[list[float], list[float]]:
    history, live = case.write(folder)
    hints = Hints(time=TIME, exclude=ANSWERS)
    model = ModelSettings(members=2, discriminator=True)
    options = train_options(
        "quality", history, folder / "registry", hints=hints, model=model, fit=fit_options(seed=seed)
    )
    trained = train(options, QUIET)
    judged = load(trained.folder)[1]
    plain = msgspec.structs.replace(judged.spec, discriminator=0)
    scored = judged.ensemble
    bare = Ensemble(plain, weights(trained.folder), scored.error_scales, scored.tails)
    without = replace(judged, spec=plain, ensemble=bare)
    return _ranked(without, live), _ranked(judged, live)


def _ranked(definition: Definition, live: Path) -> list[float]:
    labelled = score_labelled(definition, live, Hints(time=TIME, label=LABEL, exclude=ANSWERS[1:]))
    known = ground_truth(labelled.frames, definition.spec.receptive_field)
    figures = measure(known, Detections("narrows", labelled.score, None))
    means = [figures.mean(name)[0] for name in FIGURES]
    return [mean for mean in means if mean is not None]


if __name__ == "__main__":
    main()
