"""`narrows recalibrate` from Parquet to a child version: what it leaves out, moves, refuses, and how it is undone."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stream.intake.columns import Float64s
from stream.registry.bundle import WEIGHTS, load
from stream.registry.registry import CANDIDATE, PRODUCTION, Registry
from stream.settings.detection import ModelSettings, ThresholdSettings
from tests.support.commands import Narrows, in_process
from tests.support.options import fit_options
from tests.support.small_training import MINUTE, made

SENSORS = ("flow", "pressure", "current", "heat")
MIXING = np.array([[1.0, 0.2], [0.3, 1.0], [0.8, -0.6], [-0.4, 0.9]])
SERIES, HISTORY, NEWER = 3, 2500, 1500
START = 1_772_409_600 * 1_000_000_000
# Two things that go on, two numbers in the code: what is left is the sensors' noise.
MODEL = ModelSettings(kind="linear", window=1, smoothing=6, latent=2)
FIT = fit_options(max_epochs=40, learning_rate=0.01, patience=40)
PROMISE = ThresholdSettings(method="budget", alerts_per_week=20.0, learn=False)
LATER = START + HISTORY * MINUTE


@dataclass
class Plant:
    """Rows of a machine in which two things go on, seen by four noisy sensors; series differ in size only."""

    noise: float = 0.5
    mixing: Float64s | None = None
    moved: float = 0.0
    stuck: bool = False

    def rows(self, seed: int, count: int, start: int) -> pd.DataFrame:
        return pd.concat([self._series(seed, s, count, start) for s in range(SERIES)], ignore_index=True)

    def _series(self, seed: int, s: int, count: int, start: int) -> pd.DataFrame:
        draw = np.random.default_rng([seed, s])
        state, states = draw.normal(size=2), np.empty((count, 2))
        for i in range(count):
            state = 0.7 * state + draw.normal(0, np.sqrt(1 - 0.49), 2)
            states[i] = state
        values = states @ (MIXING if self.mixing is None else self.mixing).T + draw.normal(0, self.noise, (count, 4))
        values[:, 0] += self.moved
        if self.stuck:
            values[:, 1] = values[0, 1]
        time = pd.to_datetime(start + np.arange(count) * MINUTE, utc=True)
        return pd.DataFrame(
            {"time": time, "series": f"m{s}"} | dict(zip(SENSORS, (10 * (s + 1) * values).T, strict=True))
        )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a registry with a bundle, and of the history it was made of."""
    folder = tmp_path_factory.mktemp("plant")
    made(folder, Plant().rows(0, HISTORY, START), FIT, model=MODEL, threshold=PROMISE)
    return folder


@pytest.fixture
def registry(trained: Path, tmp_path: Path) -> Registry:
    """A registry of its own, with the same bundle."""
    shutil.copytree(trained / "registry", tmp_path / "registry")
    return Registry(tmp_path / "registry")


@pytest.fixture
def narrows(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Narrows:
    monkeypatch.chdir(tmp_path)
    return in_process(monkeypatch, capsys, "--set", "detector=pumps")


def newer(plant: Plant, seed: int = 1, count: int = NEWER, start: int = LATER) -> str:
    """Readings after the history, in a file."""
    plant.rows(seed, count, start).to_parquet("newer.parquet", index=False)
    return "newer.parquet"


def test_where_nothing_has_drifted_it_says_so_and_moves_nothing(narrows: Narrows, registry: Registry) -> None:
    result = narrows("recalibrate", "--data", newer(Plant()), "--dry-run", "--json")
    assert (result.code, result.data["verdict"], result.data["refused"]) == (0, "fine", [])
    assert narrows("recalibrate", "--data", "newer.parquet", "--dry-run", "--set", "input.label=anomaly").code == 0
    assert [one["verdict"] for one in result.data["by_series"]] == ["fine"] * SERIES
    assert result.data["step"]["series"] == 0
    assert sum(result.data["data"]["frames"].values()) == SERIES * NEWER
    assert result.data["version"] is None
    assert len(registry.versions("pumps")) == 1
    sensors = result.data["by_series"][0]["sensors"]
    assert set(sensors) == set(SENSORS)
    for drift in sensors.values():
        assert abs(drift["mean"]["value"]) < 0.5
        assert drift["variance"]["low"] < 1 < drift["variance"]["high"]


def test_wider_noise_makes_a_child_that_is_promoted_and_rolled_back(narrows: Narrows, registry: Registry) -> None:
    parent = registry.resolve("pumps", PRODUCTION)
    data = newer(Plant(noise=0.57))
    result = narrows("recalibrate", "--data", data, "--json", "--reason", "new gauges").data
    assert result["verdict"] == "recalibrate"
    child = result["version"]
    assert registry.alias("pumps", CANDIDATE) == child
    assert registry.alias("pumps", PRODUCTION) == parent
    assert registry.history("pumps")[-1].action == "calibrate"
    (old, before), (new, after) = (load(registry.folder("pumps", version)) for version in (parent, child))
    assert (new.parent, new.amended) == (parent, {})
    assert {f.name: f.sha256 for f in new.files}[WEIGHTS] == {f.name: f.sha256 for f in old.files}[WEIGHTS]
    steps = [after.thresholds.of(f"m{s}") / before.thresholds.of(f"m{s}") for s in range(SERIES)]
    assert steps == pytest.approx([one["step"] for one in result["by_series"]])
    assert all(1.05 < step <= 1.5 for step in steps)
    assert after.thresholds.trained is not None
    assert np.array_equal(after.thresholds.trained, before.thresholds.scale)
    assert new.recalibrated.before == old.created_at
    assert new.recalibrated.data is not None
    assert new.recalibrated.bounds is not None
    assert new.recalibrated.data.fingerprint == result["data"]["fingerprint"]
    assert new.recalibrated.bounds.max_step == 1.5
    assert narrows("models", "promote", "candidate").code == 0
    again = narrows("recalibrate", "--data", data, "--dry-run", "--json")
    assert again.code == 4, "what has set thresholds once sets none again"
    assert again.data["data"]["frames"]["old"] == SERIES * NEWER
    assert narrows("models", "rollback").code == 0
    assert registry.alias("pumps", PRODUCTION) == parent


def test_a_child_raises_fewer_alerts_on_noise_that_grew(narrows: Narrows) -> None:
    wide = Plant(noise=0.57)
    narrows("recalibrate", "--data", newer(wide))
    data = newer(wide, seed=2, start=LATER + NEWER * MINUTE)
    before, after = (
        sum(
            json.loads(line)["state"] == "opened"
            for line in narrows("replay", "--data", data, "--bundle", b).out.splitlines()
        )
        for b in (PRODUCTION, CANDIDATE)
    )
    assert after < before / 2


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (Plant(moved=2.0), "flow stands +"),
        (Plant(mixing=MIXING * np.array([[1.0, 1.0], [1.0, -1.0], [1.0, 1.0], [1.0, 1.0]])), "levels rose to"),
        (Plant(stuck=True), "pressure varies"),
        (Plant(noise=0.25), "levels fell to"),
    ],
    ids=["moved mean", "changed relation", "stuck sensor", "calmer"],
)
def test_what_takes_training_is_refused_with_the_reason(
    narrows: Narrows, registry: Registry, plant: Plant, words: str
) -> None:
    result = narrows("recalibrate", "--data", newer(plant), "--json", "--set", "recalibrate.max_total=2")
    assert result.code == 4
    assert result.data["verdict"] == "retrain"
    assert any(words in reason for reason in result.data["refused"]), result.data["refused"]
    assert [one["step"] for one in result.data["by_series"]] == [1.0] * SERIES
    assert len(registry.versions("pumps")) == 1


def test_people_get_tables_that_say_the_same(narrows: Narrows) -> None:
    result = narrows("recalibrate", "--data", newer(Plant(moved=2.0)))
    assert result.code == 4
    for word in ("exceeding", "m0", "retrain", "verdict", "refused", "flow stands +"):
        assert word in result.out
    result = narrows("recalibrate", "--data", newer(Plant()), "--dry-run")
    for words in (
        "nothing was published",
        "confirmed: the readings move none",
        "alerts per series and week on the levels",
    ):
        assert words in result.out


def test_readings_that_were_learned_from_are_refused_as_such(narrows: Narrows) -> None:
    path = "again.parquet"
    Plant().rows(1, HISTORY, START).to_parquet(path)
    result = narrows("recalibrate", "--data", path, "--dry-run")
    assert result.code == 4
    assert f"none of {SERIES * HISTORY:,} frames is left, most are `old`: not newer than" in " ".join(
        result.out.split()
    )
    assert "0.00%" not in result.out


def test_incidents_labels_and_named_spans_set_no_threshold(narrows: Narrows) -> None:
    """With trouble in them that is left out by its alerts, by labels or by spans, the levels used are the others."""
    rows = Plant().rows(1, NEWER, LATER)
    at = (rows["series"] == "m1") & (rows["time"] >= pd.to_datetime(LATER + 400 * MINUTE, utc=True))
    at &= rows["time"] < pd.to_datetime(LATER + 450 * MINUTE, utc=True)
    rows["anomaly"] = at.astype(int)
    rows.loc[at, "flow"] += 300.0
    rows.to_parquet("newer.parquet", index=False)
    Path("spans.yaml").write_text("- {series: m1, start: 2026-03-03T23:00:00Z, end: 2026-03-04T03:00:00Z}\n")
    alerted = narrows("recalibrate", "--data", "newer.parquet", "--dry-run", "--json").data
    labelled = narrows(
        "recalibrate", "--data", "newer.parquet", "--set", "input.label=anomaly", "--dry-run", "--json"
    ).data
    excluded = narrows("recalibrate", "--data", "newer.parquet", "--exclude", "spans.yaml", "--dry-run", "--json").data
    assert (alerted["verdict"], labelled["verdict"], excluded["verdict"]) == ("fine", "fine", "fine")
    assert alerted["data"]["frames"]["exceeding"] >= 45
    assert alerted["data"]["frames"]["incident"] >= 8
    assert labelled["data"]["frames"]["labelled"] == 50
    assert excluded["data"]["frames"]["excluded"] == 240
    assert excluded["data"]["excluded_spans"] == 1


def test_verdicts_that_replay_wrote_give_the_same_thresholds_as_the_readings(narrows: Narrows) -> None:
    data = newer(Plant(noise=0.57))
    narrows("replay", "--data", data, "--scores", "scores.parquet")
    by_readings, by_scores = (
        narrows("recalibrate", *source, "--dry-run", "--json").data
        for source in (("--data", data), ("--scores", "scores.parquet"))
    )
    assert by_scores["step"] == by_readings["step"]
    assert by_scores["data"]["frames"] == by_readings["data"]["frames"]
    assert by_scores["by_series"][0]["sensors"] == {}


def test_series_that_the_bundle_does_not_know_and_old_readings_are_left_out(narrows: Narrows) -> None:
    rows = Plant().rows(1, NEWER, LATER - 100 * MINUTE)
    rows = pd.concat([rows, rows[rows["series"] == "m0"].assign(series="new")])
    rows.to_parquet("newer.parquet", index=False)
    frames = narrows("recalibrate", "--data", "newer.parquet", "--dry-run", "--json").data["data"]["frames"]
    assert (frames["old"], frames["unknown_series"]) == (400, NEWER - 100)


def test_old_readings_alone_are_refused_with_the_numbers(narrows: Narrows, trained: Path) -> None:
    result = narrows("recalibrate", "--data", str(trained / "history.parquet"), "--json")
    assert (result.code, result.data["verdict"]) == (4, None)
    assert result.data["refused"][0].startswith("0 of 3 series have 50 blocks")
    assert result.data["data"]["frames"]["old"] == SERIES * HISTORY


def test_old_readings_under_new_times_are_refused_as_replayed(narrows: Narrows, trained: Path) -> None:
    rows = pd.read_parquet(trained / "history.parquet")
    rows.assign(time=rows["time"] + pd.Timedelta(HISTORY, "min")).to_parquet("newer.parquet", index=False)
    result = narrows("recalibrate", "--data", "newer.parquet", "--json")
    assert result.code == 4
    assert any("go the way of others to the bit: replayed" in reason for reason in result.data["refused"])


def test_an_amended_child_is_as_old_as_its_threshold(narrows: Narrows, registry: Registry) -> None:
    """Other rules confirm nothing; newer readings do, also where they move nothing."""
    narrows("models", "amend", "--set", "rules.top_sensors=2")
    amended = registry.manifest("pumps", CANDIDATE)
    assert amended.calibrated_at == registry.manifest("pumps", PRODUCTION).created_at
    narrows("recalibrate", "--data", newer(Plant()), "--bundle", CANDIDATE)
    confirmed = registry.manifest("pumps", CANDIDATE)
    assert (confirmed.parent, confirmed.calibrated_at) == (amended.version, "")
    assert confirmed.threshold == amended.threshold
    assert load(registry.folder("pumps", CANDIDATE))[1].promise.calibrated_at is not None


def test_feedback_on_alerts_that_nobody_knows_is_told_of(narrows: Narrows) -> None:
    Path("alerts.jsonl").write_text("")
    narrows("feedback", "give", "no-such-alert", "maintenance", "--file", "said.jsonl", "--unchecked")
    about = ("--feedback", "said.jsonl", "--alerts", "alerts.jsonl")
    result = narrows("recalibrate", "--data", newer(Plant()), *about, "--dry-run")
    assert result.code == 0
    assert "feedback on alerts that nobody knows: no-such-alert" in result.err


def test_what_is_asked_for_wrongly_says_what_to_do(narrows: Narrows) -> None:
    assert "give either --data or --scores" in narrows("recalibrate").err
    data = newer(Plant(), count=50)
    Path("spans.yaml").write_text("- {series: m1, start: yesterday}\n")
    wrong = narrows("recalibrate", "--data", data, "--exclude", "spans.yaml")
    assert wrong.code == 2
    assert "expected an ISO 8601 time" in wrong.err
    assert "expected a list of spans" in wrong.err
    for rubbish, fault in {
        "rubbish": "not a list; expected",
        "{a: [": "not YAML",
        "- {series: m1, start: 2026-03-12, end: 2026-03-11}": "entry 1: expected `end` after `start`",
        "- {serie: m1}": "entry 1: start: Field required",
    }.items():
        Path("spans.yaml").write_text(rubbish)
        wrong = narrows("recalibrate", "--data", data, "--exclude", "spans.yaml")
        assert (wrong.code, fault in wrong.err, "pydantic" in wrong.err) == (2, True, False), wrong.err
    assert "No such file" in narrows("recalibrate", "--data", data, "--exclude", "none.yaml").err
    alone = narrows("recalibrate", "--data", data, "--alerts", "alerts.jsonl")
    assert (alone.code, "add --feedback" in alone.err) == (2, True)
    no_verdicts = narrows("recalibrate", "--scores", data)
    assert no_verdicts.code == 1
    assert "expected verdicts, as `narrows replay --scores` writes them" in no_verdicts.err
    narrows("replay", "--data", data, "--scores", "scores.parquet")
    scores = pd.read_parquet("scores.parquet")
    scores.assign(score=scores["score"] * 1.01).to_parquet("others.parquet")
    assert "are not level / threshold of bundle" in narrows("recalibrate", "--scores", "others.parquet").err
