"""Descriptions of the configuration: a Markdown table, a JSON Schema for editors, the values in force."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from stream.settings.section import Half, Section, section_of
from stream.settings.tree import Settings

JsonSchema = dict[str, Any]
_NAMES = {
    "integer": "integer",
    "number": "number",
    "string": "text",
    "boolean": "true, false",
    "duration": "duration",
    "size": "size",
    "date-time": "time",
    "path or URI": "path or URI",
    "password": "secret text",
}


class Row(NamedTuple):
    """One setting, in words."""

    path: str
    type: str
    default: str
    acts: Half
    effect: str


def rows(model: type[Settings] | type[Section] = Settings, above: str = "") -> Iterator[Row]:
    """All settings in order."""
    whole = model.model_json_schema()
    for name, field in model.model_fields.items():
        section = section_of(field)
        if section is not None:
            yield from rows(section, f"{above}{name}.")
        else:
            schema = whole["properties"][name]
            default = model.model_construct().model_dump(mode="json").get(name)
            half = model.acts_apart.get(name, model.acts)
            yield Row(f"{above}{name}", _type(schema), _literal(default), half, field.description or "")


def markdown_table() -> str:
    """The table of all settings."""
    lines = ["| setting | type, range | default | acts at | effect |", "|---|---|---|---|---|"]
    for row in rows():
        kind, effect = (text.replace("|", "\\|") for text in (row.type, row.effect))
        lines.append(f"| `{row.path}` | {kind} | `{row.default}` | {row.acts} | {effect} |")
    return "\n".join(lines)


def json_schema() -> JsonSchema:
    """JSON Schema of the YAML file, for editors."""
    schema = Settings.model_json_schema()
    _set_defaults(Settings, schema, schema["$defs"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def _set_defaults(model: type[Settings] | type[Section], schema: JsonSchema, definitions: JsonSchema) -> None:
    # Defaults are written as people do, `1h`; the tree holds ns.
    defaults = model.model_construct().model_dump(mode="json")
    for name, field in model.model_fields.items():
        section = section_of(field)
        if section is not None:
            _set_defaults(section, definitions[section.__name__], definitions)
        elif not field.is_required():
            schema["properties"][name]["default"] = defaults[name]


def values(settings: Settings) -> dict[str, Any]:
    """The values in force as JSON types, secrets masked."""
    return settings.model_dump(mode="json")


def as_yaml(settings: Settings) -> str:
    """The values in force as a configuration file, secrets masked."""
    return yaml.safe_dump(values(settings), sort_keys=False, allow_unicode=True, width=120)


def _literal(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


def _type(schema: JsonSchema) -> str:
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    nullable = any(option.get("type") == "null" for option in schema.get("anyOf", ()))
    return " or ".join([_one_type(option) for option in options] + ["null"] * nullable)


def _one_type(schema: JsonSchema) -> str:
    if "enum" in schema:
        return ", ".join(schema["enum"])
    if "oneOf" in schema:
        return "list or mapping"
    if schema.get("format") in _NAMES:
        return _NAMES[schema["format"]]
    if schema["type"] in ("array", "object"):
        return "list" if schema["type"] == "array" else "mapping"
    return f"{_NAMES[schema['type']]}{_range(schema)}"


def _range(schema: JsonSchema) -> str:
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = [f"{sign} {schema[name]}" for name, sign in bounds.items() if name in schema]
    return f" {', '.join(limits)}" if limits else ""
