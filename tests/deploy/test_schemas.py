"""The committed JSON Schemas are those of the records."""

import pytest

from deploy.schemas.__main__ import SCHEMAS, text_of
from tests.conftest import ROOT


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_committed_schema_is_the_one_that_its_record_gives(name: str) -> None:
    committed = (ROOT / "deploy" / "schemas" / f"{name}.v1.schema.json").read_text()
    assert committed == text_of(name), "a record has changed; if that keeps the contract: python -m deploy.schemas"
