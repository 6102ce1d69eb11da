"""Combines the layers to one validated tree, or to one error that lists every fault with its path."""

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stream.errors import ConfigError
from stream.messages import counted
from stream.settings.kafka import is_secret
from stream.settings.layers import Layer, field_at, from_environment, from_overrides, read_file
from stream.settings.section import section_of
from stream.settings.tree import Settings

_LONGEST_SHOWN = 60
# Former names of settings, and what they are called.
_RENAMED = {"serve.blind_after": "serve.unwatched_after"}


class SettingsError(ConfigError):
    """All faults of a configuration; `faults` lists them."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n  ".join([f"configuration: {counted(len(faults), 'fault')}", *faults]))


def load(path: Path | None, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> Settings:
    """Loads the configuration: `overrides` (`a.b=value`) over environment (`NARROWS_A__B`) over file over defaults.

    Args:
        path: YAML file; None for none.
        environ: None for this process's environment.

    Raises:
        SettingsError: lists the faults of all layers, each with its path and its source, and no secret.
    """
    file = Layer({}, {}, []) if path is None else read_file(path)
    layers = (from_overrides(overrides), from_environment(os.environ if environ is None else environ), file)
    faults = [fault for layer in layers for fault in layer.faults]
    try:
        settings = Settings(layers=tuple(layer.tree for layer in layers))  # type: ignore[call-arg]
    except ValidationError as error:
        faults += [_fault(one, layers) for one in error.errors(include_url=False)]
    if faults:
        raise SettingsError(faults)
    return settings


def _fault(error: ErrorDetails, layers: Sequence[Layer]) -> str:
    path = tuple(str(step) for step in error["loc"] if step != "[key]")
    origin = _origin(path, layers)
    where = ".".join(path) or "configuration"
    return f"{where}: {_message(error, path)}{'' if origin is None else f' ({origin})'}"


def _message(error: ErrorDetails, path: tuple[str, ...]) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key{_hint(path)}"
        case "literal_error":
            return f"{_got(error['input'], path)}expected one of {_choices(context['expected'])}"
        case "value_error":
            message = str(context["error"])
            return message if message.startswith("refused") else f"{_got(error['input'], path)}{message}"
        case "missing":
            return "missing, and it has no default"
        case "string_type":
            return f"{_got(error['input'], path)}expected text; put it in quotes"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "expected a mapping of keys to values"
        case "string_pattern_mismatch":
            return f"{_got(error['input'], path)}expected text matching {context['pattern']}"
    return f"{_got(error['input'], path)}{error['msg'].replace('Input should be', 'expected').replace('Input', 'it')}"


def _got(value: object, path: tuple[str, ...]) -> str:
    """The value that was seen, or "": a secret, and a value with parts, of which one may be secret, are not shown."""
    field = field_at(path)
    holds_parts = isinstance(value, dict | list | tuple | BaseModel) or (field is not None and section_of(field))
    if holds_parts or any(map(is_secret, path)) or path == ("kafka", "options"):
        return ""
    shown = repr(value)
    return f"got {shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + '...'}, "


def _choices(expected: str) -> str:
    return expected.replace(" or ", ", ").replace("'", "")


def _hint(path: tuple[str, ...]) -> str:
    known = list(all_paths())
    whole = ".".join(path)
    if whole in _RENAMED:
        return f"; it is called {_RENAMED[whole]}"
    moved = [name for name in known if name.rpartition(".")[2] == path[-1]]
    close = moved or difflib.get_close_matches(whole, known, n=1, cutoff=0.75)
    return f"; did you mean {' or '.join(close)}?" if close else "; `narrows config table` lists those there are"


def _origin(path: tuple[str, ...], layers: Sequence[Layer]) -> str | None:
    # The deepest place at the path or above it, in the strongest layer that has one.
    for depth in range(len(path), 0, -1):
        for layer in layers:
            if path[:depth] in layer.origins:
                return layer.origins[path[:depth]]
    return None


def all_paths(model: type[BaseModel] = Settings, above: str = "") -> Iterator[str]:
    """Paths of all settings, in order."""
    for name, field in model.model_fields.items():
        section = section_of(field)
        if section is None:
            yield f"{above}{name}"
        else:
            yield from all_paths(section, f"{above}{name}.")
