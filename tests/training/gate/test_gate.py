"""The gate through the commands: models that pass, models that are refused and why, and promotion by force."""

import sys
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import pandas as pd
import pytest

from stream.cli import app as cli
from stream.events.record import rfc3339
from stream.registry.bundle import WEIGHTS, load
from stream.registry.manifest_facts import DataFacts
from stream.registry.promotion import promote
from stream.registry.recalibration_facts import NewerDataFacts, RecalibrationFacts
from stream.registry.registry import CANDIDATE, PRODUCTION, Registry
from tests.support.commands import Result
from training.demo import fleet
from training.revision.child import publish_child

SMALL = {
    "detector": "pumps",
    "model.window": 6,
    "model.smoothing": 3,
    "model.hidden": 16,
    "model.latent": 3,
    "train.max_epochs": 2,
    "threshold.method": "percentile",
    "threshold.percentile": 95,
}


# Nearly as many units as the window has values, without noise and dropout: it copies.
COPIER = {"model.latent": 29, "model.hidden": 64, "model.noise": 0, "model.dropout": 0, "train.max_epochs": 40}


class TrainingResult(Result):
    """Result of a training, with the criteria of its gate."""

    def criterion(self, name: str) -> Any:
        (found,) = (one for one in self.data["metrics"]["gate"]["criteria"] if one["name"] == name)
        return found

    def verdict(self, name: str) -> str:
        return str(self.criterion(name)["verdict"])


class Narrows(Protocol):
    """Runs a command."""

    def __call__(self, *arguments: str, **settings: object) -> TrainingResult: ...


@pytest.fixture
def narrows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Narrows:
    """Runs a command in a folder of its own, with the settings of a small training."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **settings: object) -> TrainingResult:
        small = {"detector": "pumps"} if arguments[0] == "models" else SMALL
        given = small | {name.replace("__", "."): value for name, value in settings.items()}
        sets = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
        monkeypatch.setattr(sys, "argv", ["narrows", *arguments, *sets])
        with pytest.raises(SystemExit, match=r"^\d*$|None") as caught:
            cli.main()
        return TrainingResult(int(caught.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def month() -> pd.DataFrame:
    """Four pumps, half an hour a row, 24 days: the gate part has days to compare."""
    return fleet.generate(pumps=4, history_days=24.0, live_days=5.0, interval_s=1800).history


def written(history: pd.DataFrame, name: str = "history.parquet") -> str:
    history.to_parquet(name, index=False)
    return name


def newest_off(history: pd.DataFrame) -> pd.DataFrame:
    """The bearing of each pump runs hot in the newest days, without a label."""
    broken, row = history.copy(), history.groupby("series").cumcount()
    broken.loc[row >= 0.84 * (row.max() + 1), "temperature"] += 3 * history["temperature"].std()
    return broken


def aliases() -> tuple[str | None, str | None]:
    registry = Registry(Path("registry"))
    return registry.alias("pumps", PRODUCTION), registry.alias("pumps", CANDIDATE)


def test_a_sound_model_passes_with_each_criterion_told(narrows: Narrows, month: pd.DataFrame) -> None:
    trained = narrows("train", "--data", written(month), "--json")
    assert trained.code == 0
    gate = trained.data["metrics"]["gate"]
    assert gate["verdict"] == "passed"
    assert gate["levels"] > 0, "what the threshold did on the gate part stays there"
    assert all(one["said"] and one["verdict"] in ("passed", "not judged") for one in gate["criteria"])
    assert aliases() == (trained.data["version"],) * 2
    assert [row["gate"] for row in narrows("models", "list", "--json").data] == ["passed"]


def test_a_model_whose_promise_is_broken_is_written_and_nothing_points_to_it(
    narrows: Narrows, month: pd.DataFrame
) -> None:
    trained = narrows("train", "--data", written(newest_off(month)), "--json")
    assert trained.code == 4
    version = trained.data["version"]
    assert trained.data["aliases"] == []
    assert aliases() == (None, None)
    assert (trained.verdict("promise"), trained.verdict("time in alarm")) == ("refused", "refused")
    assert f"the gate refused {version}: promise: " in trained.err
    assert "--force" in trained.err
    assert narrows("models", "show", version).code == 0, "one can look at it"


def test_what_was_refused_is_promoted_by_force_with_a_reason_alone(narrows: Narrows, month: pd.DataFrame) -> None:
    version = narrows("train", "--data", written(newest_off(month)), "--json").data["version"]
    plain = narrows("models", "promote", version)
    assert plain.code == 4
    assert "time in alarm: " in plain.err
    silent = narrows("models", "promote", version, "--force")
    assert (silent.code, aliases()) == (2, (None, None))
    assert "--force needs --reason" in silent.err
    assert narrows("models", "promote", version, "--force", "--reason", "Ann: new bearings").code == 0
    assert aliases() == (version, None)
    (move,) = narrows("models", "history", "--json").data
    assert move["reason"] == "forced past the gate (promise, time in alarm): Ann: new bearings"


def test_a_training_by_force_points_the_aliases_and_is_recorded(narrows: Narrows, month: pd.DataFrame) -> None:
    trained = narrows("train", "--data", written(newest_off(month)), "--force", "--reason", "Ann", "--json")
    assert trained.code == 0
    assert trained.data["metrics"]["gate"]["verdict"] == "refused", "forced is not passed"
    assert aliases() == (trained.data["version"],) * 2
    reasons = {move["reason"] for move in narrows("models", "history", "--json").data}
    assert reasons == {"forced past the gate (promise, time in alarm): Ann"}


def test_a_child_of_a_refused_version_is_refused_as_its_parent_was(narrows: Narrows, month: pd.DataFrame) -> None:
    """It is published, but no alias points to it until it is promoted by force."""
    version = narrows("train", "--data", written(newest_off(month)), "--json").data["version"]
    child = narrows("models", "amend", version, "--json", rules__close_after=40)
    assert (child.code, child.data["aliases"], aliases()) == (4, [], (None, None))
    assert "nothing points to it" in child.err
    assert narrows("models", "promote", child.data["version"]).code == 4
    assert narrows("models", "promote", child.data["version"], "--force", "--reason", "it is hot there").code == 0
    assert aliases()[0] == child.data["version"]


def test_a_history_a_third_of_which_is_faults_makes_a_model_blunter_than_production(
    narrows: Narrows, month: pd.DataFrame
) -> None:
    row = month.groupby("series").cumcount()
    first = narrows("train", "--data", written(month[row < 600]), "--json")
    assert first.code == 0
    poisoned, sensors = month.copy(), list(month.columns[2:])
    faulty = (row > 100) & (row // 15 % 3 == 1)
    poisoned.loc[faulty, sensors] += 4 * month[sensors].std()
    second = narrows("train", "--data", written(poisoned), "--json")
    assert second.code == 4
    assert second.verdict("detection beside production") == "refused"
    assert aliases() == (first.data["version"],) * 2, "production goes on"


def test_a_newer_model_of_the_same_plant_passes_beside_production(narrows: Narrows, month: pd.DataFrame) -> None:
    row = month.groupby("series").cumcount()
    first = narrows("train", "--data", written(month[row < 950]), "--json")
    second = narrows("train", "--data", written(month), "--json")
    assert (first.code, second.code) == (0, 0), second.err
    assert second.verdict("false alerts beside production") == "passed"
    assert second.verdict("detection beside production") == "passed"
    assert aliases() == (first.data["version"], second.data["version"])


def test_readings_that_production_was_recalibrated_on_are_none_to_be_compared_on(
    narrows: Narrows, month: pd.DataFrame
) -> None:
    """Its thresholds depend on them, though its weights do not."""
    narrows("train", "--data", written(month[month.groupby("series").cumcount() < 950]))
    registry = Registry(Path("registry"))
    folder = registry.folder("pumps", PRODUCTION)
    parent, _ = load(folder)
    newest = rfc3339(month["time"].max().value)
    data = NewerDataFacts(path="", start=newest, end=newest, fingerprint="", series=2, frames={}, excluded_spans=0)
    newer = msgspec.structs.replace(parent, version="20990101T000000Z", recalibrated=RecalibrationFacts(data=data))
    _, child = publish_child(registry, folder, parent, newer, "calibrate", "")
    promote(registry, "pumps", child.version)
    second = narrows("train", "--data", written(month), "--json")
    told = second.criterion("false alerts beside production")
    assert told["verdict"] == "not judged"
    assert f"0 normal frames are in the gate part after {newest}" in told["said"]


def test_production_that_cannot_be_compared_is_no_reason_to_refuse(narrows: Narrows, month: pd.DataFrame) -> None:
    history = written(month)
    narrows("train", "--data", history)
    for other in (
        narrows("train", "--data", written(month.drop(columns="vibration"), "fewer.parquet"), "--json"),
        narrows("train", "--data", history, "--json", threshold__percentile=96),
    ):
        assert other.code == 0
        assert other.verdict("detection beside production") == "not judged"
    registry = Registry(Path("registry"))
    folder = registry.folder("pumps", PRODUCTION)
    parent, _ = load(folder)
    silent = msgspec.structs.replace(parent, version="20990101T000000Z", data=DataFacts())
    _, child = publish_child(registry, folder, parent, silent, "amend", "")
    promote(registry, "pumps", child.version)
    other = narrows("train", "--data", history, "--json")
    assert "does not say what it has learned from" in other.criterion("detection beside production")["said"]
    for folder in Path("registry/pumps/versions").iterdir():
        (folder / WEIGHTS).write_bytes(b"")
    after = narrows("train", "--data", history, "--json", train__seed=1)
    assert (after.code, after.verdict("false alerts beside production")) == (0, "not judged")


@pytest.mark.parametrize(
    ("given_settings", "criterion"),
    [
        ({"model.kind": "variational", "model.beta": 1e5, "train.max_epochs": 14}, "posterior collapse"),
        (COPIER, "too strong"),
    ],
    ids=["collapsed", "too strong"],
)
def test_a_model_that_says_nothing_or_copies_everything_is_refused(
    narrows: Narrows, month: pd.DataFrame, given_settings: dict[str, object], criterion: str
) -> None:
    trained = narrows("train", "--data", written(month), "--json", **given_settings)
    assert (trained.code, trained.verdict(criterion)) == (4, "refused")
    assert f"{criterion}: " in trained.err
    assert aliases() == (None, None)


def test_a_tampered_bundle_is_never_promoted(narrows: Narrows, month: pd.DataFrame) -> None:
    version = narrows("train", "--data", written(month), "--json").data["version"]
    weights = Path("registry/pumps/versions") / version / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    promoted = narrows("models", "promote", version, "--force", "--reason", "Ann")
    assert promoted.code == 1
    assert "altered; take a fresh copy" in promoted.err


def test_labelled_anomalies_in_the_span_of_the_gate_are_looked_for(narrows: Narrows, month: pd.DataFrame) -> None:
    row = month.groupby("series").cumcount()
    history = month.assign(anomaly=((row >= 1040) & (row % 25 < 6)).astype(int))
    faulty = history["anomaly"] == 1
    history.loc[faulty, "pressure"] -= 8 * month["pressure"].std()
    trained = narrows("train", "--data", written(history), "--json", input__label="anomaly")
    assert trained.code == 0
    assert trained.verdict("labelled anomalies") == "passed"
    assert np.isfinite(trained.data["metrics"]["gate"]["share_above"])


def test_a_short_history_whose_newest_hours_are_unlike_the_rest_is_not_judged_by_them(narrows: Narrows) -> None:
    """An unusual half day breaks no promise: every day may have one."""
    history = newest_off(fleet.generate(pumps=4, history_days=2.0, live_days=0.5, interval_s=180).history)
    trained = narrows("train", "--data", written(history), "--json")
    assert trained.code == 0
    assert trained.verdict("time in alarm") == "not judged"
    gate = trained.data["metrics"]["gate"]
    assert any("0 whole days; 3 needed" in one["said"] for one in gate["criteria"])
    assert gate["verdict"] == "not judged", "what is in alarm at the end of its own history does not pass"
    assert aliases() == (trained.data["version"],) * 2, "and a person is better warned and watched than not watched"
    assert {one["series"] for one in gate["changes"]} == set(history["series"])
    assert all(one["sensors"][0] == "temperature" and one["above"] > 0.5 for one in gate["changes"])
    changed = history["time"].max() - pd.Timedelta(days=2 * 0.16)
    since = pd.to_datetime([one["since"] for one in gate["changes"]])
    assert (abs(since - changed) < pd.Timedelta(hours=2)).all()
    (said,) = (line for line in trained.err.splitlines() if "the machine changed in 4 series" in line)
    assert said.startswith("warning: the machine changed in 4 series: ")
    assert "warning: the model is in alarm for " in trained.err
    assert "sensors 'temperature'" in said
    assert 'frames.maintenance: [{series: "pump-' in said
