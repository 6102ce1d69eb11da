"""The page of an evaluation: it needs no other file, shows data as text, and loses no peak."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.options import train_options
from tests.support.plain_bundle import LABELLED, labelled_rows, normal_rows, plain_bundle
from training.evaluate.evaluation import EvaluationOptions, evaluate
from training.evaluate.page import page
from training.evaluate.plots import peaks
from training.evaluate.worst import worst_windows

HOSTILE = ("<script>alert('x')</script>", '$\\frac{1} & "half"$')
FETCHING = {"src", "href", "xlink:href", "srcset", "data", "poster", "action", "background", "formaction"}
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Parses a page; checks that every element is closed, and collects the text and everything that it fetches."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.fetched: list[str] = []
        self.styles: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in FETCHING]
        self.styles += [value or "" for name, value in attrs if name not in FETCHING and "url(" in (value or "")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def hostile_page(folder: Path) -> str:
    """Series and sensors whose names are HTML and mathematics."""
    rows = labelled_rows(HOSTILE)
    rows["series"] = rows["series"] + HOSTILE[0]
    rows.to_parquet(folder / "rows.parquet", index=False)
    normal_rows(HOSTILE).to_parquet(folder / "history.parquet", index=False)
    history = train_options("plain", folder / "history.parquet", folder / "registry")
    asked = EvaluationOptions(folder / "rows.parquet", LABELLED, None, history)
    bundle = plain_bundle(folder / "registry", HOSTILE)
    data = msgspec.structs.replace(bundle.manifest.data, vetting=(f"{HOSTILE[0]}: wild, -7.5; 1 row",))
    return page(evaluate(replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, data=data)), asked))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    return hostile_page(tmp_path_factory.mktemp("hostile"))


def test_the_page_is_well_formed_and_fetches_nothing(hostile: str) -> None:
    seen = Page(hostile)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(seen.seen)
    assert all(address.startswith("#") for address in seen.fetched), "only parts of itself"
    assert all(re.fullmatch(r"[^(]*url\(#\w+\)[^(]*", style) for style in seen.styles)
    (style,) = re.findall(r"<style>(.*?)</style>", hostile, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    assert "<!DOCTYPE svg" not in hostile
    assert "<metadata>" not in hostile


def test_names_from_the_data_are_shown_as_they_are(hostile: str) -> None:
    text = "".join(Page(hostile).text)
    assert f"a{HOSTILE[0]}" in text
    assert HOSTILE[1] in text
    assert f"Odd sensors in the history that it learned from{HOSTILE[0]}: wild, -7.5; 1 row" in text


def test_the_page_has_a_plot_for_each_series_the_curve_and_the_worst_windows(hostile: str) -> None:
    """Three series, one curve, and two windows of the one series that has high scores."""
    seen = Page(hostile)
    assert seen.seen.count("svg") >= 3 + 1 + 2
    for heading in ("Beside simple detectors", "Realised beside promised", "Score over time"):
        assert heading in seen.text


def test_the_same_rows_give_the_same_page_to_the_byte(hostile: str, tmp_path: Path) -> None:
    again = hostile_page(tmp_path)
    folder = re.compile(r"/\S*/rows\.parquet")
    assert folder.sub("", again) == folder.sub("", hostile)


@given(
    score=st.lists(st.floats(0, 1e9) | st.just(np.nan), min_size=1, max_size=300),
    points=st.integers(1, 40),
    steps=st.data(),
)
def test_thinning_a_line_loses_no_peak(score: list[float], points: int, steps: st.DataObject) -> None:
    """Every stretch of time keeps its highest score; a frame without a score only where it has no other."""
    gaps = steps.draw(st.lists(st.integers(1, 10**15), min_size=len(score), max_size=len(score)))
    time, value = np.cumsum(np.array(gaps, np.int64)), np.array(score)
    kept = peaks(time, value, points)
    assert len(kept) <= max(points, 1)
    assert (np.diff(kept) > 0).all()
    if np.isfinite(value).any():
        assert np.nanmax(value[kept]) == np.nanmax(value)
    if len(value) > points:
        stretch = ((time - time[0]).astype(float) / (float(time[-1] - time[0]) + 1.0) * points).astype(int)
        for one in np.unique(stretch):
            inside = np.flatnonzero(stretch == one)
            (shown,) = [row for row in kept if row in inside]
            assert np.nan_to_num(value[shown], nan=-1) == np.nan_to_num(value[inside], nan=-1).max()


def test_the_worst_windows_show_what_was_observed_and_what_the_model_expected(tmp_path: Path) -> None:
    """The plain model expects 0; the highest scores are those of the event and of the false frames."""
    labelled_rows().to_parquet(tmp_path / "rows.parquet", index=False)
    found = evaluate(plain_bundle(tmp_path / "registry"), EvaluationOptions(tmp_path / "rows.parquet", LABELLED))
    first = worst_windows(found.labelled, found.bundle.definition)[0]
    assert (first.series, first.score, first.labelled) == ("a", 4.0, True)
    (one, _) = first.sensors
    assert one.observed[first.peak] == 2.0
    assert set(one.expected.tolist()) == {0.0}
    assert one.share == pytest.approx(0.5)
    assert [window.series for window in found.worst] == ["a", "a"], "two are enough; b's are small, c has none"
