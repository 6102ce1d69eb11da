"""Writes the JSON Schemas into this folder: `python -m deploy.schemas`, after a change of a record."""

import json
from pathlib import Path

from stream.events.alert import alert_schema
from stream.events.people.feedback import feedback_schema
from stream.events.people.mute import mute_schema
from stream.events.status import status_schema

SCHEMAS = {"alert": alert_schema, "feedback": feedback_schema, "mute": mute_schema, "status": status_schema}


def text_of(name: str) -> str:
    """The text of a schema file."""
    return json.dumps(SCHEMAS[name](), indent=2) + "\n"


if __name__ == "__main__":
    for schema in SCHEMAS:
        (Path(__file__).parent / f"{schema}.v1.schema.json").write_text(text_of(schema))
