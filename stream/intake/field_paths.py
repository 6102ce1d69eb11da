r"""Paths of fields, as they are configured: names joined by dots, `values.flow`; `values\.flow` is one name."""

import re
from collections.abc import Iterable

_JOINT = re.compile(r"(?<!\\)\.")


def split(path: str) -> tuple[str, ...]:
    """The names of a path."""
    return tuple(name.replace(r"\.", ".") for name in _JOINT.split(path))


def joined(names: Iterable[str]) -> str:
    """The path of these names; of one: the field that is called so, whatever dots it has."""
    return ".".join(name.replace(".", r"\.") for name in names)
