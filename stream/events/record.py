"""Parts of every published record: version, times, JSON, headers, JSON Schema.

Within a schema version, fields are only added: none is renamed, removed or given another type.
"""

import inspect
from typing import Any

import msgspec
import numpy as np

SCHEMA_VERSION = 1
Headers = list[tuple[str, bytes]]
JsonSchema = dict[str, Any]


def rfc3339(ns: int) -> str:
    """Time as RFC 3339 in UTC, with 0, 3, 6 or 9 decimals, as few as it needs; `ns` since 1970."""
    whole, fraction = str(np.datetime64(ns, "ns")).split(".")
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


def encode(record: msgspec.Struct) -> bytes:
    """Record as JSON. Records hold no NaN and no infinity."""
    return msgspec.json.encode(record)


def schema_of(record: type[msgspec.Struct], name: str) -> JsonSchema:
    """JSON Schema (2020-12) of a published record; `name`: that of its schema file."""
    definitions, reference = definitions_of(record)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"narrows/{name}.v{SCHEMA_VERSION}.schema.json",
        **reference,
        "$defs": definitions,
    }


def definitions_of(record: type[msgspec.Struct]) -> tuple[JsonSchema, dict[str, str]]:
    """JSON Schema of a struct and of those it refers to, by name; and the reference to its own."""
    (reference,), definitions = msgspec.json.schema_components((record,), ref_template="#/$defs/{name}")
    for definition in definitions.values():
        # Python before 3.13 keeps the indentation of docstrings: the schema must not depend on the version.
        definition["description"] = inspect.cleandoc(definition.get("description", ""))
    return definitions, reference
