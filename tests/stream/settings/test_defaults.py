"""A default stands in the section of its setting and nowhere else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from stream.detect.model.autoencoders import kind_of
from stream.settings import Settings
from stream.settings.describe import rows
from stream.settings.section import Section
from tests.conftest import ROOT
from tests.support import architecture as house
from training.defaults import GAP_STEPS, LATENT, SMOOTHING, WINDOW

NUMBERS = {"int": "number", "float": "number", "bool": "number"}
# Says that nothing was given.
NOTHING = {"None", "()", "UNSET", "msgspec.UNSET"}
# Of draws at random, which have no setting.
OTHER = {"seed"}


def sections(kind: type[Section]) -> Iterator[type[Section]]:
    yield kind
    for below in kind.__subclasses__():
        yield from sections(below)


def settings() -> dict[str, set[str]]:
    """The names of all settings with a default, and the types of these."""
    found: dict[str, set[str]] = {}
    kinds: list[type[BaseModel]] = [Settings, *sections(Section)]
    for section in kinds:
        for name, field in section.model_fields.items():
            if not field.is_required():
                default = field.get_default(call_default_factory=True)
                found.setdefault(name, set()).add(type_name(type(default).__name__))
                # A duration or a length that the data decide: an int where one is given.
                if default is None and field.annotation is not None and "int" in str(field.annotation):
                    found[name].add("number")
    return found


def type_name(name: str) -> str:
    return NUMBERS.get(name, name)


def second_defaults(found: list[house.Module]) -> list[str]:
    """Fields of classes outside the settings that are called like a setting and have a default of its type."""
    known = settings()
    return [
        module.at(field.lineno, f"{kind}.{name} has a default of its own")
        for module in found
        if not house.within(module.name, "stream.settings")
        for kind, name, field in defaults(module)
        if typed(field) in known.get(without_unit(name), ())
    ]


def defaults(module: house.Module) -> Iterator[tuple[str, str, ast.AnnAssign]]:
    """(class, field, its assignment) of the fields of a module's classes that have a default."""
    for kind in (node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)):
        for field in kind.body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.value is not None:
                name = field.target.id
                if ast.unparse(field.value) not in NOTHING and name not in OTHER:
                    yield kind.name, name, field


def without_unit(name: str) -> str:
    for unit in ("_ns", "_ms", "_s"):
        name = name.removesuffix(unit)
    return name


def typed(field: ast.AnnAssign) -> str:
    """The type of a default; that of the annotation where the default is worked out."""
    assert field.value is not None
    try:
        return type_name(type(ast.literal_eval(field.value)).__name__)
    except ValueError:
        said = ast.unparse(field.annotation)
        return "str" if said.startswith("Literal") else type_name(said.partition(" ")[0].partition("[")[0])


def test_no_default_is_written_twice() -> None:
    broken = second_defaults(house.modules(ROOT, *house.PRODUCT))
    if broken:
        pytest.fail("\n".join(broken), pytrace=False)


@pytest.mark.parametrize(
    ("field", "is_second"),
    [
        ("dropout: float = 0.1", True),
        ("dropout: float", False),
        ("update_every_ns: int = 3600 * SECOND", True),
        ("stale_after_s: float | None = 600.0", True),
        ("stale_after_s: float | None = None", False),
        ("error_span: Literal['newest', 'window'] = 'newest'", True),
        ("min_absolute: float = 0.0", True),
        ("strict: bool = True", True),
        ("sensors: tuple[str, ...] = ()", False),
        ("alerts: int = 0", False),
    ],
)
def test_a_second_default_is_found(field: str, is_second: bool, tmp_path: Path) -> None:
    """A count may be called like a topic: their types differ."""
    file = tmp_path / "training" / "a.py"
    file.parent.mkdir()
    file.write_text(f"class Options:\n    {field}\n")
    assert bool(second_defaults(house.modules(tmp_path, *house.PRODUCT))) == is_second


LEFT_OPEN = {
    "model.window": f"null: {WINDOW}, ",
    "model.smoothing": f"null: {SMOOTHING}, ",
    "model.latent": f"null: {LATENT}, ",
    "model.hidden": f"null: {kind_of('dense').usual_hidden} (conv: {kind_of('conv').usual_hidden}); ",
    "frames.max_gap": f"null: {GAP_STEPS} usual steps.",
}


@pytest.mark.parametrize("path", LEFT_OPEN)
def test_the_table_says_what_training_takes_for_a_setting_that_is_left_open(path: str) -> None:
    (effect,) = (row.effect for row in rows() if row.path == path)
    assert LEFT_OPEN[path] in effect
