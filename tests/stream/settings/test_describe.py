"""The configuration described: what is shown loads again, the schema fits, the README of the settings has the table."""

from pathlib import Path
from types import MethodType
from typing import Any

import jsonschema
import pytest
import yaml

from stream.cli.options.training import train_options
from stream.serve.compose import decoder
from stream.serve.connection import kafka_options
from stream.settings import Settings, load
from stream.settings.data import InputSettings
from stream.settings.describe import as_yaml, json_schema, markdown_table, rows, values
from stream.settings.kafka import KafkaSettings
from stream.settings.serve import ServeSettings
from tests.conftest import ROOT
from tests.support.builders import a_definition

README = ROOT / "stream" / "settings" / "README.md"


def written(folder: Path, text: str) -> Path:
    path = folder / "narrows.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_shown_loads_again_to_the_same_settings(tmp_path: Path) -> None:
    overrides = [
        "detector=pumps",
        "frames.grace=1500ms",
        "input.max_bytes=3MB",
        "frames.maintenance=[{series: p1, start: 2026-01-01T00:00:00.5Z, end: 2026-02-01}]",
        "input.sensors=[on, '12', 'a: b']",
        "frames.sentinels={flow: [-9999, 1e20], 'a.b': []}",
        "rules.sensors={flow: {direction: below, min_absolute: 2, valid: [0, null]}, 'a.b': {min_relative: 0.1}}",
    ]
    settings = load(None, overrides, {})
    assert load(written(tmp_path, as_yaml(settings)), (), {}) == settings


def test_the_schema_accepts_what_is_shown_and_the_defaults_in_it_are_as_written() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    shown = yaml.safe_load(as_yaml(load(None, ["frames.grace=2s"], {})))
    jsonschema.validate(shown, schema)
    assert schema["$defs"]["RuleSettings"]["properties"]["max_duration"]["default"] == "7d"
    with pytest.raises(jsonschema.ValidationError, match="'tiem' was unexpected"):
        jsonschema.validate({"input": {"tiem": "x"}}, schema)


def leaves(tree: dict[str, Any], above: str = "") -> list[str]:
    mappings = ("input.sensors", "frames.sentinels", "rules.sensors", "kafka.options")
    found = []
    for name, below in tree.items():
        path = f"{above}{name}"
        found += leaves(below, f"{path}.") if isinstance(below, dict) and path not in mappings else [path]
    return found


def test_the_table_has_a_row_with_an_effect_for_every_setting() -> None:
    described = list(rows())
    assert [row.path for row in described] == leaves(values(Settings()))
    assert all(row.effect.endswith(".") and len(row.type) > 2 for row in described)
    by_path = {row.path: row for row in described}
    assert by_path["serve.poll"][1:3] == ("duration", "5ms")
    assert by_path["model.hidden"][1:3] == ("integer >= 1 or null", "null")
    assert by_path["model.dropout"][1:3] == ("number >= 0, < 1", "0.3")


def test_the_readme_of_the_settings_has_the_generated_table() -> None:
    """`narrows config table` prints it."""
    _, head, table = README.read_text("utf-8").partition("| setting | ")
    assert head + table == markdown_table() + "\n"


class Recorder:
    """Stands for a part of the settings and notes which of them are read, by their paths."""

    def __init__(self, part: object, found: set[str], path: str = "") -> None:
        self._part, self._found, self._path = part, found, path

    def __getattr__(self, name: str) -> object:
        own = getattr(type(self._part), name, None)
        if isinstance(own, property):
            assert own.fget is not None
            return own.fget(self)
        if callable(own):
            return MethodType(own, self)
        path, value = f"{self._path}{name}", getattr(self._part, name)
        if isinstance(value, InputSettings | KafkaSettings | ServeSettings):
            return Recorder(value, self._found, f"{path}.")
        self._found.add(path)
        return value


def test_a_setting_acts_at_the_half_that_reads_it() -> None:
    """Each half reads what the table says it reads, and none of what acts at the other alone."""
    at_training, at_run = set[str](), set[str]()
    train_options(Recorder(Settings(), at_training), Path("data"))  # type: ignore[arg-type]
    recorder: Any = Recorder(Settings(), at_run)
    kafka_options(recorder)
    decoder(recorder, a_definition())
    acts = {row.path: row.acts for row in rows()}
    sections = {path.partition(".")[0] for path in at_training if path not in acts}
    assert sections == {"frames", "model", "rules", "threshold", "recalibrate", "train"}, (
        "training is given these whole"
    )
    at_training = {path for path in acts if path in at_training or path.partition(".")[0] in sections}
    for path in at_training | at_run:
        expected = "both" if path in at_training & at_run else "training" if path in at_training else "run"
        assert acts[path] == expected or path == "registry", path
    assert {path for path, half in acts.items() if half == "both"} == {"registry", *(at_training & at_run)}
