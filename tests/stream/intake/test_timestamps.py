"""Event times, as people send them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.intake.timestamps import iso_to_ns, to_ns
from tests.oracles import naive_decode as naive
from tests.oracles import naive_iso

CLOCKS = st.sampled_from(["", "T22", "T22:13", " 22:13:20", "T24:00", "T22:13:60", "T22:60:00", "t22:13:20", "T"])
FRACTIONS = st.one_of(st.just(""), st.integers(0, 10**10).map(lambda n: f".{n}"), st.just("."), st.just(",5"))
ZONES = st.sampled_from(["", "Z", "+05:30", "-0530", "+05", "-23:59", "+24:00", "+00:60", "z", " Z", " UTC"])
DATES = st.sampled_from(
    ["2023-11-14", "2024-02-29", "2023-02-29", "1677-09-21", "2262-04-11", "2262-04-12", "0000-01-01", "2023-1-1"]
)
ISO = st.tuples(DATES, CLOCKS, FRACTIONS, ZONES).map("".join)


@settings(max_examples=200)
@given(texts=st.lists(ISO, min_size=1, max_size=4))
def test_iso_times_mean_the_same_alone_and_in_any_company(texts: list[str]) -> None:
    in_range = [t if t is not None and -naive.LAST <= t <= naive.LAST else None for t in map(naive_iso.iso, texts)]
    for batch, wanted in [(texts, in_range), *(([text], [t]) for text, t in zip(texts, in_range, strict=True))]:
        times, good_ones = iso_to_ns(batch)
        assert [t if ok else None for t, ok in zip(times.tolist(), good_ones, strict=True)] == wanted


@pytest.mark.parametrize("text", ["2023-11-14t22:13:20.5z", "2023-11-14T22:13:20,5Z", "2023-11-14 22:13:20,5+00:00"])
def test_small_letters_and_a_comma_are_what_standards_allow(text: str) -> None:
    (time,), (is_time,) = to_ns([text], "auto")
    assert (time, is_time) == (1_700_000_000_500_000_000, True)


@pytest.mark.parametrize(
    ("value", "ns"),
    [
        (1_700_000_000, 1_700_000_000 * 10**9),
        (1_700_000_000.123, 1_700_000_000_123_000_000),
        (99_999_999_999, None),
        (700_000_000_000, 700_000_000_000 * 10**6),
        (1_700_000_000_123.5, 1_700_000_000_123_500_000),
        (99_999_999_999_999_999, None),
        (700_000_000_000_000_000, 700_000_000_000_000_000),
        (2**63 - 1, None),
        (-(2**63), None),
        (-1.5, None),
        (float("inf"), None),
        (10**30, None),
        (None, None),
    ],
)
def test_an_epoch_is_told_by_its_size_and_is_in_a_plausible_year(value: object, ns: int | None) -> None:
    (time,), (is_time,) = to_ns([value], "auto")
    assert (int(time) if is_time else None) == ns
