"""`narrows models`: lists, pages and differences of the registry, and the moves of production."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stream.registry.bundle import WEIGHTS, load
from stream.registry.manifest import MANIFEST
from stream.registry.registry import CANDIDATE, PRODUCTION, Registry
from stream.settings.detection import RuleSettings, ThresholdSettings
from tests.support.builders import a_definition, a_spec, publish
from tests.support.commands import Narrows, in_process
from tests.support.small_training import a_history, made
from training.pipeline import TrainingRun
from training.revision.amend import Amendment, amend


@pytest.fixture(scope="module")
def pumps() -> pd.DataFrame:
    return a_history()


@pytest.fixture
def trained(pumps: pd.DataFrame, tmp_path: Path) -> TrainingRun:
    return made(tmp_path, pumps)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Narrows:
    """Runs `narrows models` in the folder of the registry."""
    monkeypatch.chdir(tmp_path)
    return partial(in_process(monkeypatch, capsys, "--set", "detector=pumps"), "models")


def a_child(trained: TrainingRun) -> str:
    registry = Registry(trained.folder.parents[2])
    names = frozenset({"rules.close_after", "threshold.percentile"})
    changes = Amendment(RuleSettings(close_after=40), ThresholdSettings(percentile=90.0), names)
    later = datetime(2040, 1, 1, tzinfo=UTC)
    return amend(registry, "pumps", trained.manifest.version, changes, now=later).manifest.version


def test_the_list_has_a_line_for_each_version_with_what_points_to_it(models: Narrows, trained: TrainingRun) -> None:
    parent, child = trained.manifest.version, a_child(trained)
    first, second = models("list", "--json").data
    assert (first["version"], first["aliases"], first["parent"]) == (parent, [PRODUCTION], None)
    assert (second["version"], second["aliases"], second["parent"]) == (child, [CANDIDATE], parent)
    assert (first["model"], first["gate"], first["created_at"]) == ("dense", "passed", trained.manifest.created_at)
    assert first["threshold"]["q"] == trained.manifest.threshold_q
    heading, *lines = models("list").out.splitlines()
    assert heading.split() == ["version", "aliases", "created", "model", "threshold", "gate", "amended", "from"]
    assert lines[0].split()[:2] == [parent, PRODUCTION]
    assert lines[1].split()[:2] == [child, CANDIDATE]
    assert f"percentile 95: q = {trained.manifest.threshold_q:.4g}" in lines[0]


def test_an_empty_registry_lists_nothing_and_says_so(models: Narrows) -> None:
    assert models("list", "--json").data == []
    code, out, err = models("list")
    assert (code, out) == (0, "")
    assert "no version of detector 'pumps'; `narrows train` makes one" in err


def test_a_version_that_cannot_be_read_is_listed_with_the_fault(models: Narrows, trained: TrainingRun) -> None:
    manifest = trained.folder / MANIFEST
    manifest.write_text(manifest.read_text().replace('"format": 2', '"format": 1'))
    (row,) = models("list", "--json").data
    assert "format 1, this version reads 2; train again" in row["fault"]
    assert "format 1, this version reads 2" in models("list").out


def test_a_page_says_all_that_the_manifest_does(models: Narrows, trained: TrainingRun) -> None:
    m = trained.manifest
    page = models("show", "--json").data
    assert (page["version"], page["detector"], page["aliases"]) == (m.version, "pumps", [PRODUCTION, CANDIDATE])
    assert page["place"] == f"registry/pumps/versions/{m.version}"
    assert page["sensors"] == list(m.sensors)
    assert page["rules"]["close_after"] == m.rules.close_after
    assert page["model"]["window"] == m.model.window
    assert page["parts"] == m.data.frames
    assert page["threshold"]["q"] == m.threshold_q
    assert page["files"][WEIGHTS]["bytes"] == (trained.folder / WEIGHTS).stat().st_size
    text = models("show", CANDIDATE).out
    for section in ("policy", "rules", "model", "threshold", "parts", "data", "metrics", "software", "files"):
        assert f"\n{section}\n" in text
    assert f"{m.version} of pumps, production, candidate" in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for line in ("interval 1m", "max_duration 7d", "sensors flow, pressure, current, temperature, vibration"):
        assert line in lines


def test_a_difference_says_what_was_amended_and_how_far_each_threshold_went(
    models: Narrows, trained: TrainingRun
) -> None:
    parent, child = trained.manifest.version, a_child(trained)
    difference = models("diff", PRODUCTION, CANDIDATE, "--json").data
    assert (difference["from"], difference["to"], difference["same_weights"]) == (parent, child, True)
    assert difference["changes"]["rules.close_after"] == {"from": 9, "to": 40}
    assert difference["changes"]["threshold.promised"] == {"from": 95.0, "to": 90.0}
    assert not [name for name in difference["changes"] if not name.startswith(("rules.close_after", "threshold."))]
    old, new = (load(trained.folder.parent / version)[1].thresholds for version in (parent, child))
    assert {row["series"] for row in difference["thresholds"]["series"]} == set(old.names)
    for row in difference["thresholds"]["series"]:
        assert (row["from"], row["to"]) == (old.of(row["series"]), new.of(row["series"]))
        assert row["factor"] == pytest.approx(new.q / old.q)
        assert row["factor"] < 1.0
    text = models("diff", PRODUCTION, CANDIDATE).out
    assert f"{parent} -> {child}: the same weights" in text
    assert "thresholds: 4 of 4 series moved" in text
    assert models("diff", parent, parent, "--json").data["changes"] == {}
    assert "thresholds of 4 series: all the same" in models("diff", parent, parent).out


def test_a_difference_between_strangers_names_series_and_settings_that_only_one_has(
    models: Narrows, tmp_path: Path
) -> None:
    def published(**changes: Any) -> str:
        definition = a_definition(**changes)
        return publish(tmp_path / "registry", definition, changes.get("seed", 0)).version

    one = published(series=("a", "b"))
    other = published(series=("b", "c"), spec=a_spec(smoothing=5), seed=1)
    for version in (one, other):
        manifest = tmp_path / "registry" / "test" / "versions" / version / MANIFEST
        assert manifest.exists()
    difference = models("diff", one, other, "--json", "--set", "detector=test")
    assert difference.code == 1, "the last --set counts, and there is no such version of pumps"
    (tmp_path / "registry" / "test").rename(tmp_path / "registry" / "pumps")
    data = models("diff", one, other, "--json").data
    assert data["same_weights"] is False
    assert data["changes"]["model.smoothing"] == {"from": 3, "to": 5}
    assert (data["thresholds"]["only_from"], data["thresholds"]["only_to"]) == (["a"], ["c"])
    assert "series: 1 are gone, 1 are new" in models("diff", one, other).out


def test_production_is_promoted_and_rolled_back_with_reasons_that_the_history_keeps(
    models: Narrows, trained: TrainingRun
) -> None:
    parent, child = trained.manifest.version, a_child(trained)
    assert models("promote", CANDIDATE, "--reason", "anna: fewer alerts").out == f"production: {parent} -> {child}\n"
    assert models("promote", child).out == f"production: {child} already; nothing was moved\n"
    assert models("promote", child, "--json").data == {"moved": False, "alias": PRODUCTION, "to": child}
    back = models("rollback", "--reason", "bert: missed a leak", "--json").data
    assert (back["moved"], back["from"], back["to"], back["reason"]) == (True, child, parent, "bert: missed a leak")
    code, out, err = models("rollback")
    assert (code, out) == (1, "")
    assert f"production points to {parent}, and its history tells of nothing before" in err
    moves = models("history", "--json").data
    assert [(move["alias"], move["action"]) for move in moves] == [
        (CANDIDATE, "train"),
        (PRODUCTION, "train"),
        (CANDIDATE, "amend"),
        (PRODUCTION, "promote"),
        (PRODUCTION, "rollback"),
    ]
    assert "anna: fewer alerts" in models("history").out


def test_a_version_that_is_not_there_or_was_altered_ends_with_1_and_the_reason(
    models: Narrows, trained: TrainingRun
) -> None:
    for command in (["show", "x"], ["promote", "x"], ["diff", "x", PRODUCTION], ["amend", "x"]):
        changes = ["--set", "rules.close_after=3"] if command[0] == "amend" else []
        code, out, err = models(*command, *changes)
        assert (code, out) == (1, "")
        assert "detector 'pumps' has no 'x' bundle; its versions: ['2" in err
    (trained.folder / WEIGHTS).write_bytes(b"x")
    code, _, err = models("promote", CANDIDATE)
    assert code == 1
    assert "take a fresh copy" in err


def test_amending_tells_what_became_of_the_threshold(models: Narrows, trained: TrainingRun) -> None:
    changes = ("--set", "rules.close_after=40", "--set", "threshold.percentile=90")
    data = models("amend", *changes, "--json").data
    assert (data["parent"], data["aliases"]) == (trained.manifest.version, [CANDIDATE])
    assert data["amended"]["rules.close_after"] == {"from": 9, "to": 40}
    assert data["threshold"]["from"]["q"] == trained.manifest.threshold_q > data["threshold"]["to"]["q"]
    assert Registry("registry").alias("pumps", CANDIDATE) == data["version"]
    _, text, err = models("amend", "production", "--set", "rules.update_every=90s", "--reason", "told too often")
    assert "rules.update_every" in text
    assert "3600 s -> 90 s" in text
    assert "--bundle candidate --against production" in err, "what to do next"
    code, _, err = models("amend", "--set", "model.window=8")
    assert code == 2
    assert "model.window: the weights have this shape" in err


def test_a_registry_may_be_named_by_a_uri(models: Narrows, trained: TrainingRun, tmp_path: Path) -> None:
    (tmp_path / "narrows.yaml").write_text(f"registry: file://{tmp_path}/registry\n")
    (row,) = models("list", "--json").data
    assert row["version"] == trained.manifest.version
    code, _, err = models("list", "--set", "registry=ftp://host/registry")
    assert code == 2
    assert "registry: got 'ftp://host/registry', expected a folder, or a URI that begins with" in err
