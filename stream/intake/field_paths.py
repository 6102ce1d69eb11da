r"""Paths of fields, as they are configured: names joined by dots, `values.flow`; `values\.flow` is one name."""

import re
from collections.abc import Iterable

from stream.errors import ConfigError

_JOINT = re.compile(r"(?<!\\)\.")
_UNNAMEABLE = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')

Path = tuple[str, ...]


def split(path: str) -> Path:
    """The names of a path."""
    return tuple(name.replace(r"\.", ".") for name in _JOINT.split(path))


def joined(names: Iterable[str]) -> str:
    """The path of these names. One name gives the path of the field called so, with its dots escaped."""
    return ".".join(name.replace(".", r"\.") for name in names)


def nameable(name: str) -> str:
    """The name of a field, with an underscore for each character that no field's name may have."""
    return _UNNAMEABLE.sub("_", name) or "_"


def checked(setting: str, text: str) -> Path:
    """The names of a path that a setting gives.

    Raises:
        ConfigError: a name is empty, or no name of a field.
    """
    path = split(text)
    if not all(path):
        raise ConfigError(f"fields.{setting}: the path {text!r} has an empty name; write names joined by single dots")
    if any(map(_UNNAMEABLE.search, path)):
        raise ConfigError(
            f"fields.{setting}: the path {text!r} has a quote, backslash, control character or half a surrogate pair; "
            f"give `{setting}` a path without them, and rename the field where it is sent"
        )
    return path


def as_setting(name: str, value: object) -> str:
    """A setting of the section `input` with its value, as it is written in the configuration."""
    # Imported here: only a refusal writes settings.
    import yaml

    text = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10_000).strip()
    return f"input.{name}: {text[1:-1]}"
