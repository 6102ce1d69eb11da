"""`python -m tests.robustness`: from a bundle and labelled rows to tables and JSON."""

import json
from pathlib import Path

import pandas as pd
import pytest

from stream.errors import DataError
from stream.intake.tables.hints import Hints
from stream.registry.bundle import load
from stream.settings.detection import RecalibrationSettings
from tests.robustness.poisoning import RUNS, SHARES, WAYS
from tests.robustness.report import facts, show
from tests.robustness.study import Study, study
from tests.robustness.targets import attacked_pumps
from tests.support.options import changed
from tests.support.small_training import SMALL, made, options
from training.evaluate.evaluation import Bundle
from training.evaluate.labelled import score_labelled
from training.pipeline import TrainingRun
from training.recalibration.evidence import bundle_thresholds
from training.robustness.setup import target_builder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    return attacked_pumps(tmp_path_factory.mktemp("pumps"))


def studied(trained: TrainingRun, live: Path, segments: int = 12) -> Study:
    bundle = Bundle(trained.folder, *load(trained.folder))
    frames = score_labelled(bundle.definition, live, Hints()).frames
    return study(bundle, frames, options(trained.folder.parents[3]), segments, RecalibrationSettings())


def test_a_study_has_every_attack_in_its_json_and_its_tables(
    trained: TrainingRun, capsys: pytest.CaptureFixture[str]
) -> None:
    of = studied(trained, trained.folder.parents[3] / "live.parquet")
    document = json.loads(json.dumps(facts(of), allow_nan=False))
    assert set(document) == {
        "version", "looked_at", "segments", "replay_attacks", "slow_drifts", "poisonings", "seconds"
    }  # fmt: skip
    assert document["segments"] == 12
    assert [(one["how"], one["share"]) for one in document["poisonings"]] == [
        ("nobody attacks", 0.0), *((how, share) for how in WAYS for share in SHARES)
    ]  # fmt: skip
    assert all(len(one["factors"]) == RUNS for one in document["poisonings"])
    assert all(one["threshold"] <= RecalibrationSettings().max_total for one in document["poisonings"])
    assert document["replay_attacks"][-1]["sensors"] == len(trained.manifest.sensors)
    show(of)
    printed = capsys.readouterr().out
    for title in ("sensors that replay", "a sensor that drifts away", "recalibration poisoned 6 times"):
        assert title in printed


def test_held_out_levels_are_those_of_the_bundle_below_its_thresholds_mostly(
    trained: TrainingRun, tmp_path: Path
) -> None:
    history = pd.read_parquet(trained.folder.parents[3] / "history.parquet")
    for has_one in (False, True):
        bundle = made(tmp_path / f"{has_one}", history, model=changed(SMALL, members=2, discriminator=has_one))
        manifest, definition = load(bundle.folder)
        given = bundle_thresholds(bundle.folder, manifest, definition)
        builder = target_builder(bundle.folder, manifest, definition, options(bundle.folder.parents[3]))
        normal = builder.levels(definition)
        above = (normal.level / given.table.of_each(normal.names)[normal.series] > 1.0).mean()
        assert above <= 0.1


def test_rows_in_which_the_bundle_finds_nothing_are_refused(trained: TrainingRun, tmp_path: Path) -> None:
    live = pd.read_parquet(trained.folder.parents[3] / "history.parquet").groupby("series").tail(100).assign(anomaly=0)
    live.to_parquet(tmp_path / "quiet.parquet", index=False)
    with pytest.raises(DataError, match="finds none of 0 segments of labelled events"):
        studied(trained, tmp_path / "quiet.parquet")
