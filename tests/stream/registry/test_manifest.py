"""The manifest: files of earlier versions are read completely, and a missing fact is no error."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream.errors import BundleError, GateError
from stream.registry.manifest import Manifest, parse_manifest
from stream.registry.manifest_facts import Criterion, GateFacts
from training.revision.child import promise_of

# Written by the version before facts were typed: a bundle amended, then recalibrated. Lists are cut short.
EARLIER = Path(__file__).with_name("manifest_of_format_2.json")
FACTS = ("threshold", "data", "metrics", "recalibrated")


def earlier() -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(EARLIER.read_text())
    assert "sentinels" not in tree["policy"]
    return tree


def written(tree: dict[str, Any]) -> dict[str, Any]:
    """The same as this version writes it: with the settings that came later, at the values of then."""
    policy, model = (
        tree["policy"] | {"sentinels": [], "beyond_clip": "cut", "restart_after": 20},
        tree["model"] | {"clip": None},
    )
    return tree | {"policy": policy, "model": model, "views": None, "paths": None, "learning": None}


def parsed(tree: dict[str, Any]) -> Manifest:
    return parse_manifest(json.dumps(tree).encode(), "manifest.json")


def test_a_manifest_from_before_facts_were_typed_is_read_and_written_without_a_difference() -> None:
    """Keys, values and their order: the hash in the version's name covers them."""
    manifest = parsed(earlier())
    assert json.dumps(json.loads(msgspec.json.encode(manifest))) == json.dumps(written(earlier()))


def test_a_criterion_that_counts_keeps_its_whole_numbers() -> None:
    """Incidents beside production and dimensions of a code are counts: 3 must not become 3.0."""
    tree = earlier()
    tree["metrics"]["gate"]["criteria"][1] |= {"measured": 3, "limit": 4}
    assert json.dumps(json.loads(msgspec.json.encode(parsed(tree)))) == json.dumps(written(tree))


def test_every_fact_of_an_earlier_manifest_has_a_field() -> None:
    manifest = parsed(earlier())
    assert (manifest.threshold.method, manifest.threshold.promised, manifest.threshold.rate) == ("budget", 1.0, 1.0)
    assert manifest.threshold_report.q == manifest.threshold_q
    assert (manifest.data.start, manifest.data.end) == ("2023-11-14T22:13:20Z", "2023-11-15T18:12:20Z")
    assert manifest.data.feedback is not None
    assert manifest.data.feedback.false.alerts == 2
    assert [one.verdict for one in manifest.metrics.gate.criteria] == ["not judged", "passed"]
    assert manifest.metrics.capacity is not None
    assert manifest.metrics.capacity.verdict == "fine"
    assert list(manifest.metrics.capacity.kinds) == ["spike", "freeze"]
    assert manifest.recalibrated.data is not None
    assert manifest.recalibrated.data.frames["used"] > 0
    assert isinstance(manifest.recalibrated.drift, msgspec.Struct)
    assert msgspec.to_builtins(manifest.recalibrated) == earlier()["recalibrated"]


def test_a_manifest_without_any_fact_is_read_and_keeps_its_shape() -> None:
    """The first bundles of this format lack facts; tools say which one is missing."""
    bare = earlier() | {key: {} for key in FACTS}
    manifest = parsed(bare)
    assert json.loads(msgspec.json.encode(manifest)) == written(bare)
    assert manifest.threshold.alerts_per_week is None
    assert (manifest.metrics.gate.refused, manifest.metrics.gate.refusals) == (False, [])
    with pytest.raises(BundleError, match=r"does not say threshold\.method, .*; train again"):
        promise_of(manifest)


def test_a_fact_that_is_none_of_its_kind_is_refused_with_its_place() -> None:
    strange = earlier()
    strange["metrics"]["gate"]["criteria"][1]["verdict"] = "perhaps"
    with pytest.raises(BundleError, match=r"Invalid enum value 'perhaps' .*metrics\.gate\.criteria\[.*train again"):
        parsed(strange)


def test_facts_that_a_later_version_adds_are_no_fault() -> None:
    """No score depends on facts."""
    later = earlier()
    later["threshold"]["of a later version"] = later["data"]["of a later version"] = 1
    assert parsed(later) == parsed(earlier())


def test_a_refused_version_is_named_with_each_criterion_that_refused_it() -> None:
    gate = GateFacts(
        verdict="refused",
        criteria=(
            Criterion("too weak", "refused", 0.0, 0.1, "explains nothing"),
            Criterion("promise", "passed", 1.0, 2.0, "1 incident"),
        ),
    )
    with pytest.raises(GateError, match=r"^the gate refused v1: too weak: explains nothing; train again$"):
        gate.require("v1", "train again")
    assert gate.forced("Ann") == "forced past the gate (too weak): Ann"
    GateFacts(verdict="passed").require("v1", "train again")
