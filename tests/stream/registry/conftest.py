"""A registry in every kind of storage."""

from pathlib import Path

import pytest

from stream.registry.registry import Registry
from stream.storage.opening import Storage
from tests.stream.registry.registries import STORAGES


@pytest.fixture(params=STORAGES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """One storage of each kind."""
    return STORAGES[request.param](tmp_path)


@pytest.fixture
def registry(storage: Storage) -> Registry:
    """An empty registry there."""
    return Registry(storage)
