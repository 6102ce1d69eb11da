"""Settings that the bundle has otherwise are told, with the way to change them."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from stream.cli.reports.doctor import examine
from stream.detect.policy import Maintenance, Sentinels, ValidRange
from stream.registry.manifest import Manifest
from stream.settings.detection import RuleSettings
from stream.settings.overruled import overruled
from stream.settings.resolve import load
from tests.support.builders import a_definition, publish, write_bundle
from tests.support.commands import in_process
from training.revision.amend import RULES

FIXED = {
    "frames.max_gap": ("1h", "5s"),
    "frames.max_carry": ("9", "5"),
    "frames.restart_after": ("30", "20"),
    "frames.score_when": ("a > 1", ""),
    "frames.sentinels": ("{a: [-1]}", "{}"),
    "frames.maintenance": ("[{start: 2026-01-01T00:00:00Z, end: 2026-01-02T00:00:00Z}]", "[]"),
    "model.window": ("64", "4"),
    "model.kind": ("conv", "dense"),
    "rules.sensors": ("{a: {valid: [0, 9]}}", ""),
}
AMENDABLE = {"rules.close_after": ("10", "3"), "rules.update_every": ("2h", "1h"), "rules.top_sensors": ("2", "5")}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_bundle(tmp_path_factory.mktemp("bundle"), a_definition())


def told(manifest: Manifest, *overrides: str) -> Sequence[str]:
    return [str(one) for one in overruled(load(None, overrides, {}), manifest)]


@pytest.mark.parametrize("path", [*FIXED, *AMENDABLE])
def test_a_setting_that_the_bundle_has_otherwise_is_told_with_both_values(path: str, manifest: Manifest) -> None:
    ours, theirs = (FIXED | AMENDABLE)[path]
    (line,) = told(manifest, f"{path}={ours}")
    assert line.startswith(f"{path}: ")
    assert f"the bundle has {theirs}" in line
    assert ("models amend" in line) == (path in AMENDABLE)


def test_what_is_left_open_or_is_the_same_is_not_told(manifest: Manifest) -> None:
    assert told(manifest) == []
    assert told(manifest, "model.window=4", "rules.update_every=1h", "frames.max_gap=null", "train.seed=3") == []


def test_structured_settings_that_are_the_same_are_not_told(manifest: Manifest) -> None:
    settings = load(None, [f"{path}={FIXED[path][0]}" for path in ("frames.maintenance", "frames.sentinels")], {})
    (span,) = settings.frames.maintenance
    same = msgspec.structs.replace(
        manifest.policy,
        maintenance=(Maintenance("", span.start, span.end),),
        sentinels=(Sentinels("a", (-1.0,)),),
        valid=(ValidRange("a", 0.0, 9.0),),
    )
    same_bundle = msgspec.structs.replace(manifest, policy=same)
    assert overruled(settings, same_bundle) == ()
    assert told(same_bundle, "rules.sensors={a: {valid: [0, 9]}}") == []


def test_the_settings_that_can_be_amended_are_those_that_an_amendment_changes() -> None:
    assert set(RuleSettings.amendable) == {*RULES, "severity_rarity"}


def test_config_check_and_doctor_tell_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    definition = publish(tmp_path, a_definition())
    overrides = (f"registry={tmp_path}", f"detector={definition.detector}", "rules.close_after=10")
    arguments = [part for one in overrides for part in ("--set", one)]
    status, out, err = in_process(monkeypatch, capsys)("config", "check", *arguments)
    assert (status, out) == (0, "defaults: no faults\n")
    assert err.startswith("warning: rules.close_after: 10 is not in force, the bundle has 3; `narrows models amend")

    # The user's name is a fault, so that no broker is asked.
    results = examine(load(None, (*overrides, "kafka.username=me"), {}))
    (check,) = [result for result in results if result.check == "settings"]
    assert (check.outcome, "models amend" in check.do) == ("warning", True)
