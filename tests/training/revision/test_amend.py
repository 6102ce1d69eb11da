"""Amendment: a child version with other rules or thresholds, and what it shares with its parent."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from stream.cli.options.training import AMENDABLE, NOT_AMENDABLE, amendment_from
from stream.errors import BundleError, ConfigError
from stream.registry.bundle import CALIBRATION, FILES, WEIGHTS, load, write_child
from stream.registry.registry import CANDIDATE, PRODUCTION, Registry
from stream.registry.series_table import SERIES
from stream.settings import load as load_settings
from stream.settings.detection import RuleSettings, SensorRuleSettings, ThresholdSettings
from tests.support.builders import a_definition, publish
from tests.support.options import changed
from tests.support.small_training import a_history, made
from training.pipeline import TrainingRun
from training.revision.amend import AmendedBundle, Amendment, amend
from training.revision.child import promise_of

LATER = datetime(2040, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def pumps() -> pd.DataFrame:
    return a_history()


@pytest.fixture(scope="module", params=[70.0, 1.0])
def trained(
    request: pytest.FixtureRequest, pumps: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> TrainingRun:
    """Bundles with a budget that the data support, and with one that they do not."""
    options = ThresholdSettings(method="budget", alerts_per_week=request.param, learn=False)
    return made(tmp_path_factory.mktemp("trained"), pumps, threshold=options)


def amended(trained: TrainingRun, *settings: str, reference: str | None = None) -> AmendedBundle:
    """A child of the bundle, by settings as of `--set`."""
    registry = Registry(trained.folder.parents[2])
    changes = amendment_from(load_settings(None, settings, {}), settings)
    return amend(registry, "pumps", reference or trained.folder.name, changes, "a test", LATER)


def test_the_same_budget_gives_the_threshold_that_was_trained_to_the_bit(trained: TrainingRun) -> None:
    """The changed rule decides no incident. Everything else is computed again, and equal."""
    child = amended(trained, "rules.top_sensors=2")
    assert child.manifest.threshold_q == trained.manifest.threshold_q
    assert child.manifest.threshold == trained.manifest.threshold
    before, after = load(trained.folder)[1], load(child.folder)[1]
    for name in (*before.scales.names, "never seen"):
        assert after.thresholds.of(name) == before.thresholds.of(name)
    assert after.rules == msgspec.structs.replace(before.rules, top_sensors=2)


def test_another_budget_gives_the_threshold_that_training_for_it_gives(
    trained: TrainingRun, pumps: pd.DataFrame, tmp_path: Path
) -> None:
    options = ThresholdSettings(method="budget", alerts_per_week=3.0, learn=False)
    expected = made(tmp_path, pumps, threshold=options)
    child = amended(trained, "threshold.alerts_per_week=3")
    assert child.manifest.threshold_q == expected.manifest.threshold_q != trained.manifest.threshold_q
    assert child.manifest.threshold == expected.manifest.threshold
    assert child.manifest.rules == expected.manifest.rules, "severities follow, by the rarity that training was given"
    assert set(child.manifest.amended) == {"threshold.alerts_per_week"}, "which is no change of a setting"


def test_rules_that_end_incidents_sooner_give_the_threshold_that_training_with_them_gives(
    trained: TrainingRun, pumps: pd.DataFrame, tmp_path: Path
) -> None:
    """The promise counts incidents: if they end sooner there are more of them, and the threshold is larger."""
    options = ThresholdSettings(alerts_per_week=promise_of(trained.manifest).alerts_per_week, learn=False)
    expected = made(tmp_path, pumps, threshold=options, rules=RuleSettings(close_after=1))
    child = amended(trained, "rules.close_after=1")
    assert child.manifest.rules == expected.manifest.rules
    assert child.manifest.threshold == expected.manifest.threshold
    assert child.manifest.threshold_q >= trained.manifest.threshold_q


def test_what_sensor_rules_vetoed_is_vetoed_in_the_child_as_in_training(pumps: pd.DataFrame, tmp_path: Path) -> None:
    sensors = {name: SensorRuleSettings(min_absolute=1e9) for name in pumps.columns[2:]}
    ruled = RuleSettings(close_after=4, sensors=sensors)
    options = ThresholdSettings(method="budget", alerts_per_week=35.0, learn=False)
    trained = made(tmp_path / "trained", pumps, threshold=options, rules=ruled)
    expected = made(tmp_path / "expected", pumps, threshold=options, rules=changed(ruled, close_after=1))
    child = amended(trained, "rules.close_after=1")
    assert child.manifest.rules == expected.manifest.rules
    assert child.manifest.threshold == expected.manifest.threshold
    unruled = made(tmp_path / "unruled", pumps, threshold=options, rules=RuleSettings(close_after=1))
    assert child.manifest.threshold_q != unruled.manifest.threshold_q, "the rules must matter here"


def test_a_child_has_the_files_of_its_parent_and_says_what_was_amended(trained: TrainingRun) -> None:
    child = amended(trained, "rules.close_after=40", "rules.update_every=90s", "threshold.alerts_per_week=33")
    m, parent = child.manifest, trained.manifest
    assert (m.version[:17], m.created_at, m.parent) == ("20400101T000000Z-", "2040-01-01T00:00:00Z", parent.version)
    for name in FILES:
        assert (child.folder / name).read_bytes() == (trained.folder / name).read_bytes()
    assert {name: (change.before, change.after) for name, change in m.amended.items()} == {
        "rules.close_after": (9, 40),
        "rules.update_every_ns": (3600 * 10**9, 90 * 10**9),
        "threshold.alerts_per_week": (parent.threshold.promised, 33.0),
    }
    assert (m.rules.close_after, m.rules.close_ratio) == (40, parent.rules.close_ratio)
    assert m.threshold.promised == 33.0
    assert {name: getattr(m.metrics, name) for name in ("fit_loss", "stop_loss", "code_kl")} == {
        name: getattr(parent.metrics, name) for name in ("fit_loss", "stop_loss", "code_kl")
    }
    gate = m.metrics.gate
    assert (gate.verdict, gate.criteria) == (parent.metrics.gate.verdict, parent.metrics.gate.criteria)
    assert gate.note == f"{parent.version} was judged, with its own threshold"
    assert gate.share_above is msgspec.UNSET, "the gate saw another threshold"
    assert (m.model, m.policy, m.sensors, m.seeds, m.error_spread, m.data) == (
        parent.model,
        parent.policy,
        parent.sensors,
        parent.seeds,
        parent.error_spread,
        parent.data,
    )


def test_a_child_becomes_candidate_and_the_history_says_why(trained: TrainingRun) -> None:
    registry = Registry(trained.folder.parents[2])
    child = amended(trained, "rules.close_ratio=0.5")
    assert registry.alias("pumps", CANDIDATE) == child.manifest.version
    assert registry.alias("pumps", PRODUCTION) == trained.manifest.version
    last = registry.history("pumps")[-1]
    assert (last.alias, last.after, last.action, last.reason) == (CANDIDATE, child.manifest.version, "amend", "a test")


def test_a_child_can_be_amended_in_its_turn_and_back(trained: TrainingRun) -> None:
    there = amended(trained, "threshold.alerts_per_week=44")
    promised = trained.manifest.threshold.promised
    back = amended(trained, f"threshold.alerts_per_week={promised}", reference=there.manifest.version)
    assert back.manifest.parent == there.manifest.version
    assert back.manifest.threshold == trained.manifest.threshold


def test_a_budget_can_become_a_percentile_and_only_the_promise_in_force_can_be_set(trained: TrainingRun) -> None:
    child = amended(trained, "threshold.method=percentile", "threshold.percentile=97")
    assert (child.manifest.threshold.method, child.manifest.threshold.promised) == ("percentile", 97.0)
    assert child.manifest.amended["threshold.percentile"].before is None
    with pytest.raises(ConfigError, match=r"threshold.percentile has no effect where threshold.method is budget; add"):
        amended(trained, "threshold.percentile=97")
    with pytest.raises(ConfigError, match=r"alerts_per_week has no effect .* is percentile; add --set threshold.metho"):
        amended(trained, "threshold.alerts_per_week=2", reference=child.manifest.version)


def test_thresholds_that_learn_are_amended_there_and_back_and_to_a_percentile(
    pumps: pd.DataFrame, tmp_path: Path
) -> None:
    """The stored levels stay relative to the trained scales."""
    trained = made(tmp_path, pumps, threshold=ThresholdSettings(alerts_per_week=10.0))
    there = amended(trained, "threshold.alerts_per_week=200")
    assert there.manifest.learning is not None
    assert trained.manifest.learning is not None
    assert there.manifest.learning.share > trained.manifest.learning.share
    back = amended(trained, "threshold.alerts_per_week=10", reference=there.manifest.version)
    before, after, lower = (load(one.folder)[1].thresholds for one in (trained, back, there))
    assert back.manifest.learning == trained.manifest.learning
    assert back.manifest.threshold.implied_per_week == pytest.approx(trained.manifest.threshold.implied_per_week)
    for name in (*before.names[:-1], "never seen"):
        assert after.of(name) == pytest.approx(before.of(name))
        assert lower.of(name) < before.of(name)
    fixed = amended(trained, "threshold.method=percentile", "threshold.percentile=97", reference=there.manifest.version)
    assert fixed.manifest.learning is None
    _, definition = load(fixed.folder)
    assert definition.thresholds.usual is None
    assert definition.thresholds.scale.tolist() == before.scale.tolist()


def test_a_rule_that_is_left_open_is_chosen_as_training_does(trained: TrainingRun) -> None:
    closed = amended(trained, "rules.close_after=40")
    opened = amended(trained, "rules.close_after=null", reference=closed.manifest.version)
    assert opened.manifest.rules.close_after == trained.manifest.rules.close_after


def test_values_that_are_those_of_the_parent_make_no_child(trained: TrainingRun) -> None:
    registry = Registry(trained.folder.parents[2])
    before = registry.versions("pumps")
    with pytest.raises(ConfigError, match=f"{trained.manifest.version} has all of these values already; set one"):
        amended(trained, "rules.close_after=9", f"threshold.alerts_per_week={trained.manifest.threshold.promised}")
    assert registry.versions("pumps") == before


def test_what_an_amendment_cannot_change_is_refused_all_at_once_with_the_reasons() -> None:
    overrides = ["rules.close_after=4", "input.sensors=[a]", "frames.clip=3", "model.window=8", "kafka.group=g"]
    overrides += ["rules.sensors={pressure: {direction: above}}"]
    with pytest.raises(ConfigError, match="models amend: cannot change") as caught:
        amendment_from(load_settings(None, overrides, {}), overrides)
    _, *faults = str(caught.value).split("\n  ")
    assert [fault.partition(":")[0] for fault in faults] == [
        "input.sensors",
        "frames.clip",
        "model.window",
        "rules.sensors",
        "kafka.group",
    ]
    assert "those of its weights" in faults[0]
    assert "made of frames under this policy" in faults[1]
    assert "the weights have this shape" in faults[2]
    assert "not by how much sensors deviated" in faults[3]
    assert "set it in the configuration" in faults[4]


def test_only_what_set_says_is_wanted_and_not_what_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "narrows.yaml"
    file.write_text("rules: {close_after: 99, close_ratio: 0.5}\nthreshold: {alerts_per_week: 5}\nmodel: {window: 8}\n")
    given = ["rules={close_after: 40}", "rules.max_duration=1h", "registry=elsewhere", "detector=pumps"]
    changes = amendment_from(load_settings(file, given, {"NARROWS_RULES__TOP_SENSORS": "3"}), given)
    assert changes.names == {"rules.close_after", "rules.max_duration"}
    assert (changes.rules.close_after, changes.rules.max_duration) == (40, 3600 * 10**9)
    with pytest.raises(ConfigError, match=r"nothing to change; give --set with one of rules\.close_after, "):
        amendment_from(load_settings(file, ["detector=pumps"], {}), ["detector=pumps"])


def test_each_rule_and_threshold_of_the_configuration_can_be_amended_or_it_is_said_why_not() -> None:
    settings = load_settings(None, (), {})
    sections = {"rules": settings.rules, "threshold": settings.threshold}
    known = {f"{name}.{field}" for name, section in sections.items() for field in type(section).model_fields}
    assert set(AMENDABLE) | {path for path in NOT_AMENDABLE if "." in path} == known


NINE = Amendment(RuleSettings(close_after=9), ThresholdSettings(), frozenset({"rules.close_after"}))


def test_a_bundle_that_does_not_say_what_it_promised_is_refused(tmp_path: Path) -> None:
    publish(tmp_path, a_definition())
    with pytest.raises(BundleError, match=r"does not say threshold\.method, .*; train again"):
        amend(Registry(tmp_path), "test", PRODUCTION, NINE)


def test_an_altered_parent_has_no_child(pumps: pd.DataFrame, tmp_path: Path) -> None:
    trained = made(tmp_path, pumps)
    (trained.folder / CALIBRATION).write_bytes((trained.folder / SERIES).read_bytes())
    with pytest.raises(BundleError, match="bytes, manifest says"):
        amended(trained, "rules.close_after=40")
    assert Registry(tmp_path / "registry").versions("pumps") == [trained.manifest.version]
    assert (trained.folder / WEIGHTS).exists()


def test_edges_that_are_given_win_until_they_are_taken_back(trained: TrainingRun) -> None:
    given = amended(trained, "rules.severity_edges=[3, 4, 5]")
    assert given.manifest.rules.severity_edges == (3.0, 4.0, 5.0)
    assert {name: (change.before, change.after) for name, change in given.manifest.amended.items()} == {
        "rules.severity_edges": (None, [3.0, 4.0, 5.0]),
        "rules.severity_rarity": ([10.0, 100.0, 1000.0], None),
    }
    stays = amended(trained, "threshold.alerts_per_week=31", reference=given.manifest.version)
    assert stays.manifest.rules.severity_edges == (3.0, 4.0, 5.0)
    back = amended(trained, "rules.severity_edges=null", reference=given.manifest.version)
    assert back.manifest.rules.severity_edges == trained.manifest.rules.severity_edges


def test_another_rarity_gives_other_edges(trained: TrainingRun) -> None:
    child = amended(trained, "rules.severity_rarity=[1e3, 1e6, 1e9]")
    severity = child.manifest.threshold.severity
    assert severity is not None
    assert (severity.rarity, severity.edges) == ((1e3, 1e6, 1e9), child.manifest.rules.severity_edges)
    assert severity.edges > trained.manifest.rules.severity_edges


def test_a_bundle_of_an_earlier_version_keeps_its_edges(trained: TrainingRun, tmp_path: Path) -> None:
    """It had 2, 5 and 20 as the default, and says nothing of a rarity."""
    registry = Registry(tmp_path)
    old = msgspec.structs.replace(
        trained.manifest,
        rules=msgspec.structs.replace(trained.manifest.rules, severity_edges=(2.0, 5.0, 20.0)),
        threshold=msgspec.structs.replace(trained.manifest.threshold, severity=None),
    )
    folder = registry.publish("pumps", lambda scratch: write_child(scratch, trained.folder, old, None))
    changes = amendment_from(load_settings(None, given := ("threshold.alerts_per_week=32",), {}), given)
    child = amend(registry, "pumps", folder.name, changes, "a test", LATER).manifest
    assert child.rules.severity_edges == (2.0, 5.0, 20.0)
    assert set(child.amended) == {"threshold.alerts_per_week"}
