"""Names of columns by which people identify assets, such as device_id, WTG or unit_number."""

import re

# In the order of preference where a table has several.
SERIES = ("series", "asset", "device", "machine", "id", "key", "series_id", "asset_id", "device_id", "machine_id")
_ASSETS = (
    *("series", "asset", "device", "machine", "equipment", "entity", "turbine", "wtg", "unit", "engine", "vehicle"),
    *("station", "node", "host", "robot", "meter", "inverter", "pump", "motor", "well", "battery", "cell", "sensor"),
)
# Those that also without an ending are no quantity.
_BARE = frozenset(
    {"series", "asset", "device", "machine", "equipment", "entity", "turbine", "wtg", "unit", "id", "key"}
)
_ENDINGS = frozenset({"id", "no", "nr", "num", "number", "name", "key", "uuid", "guid"})
# The index that pandas leaves in a file.
_INDEX = re.compile(r"(__index_level_\d+__|Unnamed: \d+|index|level_0|)")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def is_identifier(name: str) -> bool:
    """True for the name of an asset, of a row or of another thing: no quantity."""
    words = _words(_last(name))
    return preference(name) is not None or bool(_INDEX.fullmatch(name)) or bool(words and words[-1] in ("id", "uuid"))


def preference(name: str) -> int | None:
    """Rank of a name of assets: the lower, the likelier it names a series; None for other names."""
    last = _last(name)
    if last.lower() in SERIES:
        return SERIES.index(last.lower())
    words = _words(last)
    bare = len(words) == 1 and words[0] in _BARE
    ended = len(words) == 2 and words[0] in _ASSETS and words[1] in _ENDINGS
    return len(SERIES) + _ASSETS.index(words[0]) if words and (bare or ended) else None


def _last(name: str) -> str:
    """The last part of a dotted name, such as that of a field of a struct."""
    return name.rpartition(".")[2]


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]
