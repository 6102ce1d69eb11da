"""Layouts, batches of good and faulty messages, and the outcome that is compared."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from stream.intake.columns import Decoded
from stream.intake.decode import Decoder
from tests.oracles import naive_decode as naive
from tests.support.builders import fields

NOW_MS = 1_700_000_000_000
SENSORS = ("temp", "Flow Rate", "a:b")
LAYOUTS = {
    "flat": naive.Layout(),
    "nested": naive.Layout(
        time="meta.at", series="meta.id", sensors={"temp": "values.temp", "Flow Rate": "values.deep.flow"}
    ),
    "long": naive.Layout(format="long", series="id", sensor="meta.tag"),
    "flat, bad values are missing": naive.Layout(bad_values="missing"),
    "nested, bad values are missing": naive.Layout(
        series="meta.id", sensors={"temp": "values.temp", "Flow Rate": "values.deep.flow"}, bad_values="missing"
    ),
    "long, bad values are missing": naive.Layout(format="long", sensor="meta.tag", bad_values="missing"),
    "epoch_s": naive.Layout(time_format="epoch_s", max_bytes=200),
    "iso8601": naive.Layout(time_format="iso8601", series="id"),
    "dotted": naive.Layout(
        time="meta\\.at", series="meta.id", sensors={"temp": "values\\.temp", "Flow Rate": "values.deep\\.flow"}
    ),
}
NAMES = (
    "time",
    "temp",
    "Flow Rate",
    "a:b",
    "meta",
    "at",
    "id",
    "tag",
    "values",
    "deep",
    "flow",
    "sensor",
    "value",
    "x",
    "values.temp",
    "meta.at",
)


def decoder(layout: naive.Layout, known: frozenset[str] | None = None) -> Decoder:
    return Decoder(fields(**asdict(layout)), SENSORS, known)


def outcome(decoded: Decoded) -> tuple[list[Any], list[Any], int]:
    """A decoded batch as the slow decoder returns it. NaN is None, so that NaNs are equal; floats are bits."""
    r = decoded.readings
    readings = [
        (r.names[s], t, bits(v), p)
        for s, t, v, p in zip(r.series.tolist(), r.time.tolist(), r.values, r.position.tolist(), strict=True)
    ]
    return readings, [(d.position, d.index, d.reason.value) for d in decoded.dead], decoded.ignored


def bits(values: Sequence[float]) -> tuple[str | None, ...]:
    return tuple(None if math.isnan(v) else float(v).hex() for v in values)


def expected(layout: naive.Layout, known: frozenset[str] | None, batch: "Batch") -> tuple[list[Any], list[Any], int]:
    readings, dead, ignored = naive.decode(layout, SENSORS, known, *columns(batch))
    return [(s, t, bits(v), p) for s, t, v, p in readings], dead, ignored


# --- the content of a batch: (value, key, record timestamp) per message

Batch = list[tuple[bytes | None, bytes | None, int]]


def columns(batch: Batch, start: int = 0) -> tuple[list[Any], list[Any], range, list[int]]:
    return [m[0] for m in batch], [m[1] for m in batch], range(start, start + len(batch)), [m[2] for m in batch]


def escaped(name: str) -> str:
    return "".join(f"\\u{ord(c):04x}" for c in name)


# Most messages must be good: a batch with a fault in every message does not test the fast reader.
NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["0", "-0", "-0.0", "1E+2", "null"]),
)
ODD_NUMBERS = st.sampled_from(["1e400", "9" * 320, "9" * 5000, "01", "1.", "NaN", "Infinity", "-Infinity"])
MOMENTS = st.datetimes(datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2023-01-01"))
ISO_TIMES = st.one_of(MOMENTS.map(datetime.isoformat), MOMENTS.map(lambda t: str(t.replace(tzinfo=UTC)))).map(
    json.dumps
)
EPOCHS = {
    "epoch_s": st.integers(10**9 * 10**6, NOW_MS * 1000).map(lambda us: repr(us / 10**6)),
    "auto": st.integers(NOW_MS - 10**7, NOW_MS + 10**5).map(str),
}
ODD_TIMES = st.sampled_from(
    [
        str(NOW_MS * 10**6),
        str(2 * NOW_MS),
        "1e400",
        "9" * 400,
        "9223372037",
        '"now"',
        '""',
        '"2023-11-14"',
        "true",
        "null",
    ]
)
STRINGS = st.one_of(
    st.sampled_from(["", "pump-1", "pump-2", "temp", "Flow Rate", "µ:", "{[", "a\nb"]), st.text(max_size=5)
).map(lambda text: json.dumps(text, ensure_ascii=len(text) % 2 == 0))
SCALARS = st.one_of(NUMBERS, ODD_NUMBERS, STRINGS, st.sampled_from(["null", "true", "false", "{}", "[]", '"\\ud800"']))
KEYS = st.sampled_from([f'"{name}"' for name in NAMES] + [f'"{escaped("temp")}"', '"µ"', '""'])
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]"),
        st.lists(st.tuples(KEYS, inner), max_size=4).map(lambda pairs: rendered(pairs)),
    ),
    max_leaves=6,
)


def rendered(pairs: list[tuple[str, str]], space: str = "") -> str:
    return "{" + ",".join(f"{space}{key}{space}:{space}{value}" for key, value in pairs) + "}"


def times(layout: naive.Layout) -> st.SearchStrategy[str]:
    """Times that the layout accepts."""
    both = st.one_of(EPOCHS["auto"], ISO_TIMES)
    return {"auto": both, "epoch_s": EPOCHS["epoch_s"], "iso8601": ISO_TIMES}[layout.time_format]


@st.composite
def objects(draw: st.DrawFn, layout: naive.Layout) -> str:
    """An object of the layout, rarely with a field too many, one twice, or one of another type."""
    tree: dict[str, Any] = {}
    fields = {layout.time: times(layout)}
    fields |= {layout.series: st.sampled_from(['"pump-1"', '"pump-2"', "7"])} if layout.series else {}
    if layout.format == "long":
        fields |= {layout.sensor: st.sampled_from(['"temp"', '"Flow Rate"', '"other"']), layout.value: NUMBERS}
    else:
        fields |= {layout.sensors.get(name, name): NUMBERS for name in SENSORS}
    rare = st.integers(0, 29).map(lambda n: n == 17)
    for path, values in fields.items():
        if draw(rare):
            continue
        *nodes, leaf = naive.steps_of(path)
        below = tree
        for node in nodes:
            below = below.setdefault(node, {})
        below[leaf] = draw(st.one_of(SCALARS, ODD_NUMBERS, ODD_TIMES)) if draw(rare) else draw(values)

    def text(node: dict[str, Any] | str) -> str:
        if isinstance(node, str):
            return node
        pairs = [(f'"{name}"', text(child)) for name, child in node.items()]
        if draw(rare):
            pairs.append((draw(KEYS), draw(ANYTHING)))
        if draw(rare) and pairs:
            pairs.append(pairs[draw(st.integers(0, len(pairs) - 1))])
        return rendered(pairs, draw(st.sampled_from(["", "", "", " ", "\n"])))

    return text(tree)


@st.composite
def messages(draw: st.DrawFn, layout: naive.Layout) -> bytes | None:
    whole = objects(layout)
    array = st.lists(st.one_of(whole, whole, whole, ANYTHING), max_size=3).map(lambda parts: f"[{','.join(parts)}]")
    # Faults are not 0, which shrinking and short draws prefer.
    kind, fate = draw(st.integers(0, 9)), draw(st.integers(0, 29))
    text = draw(array if kind == 7 else ANYTHING if kind == 8 else whole).encode("utf-8", "surrogatepass")
    if fate == 11:
        return draw(st.sampled_from([None, b"", b" \n", b"\x0c", b"\xef\xbb\xbf" + text, b"[" * 100_000, text + text]))
    if fate == 13:
        return text[: draw(st.integers(0, len(text)))]
    if fate == 17:
        at = draw(st.integers(0, len(text)))
        return text[:at] + draw(st.binary(min_size=1, max_size=3)) + text[at:]
    if fate == 19:
        levels = draw(st.integers(29, 34))
        return b'{"x":' + b'{"x":[' * levels + b"1" + b"]}" * levels + b"}"
    return text


def batches(layout: naive.Layout) -> st.SearchStrategy[Batch]:
    key = st.sampled_from([*[b"pump-1", b"pump-2"] * 6, None, b"", b"\xff", "µ".encode()])
    stamp = st.sampled_from([*[NOW_MS, -1] * 5, 0, 2**63 - 1])
    return st.lists(st.tuples(messages(layout), key, stamp), max_size=12)
