"""The three sources of settings, each as a tree: the YAML file, the environment, `--set`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource
from pydantic_settings.sources.utils import parse_env_vars

from stream.errors import ConfigError
from stream.settings.section import section_of
from stream.settings.tree import Settings

ENV_PREFIX = "NARROWS_"
# Never part of the name of a sensor or of a librdkafka option, so `--set` may name both.
_STEP = "\0"
# The parser lets the last two through: `!!int x`, and brackets nested a thousand deep.
_NOT_YAML = (yaml.YAMLError, ValueError, RecursionError)


class Layer(NamedTuple):
    """One source: its tree of values, the place of each of its paths, and faults that no tree can hold."""

    tree: dict[str, Any]
    origins: dict[tuple[str, ...], str]
    faults: list[str]


class _Loader(yaml.SafeLoader):
    """YAML 1.2 scalars: `on`, `no` and dates are text, so that a sensor or a series may have such a name."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag.rpartition(":")[2] not in ("bool", "timestamp")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _word in ("true", "True", "false", "False"):
    _Loader.yaml_implicit_resolvers.setdefault(_word[0], []).insert(
        0, ("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"))
    )


def parse_yaml(text: str | bytes) -> object:
    """Parses YAML or JSON as a configuration is parsed: times stay text.

    Raises:
        yaml.YAMLError: `text` is neither.
    """
    return yaml.load(text, _Loader)  # noqa: S506 - derived from SafeLoader


def read_file(path: Path) -> Layer:
    """Reads the YAML file as a layer.

    Raises:
        ConfigError: the file cannot be read, or is not YAML.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{path}: {reason}; expected a YAML file, `narrows init` writes one") from error
    try:
        return _document(text, str(path))
    except _NOT_YAML as error:
        # str(error) would quote the line, which may hold a password.
        raise ConfigError(f"{_place(error, str(path))}: not YAML; check indentation, quotes and colons") from None


def from_environment(environ: Mapping[str, str]) -> Layer:
    """`NARROWS_A__B=value` as a layer; lists and mappings are written as YAML or JSON."""
    named = {name: value for name, value in environ.items() if name.upper().startswith(ENV_PREFIX)}
    paths = {name: tuple(name[len(ENV_PREFIX) :].lower().split("__")) for name in named}
    # A variable of a single word may be another program's (NARROWS_DATA); one with `__` is a setting.
    ours = {name: path for name, path in paths.items() if len(path) > 1 or path[0] in Settings.model_fields}
    return _assignments([(f"environment {name}", path, named[name]) for name, path in ours.items()])


def from_overrides(overrides: Sequence[str]) -> Layer:
    """`a.b=value` as a layer; of two values for one path the later wins."""
    assignments, faults = [], []
    for override in overrides:
        name, equals, value = override.partition("=")
        if not equals or not name.strip():
            # Not shown: without `=` the text may be a stray value, such as a password.
            faults.append("--set: expected a.b=value, such as --set model.window=64")
        else:
            assignments.append((f"--set {name.strip()}", _steps(name.strip()), value))
    layer = _assignments(assignments)
    return layer._replace(faults=faults + layer.faults)


def field_at(path: Sequence[str]) -> FieldInfo | None:
    """The field that `path` names; None where there is none."""
    model: type[BaseModel] | None = Settings
    field = None
    for name in path:
        field = None if model is None else model.model_fields.get(name)
        if field is None:
            return None
        model = section_of(field)
    return field


class _Variables(EnvSettingsSource):
    """Variables as text, converted to the type of their field: `[..]`, `{..}` are lists and mappings."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        super().__init__(Settings, case_sensitive=True, env_nested_delimiter=_STEP, env_parse_none_str="null")

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return parse_env_vars(self._variables, case_sensitive=True, parse_none_str="null")

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: str) -> object:
        """A list or a mapping, from YAML."""
        # Text that is not YAML stays: validation reports it with its path.
        try:
            return parse_yaml(value)
        except _NOT_YAML:
            return value


def _assignments(assignments: Sequence[tuple[str, tuple[str, ...], str]]) -> Layer:
    faults = []
    variables = {}
    origins = {}
    for origin, path, value in assignments:
        field = Settings.model_fields.get(path[0])
        if field is None or (len(path) > 1 and section_of(field) is None):
            faults.append(f"{'.'.join(path)}: unknown key ({origin})")
        else:
            variables[_STEP.join(path)] = value
            origins[path] = origin
    tree = _Variables(variables)()
    faults += [
        f"{'.'.join(path)}: cannot be set beside {'.'.join(path[:-1])} ({origin})"
        for path, origin in origins.items()
        if not _reaches(tree, path)
    ]
    return _sections_only(Layer(tree, origins, faults))


def _reaches(tree: object, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True


def _sections_only(layer: Layer) -> Layer:
    """The layer with a fault for each section that is no mapping, so that no other layer can hide it."""
    tree = {}
    faults = []
    for name, body in layer.tree.items():
        field = Settings.model_fields.get(name)
        if field is None or section_of(field) is None or isinstance(body, dict):
            tree[name] = body
        elif body is not None:
            faults.append(f"{name}: expected a mapping of keys to values ({layer.origins.get((name,))})")
        # `kafka:` with nothing below is a section left at its defaults.
    return Layer(tree, layer.origins, layer.faults + faults)


def _steps(name: str) -> tuple[str, ...]:
    """Splits at dots, but not within the key of a mapping: kafka.options.linger.ms sets the option linger.ms."""
    parts = name.split(".")
    for depth in range(1, len(parts)):
        field = field_at(parts[:depth])
        if field is not None and section_of(field) is None:
            return (*parts[:depth], ".".join(parts[depth:]))
    return tuple(parts)


def _document(text: str, file: str) -> Layer:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        layer = Layer({}, {}, [])
        if root is None:
            return layer
        if not isinstance(root, yaml.MappingNode):
            return layer._replace(faults=[f"{file}: expected sections such as `input:` at the top level"])
        _note_lines(root, (), file, layer)
        tree = loader.construct_document(root)
    finally:
        loader.dispose()
    return _sections_only(layer._replace(tree={str(name): body for name, body in tree.items()}))


def _note_lines(node: yaml.MappingNode, path: tuple[str, ...], file: str, layer: Layer) -> None:
    first: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in first:
            layer.faults.append(
                f"{'.'.join((*path, name))}: duplicate key ({file}:{line}, first on line {first[name]}); keep one"
            )
        first.setdefault(name, line)
        layer.origins[(*path, name)] = f"{file}:{line}"
        # No section is deeper. An alias that contains itself would be followed for ever.
        if isinstance(value, yaml.MappingNode) and len(path) < 4:
            _note_lines(value, (*path, name), file, layer)


def _place(error: Exception, file: str) -> str:
    mark = getattr(error, "problem_mark", None)
    return file if mark is None else f"{file}:{mark.line + 1}:{mark.column + 1}"
