"""What a manifest says of the gate: may this model go to production?"""

from collections.abc import Mapping
from typing import Any

from stream.errors import GateError

Facts = Mapping[str, Any]
REFUSED = "refused"


def refused(gate: Facts) -> list[str]:
    """Why the model may not go to production, a line for each criterion; empty where it may, or nobody has judged."""
    return [f"{one['name']}: {one['said']}" for one in gate.get("criteria", ()) if one["verdict"] == REFUSED]


def refuse(version: str, gate: Facts, remedy: str) -> None:
    """Raises GateError where the gate refused this version; `remedy` says how to go on."""
    if gate.get("verdict") == REFUSED:
        raise GateError(f"the gate refused {version}: {'; '.join(refused(gate))}; {remedy}")


def forced(gate: Facts, reason: str) -> str:
    """The reason for the registry's history where somebody lets a refused version pass."""
    names = ", ".join(one["name"] for one in gate.get("criteria", ()) if one["verdict"] == REFUSED)
    return f"forced past the gate ({names}){f': {reason}' if reason else ''}"
