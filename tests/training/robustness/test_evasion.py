"""`narrows robustness`: attackers, budgets, norms, the counterpart, and the disagreement of members."""

import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from stream.cli import app as cli
from stream.counters import Count
from stream.detect.detector import Detector
from stream.detect.model import discriminator
from stream.detect.outcome import Verdict
from stream.detect.policy import Learning
from stream.registry.bundle import load
from tests.robustness.targets import WIDE, a_target, attacked_pumps
from tests.support.options import changed
from tests.support.small_training import SMALL, a_history, made
from tests.support.small_training import options as small_options
from training.calibration.quantile import MARGIN
from training.fitting.disagreement import usual_disagreement
from training.pipeline import TrainingRun
from training.robustness.evasion import SIZES
from training.robustness.segments import AttackSegments
from training.robustness.setup import Setup, prepare

Command = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    return attacked_pumps(tmp_path_factory.mktemp("pumps"))


@pytest.fixture
def command(trained: TrainingRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `narrows robustness` and returns its JSON document, or its text."""
    folder = trained.folder.parents[3]

    def run(*more: str) -> dict[str, Any]:
        data = ["--data", str(folder / "live.parquet"), "--fit", str(folder / "history.parquet")]
        settings = ["detector=pumps", f"registry={folder / 'registry'}", "train.max_epochs=2"]
        options = [part for one in settings for part in ("--set", one)]
        monkeypatch.setattr(sys, "argv", ["narrows", "robustness", *data, *options, *more])
        with pytest.raises(SystemExit, match="0"):
            cli.main()
        printed = capsys.readouterr().out
        return dict(json.loads(printed)) if "--json" in more else {"text": printed}

    return run


def test_the_command_measures_attackers_budgets_and_norms(command: Command, tmp_path: Path) -> None:
    plot = tmp_path / "plots" / "evasion.png"
    document = command("--strips", "12", "--steps", "8", "--plot", str(plot), "--json")
    assert set(document) == {
        "data", "version", "members", "trained", "discriminator", "history", "seed", "effort", "strips",
        "normal_disagreeing", "usual_disagreement", "evasion", "seconds",
    }  # fmt: skip
    assert (document["members"], document["trained"], document["history"], document["seed"]) == (3, False, None, 0)
    assert document["strips"]["attacked"] == 12
    assert [(one["knows"], one["norm"], one["budget"]) for one in document["evasion"]] == [
        (knows, norm, size)
        for norm in ("linf", "l2")
        for knows in ("recorded data", "a surrogate", "one member", "everything")
        for size in SIZES
    ]
    assert set(document["evasion"][0]) == {
        "knows",
        "norm",
        "budget",
        "one",
        "ensemble",
        "ratio",
        "betrayed",
        "counterpart",
    }
    for column in ("one", "ensemble", "counterpart"):
        assert all(0.0 <= one[column] <= 1.0 for one in document["evasion"])
        all_knowing = [
            one[column] for one in document["evasion"] if one["knows"] == "everything" and one["norm"] == "l2"
        ]
        assert all_knowing == sorted(all_knowing)
        assert all_knowing[-1] > all_knowing[0]
    assert document["discriminator"] is False
    assert document["strips"]["found_by_counterpart"] > 0
    assert plot.read_bytes()[:4] == b"\x89PNG"


def test_a_bundle_of_one_member_is_compared_with_an_ensemble_trained_by_its_settings(
    command: Command, trained: TrainingRun, tmp_path: Path
) -> None:
    folder = trained.folder.parents[3]
    alone = made(tmp_path / "alone", pd.read_parquet(folder / "history.parquet"))
    text = command("--bundle", str(alone.folder), "--strips", "4", "--steps", "2")["text"]
    assert "the bundle has one member: an ensemble of 5 was trained" in text
    assert "evasion rate in %, K = 1 / K = 5 / counterpart (betrayed)" in text
    assert "recorded data" in text


def test_the_counterpart_is_the_same_members_with_the_other_choice_of_a_discriminator(
    command: Command, tmp_path: Path
) -> None:
    """It is trained where the bundle has none, and adds to the level; it is left out where the bundle has one."""
    history, frames = a_history(), np.arange(40)
    for has_one in (False, True):
        model = changed(SMALL, members=2, discriminator=has_one)
        bundle = made(tmp_path / f"{has_one}", history, model=model)
        setup = setup_of(bundle)
        own, other = (discriminator.split_weights(one.weights) for one in (setup.ensemble, setup.counterpart))
        assert (bool(own[1]), bool(other[1])) == (has_one, not has_one)
        assert all(torch.equal(own[0][name], other[0][name]) for name in own[0])
        assert (
            setup.ensemble.definition.ensemble.error_scales == setup.counterpart.definition.ensemble.error_scales
        ).all()
        plain, penalised = (setup.ensemble, setup.counterpart)[:: -1 if has_one else 1]
        loud = setup.recorded[frames] * 8
        segments = AttackSegments(("a",) * len(loud), loud, np.zeros(loud.shape, np.bool_), loud, loud)
        assert (penalised.levels(segments) >= plain.levels(segments)).all()
        assert (penalised.levels(segments) > plain.levels(segments)).any()
    text = command("--bundle", str(bundle.folder), "--strips", "4", "--steps", "2")["text"]
    assert "counterpart: the same members without their discriminator" in text


def setup_of(bundle: TrainingRun) -> Setup:
    manifest, definition = load(bundle.folder)
    return prepare(bundle.folder, manifest, definition, small_options(bundle.folder.parents[3]))


def test_members_beside_thresholds_that_learn_have_such_thresholds_too(trained: TrainingRun) -> None:
    manifest, fixed = load(trained.folder)
    assert setup_of(trained).members[0].definition.thresholds.usual is None
    learning = Learning(share=0.05, block=fixed.spec.block, horizon=500, bound=4.0, moved_least=60, moved_after=200)
    options = small_options(trained.folder.parents[3])
    setup = prepare(trained.folder, manifest, replace(fixed, learning=learning), options)
    for target in (*setup.members, setup.counterpart):
        assert target.definition.thresholds.usual is not None
        assert target.definition.thresholds.q == pytest.approx(MARGIN, rel=0.3)


def test_rows_in_which_nothing_is_found_are_refused(
    trained: TrainingRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = trained.folder.parents[3]
    live = pd.read_parquet(folder / "history.parquet").groupby("series").tail(100).assign(anomaly=0)
    live.to_parquet(tmp_path / "quiet.parquet", index=False)
    data = ["--data", str(tmp_path / "quiet.parquet"), "--fit", str(folder / "history.parquet")]
    settings = ["--set", "detector=pumps", "--set", f"registry={folder / 'registry'}", "--set", "train.max_epochs=1"]
    monkeypatch.setattr(sys, "argv", ["narrows", "robustness", *data, *settings])
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    assert "nothing to hide" in capsys.readouterr().err


def test_usual_disagreement_is_kept_in_the_bundle_and_counted_by_the_detector(trained: TrainingRun) -> None:
    """It is exceeded by one frame in a hundred of the history. A single member has no disagreement."""
    manifest, definition = load(trained.folder)
    assert 0.0 < manifest.usual_disagreement < 1.0
    assert definition.usual_disagreement == manifest.usual_disagreement
    detector, counts = Detector(definition), Counter[Count]()
    for batch in trained.history.batches:
        verdicts = (outcome := detector.push(batch.readings)).verdicts
        counts.update(outcome.counts())
        unusual = (verdicts.disagreement > manifest.usual_disagreement) & (verdicts.verdict == Verdict.SCORED)
        np.testing.assert_array_equal(verdicts.disagreeing, unusual)
    assert 0 < counts[Count.DISAGREEING] < 0.1 * counts[Count.SCORED]
    alone = a_target(members=1).definition.ensemble
    assert usual_disagreement(alone, WIDE[0][None], None, np.zeros(1, np.int64)) == 0.0
