"""The word of the doctor on the gate: a model in alarm on its own newest data is a warning."""

from pathlib import Path

import msgspec

from stream.cli.reports.doctor import _gate
from stream.registry.manifest_facts import Criterion, GateFacts, MetricFacts
from tests.support.builders import a_definition, write_bundle


def test_a_model_in_alarm_at_the_end_of_its_own_history_is_a_warning(tmp_path: Path) -> None:
    manifest = write_bundle(tmp_path / "bundle", a_definition())
    assert _gate(manifest).outcome == "ok"
    changed = Criterion("drift", "not judged", 0.78, 0.1, "the machine changed: 'press' on 12 March")
    alarm = Criterion("time in alarm", "not judged", 0.5, 0.1, "50% of the frames")
    few = Criterion("promise", "not judged", 3.0, 2.0, "3 incidents")
    metrics = MetricFacts(gate=GateFacts(verdict="not judged", criteria=(few, alarm, changed)))
    told = _gate(msgspec.structs.replace(manifest, metrics=metrics))
    assert told.outcome == "warning"
    assert "drift: the machine changed: 'press'" in told.seen
    assert "3 incidents" not in told.seen, "which chance may bring"
