"""Names of assets are told from names of rows, of other things, and of quantities."""

import pytest

from stream.intake.tables.identifiers import is_identifier, preference


@pytest.mark.parametrize(
    "name",
    [
        "device_id",
        "DeviceID",
        "WTG",
        "unit_number",
        "Machine No",
        "unit",
        "turbineName",
        "asset",
        "pump_id",
        "who.device_id",
    ],
)
def test_a_name_of_assets_has_a_rank(name: str) -> None:
    assert preference(name) is not None
    assert is_identifier(name)


@pytest.mark.parametrize("name", ["recipe_id", "", "Unnamed: 0", "__index_level_0__", "orderId"])
def test_a_name_of_other_things_is_an_identifier_without_a_rank(name: str) -> None:
    assert preference(name) is None
    assert is_identifier(name)


@pytest.mark.parametrize("name", ["pump", "motor", "engine speed", "idle", "humid", "unit_price", "grid", "pressure"])
def test_a_name_of_a_quantity_is_no_identifier(name: str) -> None:
    assert not is_identifier(name)


def test_the_likelier_name_of_a_series_comes_first() -> None:
    ranked = ["series", "device", "machine_id", "entity", "unit_number"]
    assert sorted(set(ranked), key=lambda name: preference(name) or 0) == ranked
