"""A page to look at: the bars, and the worst misses and false alerts over all data sets, drawn."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import training.evaluate
from tests.quality.moments import Moment, worst
from training.evaluate.markup import Markup, table, tag
from training.evaluate.plots import series_plot, window_plot

FILE = "quality.html"
SELECTED = {
    "misses": "Five events that simple detectors see best, and the five longest of the others, one of a series.",
    "false alerts": "Five alerts with the highest peaks, and the five longest of the others, one of a series.",
}


def write(folder: Path, conditions: str, bars: Sequence[Sequence[str]], of: Mapping[str, Sequence[Moment]]) -> Path:
    """Writes the page into a folder, which is made.

    Args:
        bars: the table of bars, its heading first.
        of: the moments by `SELECTED`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    style = files(training.evaluate).joinpath("page.css").read_text("utf-8")
    head = tag("head", Markup('<meta charset="utf-8">'), tag("title", "quality"), tag("style", Markup(style)))
    body = tag("body", tag("h1", "Quality of the defaults"), tag("p", conditions, class_="soft"), *_parts(bars, of))
    path = folder / FILE
    path.write_text(f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n", encoding="utf-8")
    return path


def _parts(bars: Sequence[Sequence[str]], of: Mapping[str, Sequence[Moment]]) -> Iterator[Markup]:
    yield table(bars[0], bars[1:], texts=2)
    for name, selected in SELECTED.items():
        yield tag("h2", f"The worst {name} of the first seed")
        yield tag(
            "p",
            f"{selected} Above: the score; its threshold is 1.",
            Markup('<span class="key" style="background:#e69f00"></span>labelled, with grace'),
            Markup('<span class="key" style="background:#d55e00"></span>alert'),
            ". Below: the leading sensors at the highest score;",
            Markup('<span class="key" style="background:#0072b2"></span>observed'),
            Markup('<span class="key" style="background:#d55e00"></span>expected by the model.'),
            class_="soft",
        )
        yield from (_drawn(number, one) for number, one in enumerate(worst(of[name]), 1))


def _drawn(number: int, one: Moment) -> Markup:
    score = Markup(series_plot(one.time, one.score, one.after_gap, one.events, one.alerts))
    sensors = tag("p", "No frame of it has a score.") if one.window is None else Markup(window_plot(one.window))
    title = tag("h3", f"{number}. {one.group} {one.series}")
    return tag("figure", title, tag("figcaption", one.what), score, tag("div", sensors, class_="two"))
