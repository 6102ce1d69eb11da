"""The configuration described: what is shown loads again, the schema fits, the README has the table."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from stream.settings import Settings, load
from stream.settings.describe import as_yaml, json_schema, markdown_table, rows, values
from tests.conftest import ROOT

README = ROOT / "README.md"


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
    mappings = ("input.sensors", "rules.sensors", "kafka.options")
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


def test_the_configuration_table_of_the_readme_is_the_generated_one() -> None:
    """`narrows config table` prints it."""
    readme = README.read_text("utf-8")
    begin, end = "<!-- config table -->", "<!-- /config table -->"
    assert readme.count(begin) == readme.count(end) == 1, f"README.md needs one {begin} and one {end}"
    assert readme.partition(begin)[2].partition(end)[0].strip() == markdown_table()
