"""The report of an evaluation: one HTML file that needs no other file and no network."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from stream.counters import Count
from stream.events.account import COUNTS, summary
from stream.events.record import rfc3339
from stream.events.verdict import VERDICTS
from stream.messages import counted
from training.data.spans import Span
from training.evaluate.evaluation import OURS, Evaluation
from training.evaluate.figures import FIGURES
from training.evaluate.labelled import spans
from training.evaluate.markup import Markup, table, tag
from training.evaluate.page_alerts import alerts, missed_events
from training.evaluate.plots import curve_plot, series_plot, strength_plot, window_plot
from training.evaluate.report import TITLES, means, text
from training.evaluate.summary import sentences

# The page shows the series with the highest scores, and says how many it leaves out.
MOST_SERIES = 40
HOW = (
    "Every row went through the code that serves the stream, with the threshold that the bundle came with; nothing was "
    "tuned on these rows, and no score is point-adjusted. An event is a run of labelled frames and the W + M - 1 after "
    "it, in which windows and levels still hold some of it. An alert is true where it opened inside an event, false "
    "where it overlaps none; one that was open before is neither. Delay is event time from the start of an event to "
    "the first alert inside. Areas are over frames, mean over series that have both labels; VUS-PR over buffers up to "
    "the period of the first sensor. A frame without a score counts as the lowest score and as no alarm.",
    "Baselines learn from the frames that the weights were fitted on, series by series; their scores are averaged over "
    "M frames as errors are, their thresholds come from the same calibrate frames by the same promise, their alerts "
    "from the same code. They need no window, so they have scores where ours still warms up. The one that is always on "
    "has no threshold: it is above any.",
)


def write(of: Evaluation, path: Path) -> None:
    """Writes the page; an existing file is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(of), encoding="utf-8")


def page(of: Evaluation) -> str:
    """The page as text."""
    title = f"{of.bundle.manifest.detector}: evaluation"
    head = tag(
        "head",
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", title),
        tag("style", Markup(files(__package__).joinpath("page.css").read_text("utf-8"))),
    )
    sections = (
        _header,
        _detectors,
        _promise,
        _series,
        alerts,
        missed_events,
        _worst,
        _each,
        _accounts,
        _strength,
        _vetting,
        _how,
    )
    body = tag("body", *(part for section in sections for part in section(of)))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _header(of: Evaluation) -> Iterator[Markup]:
    manifest, frames = of.bundle.manifest, of.labelled.frames
    spec = manifest.model
    yield tag("h1", f"{manifest.detector}: evaluation")
    yield tag(
        "p",
        f"{of.options.data}, labels in {of.labelled.layout.label}: {len(of.ours.series):,} series, "
        f"{len(frames):,} frames of {len(manifest.sensors)} sensors, {rfc3339(int(frames.time.min()))} to "
        f"{rfc3339(int(frames.time.max()))}",
        Markup("<br>"),
        f"bundle {manifest.version}: {spec.kind}, W = {spec.window}, M = {spec.smoothing}, K = {spec.members}, "
        f"q = {manifest.threshold_q:.4g}",
        class_="soft",
    )
    yield tag("div", *(tag("div", tag("b", value), name, class_="card") for name, value in _cards(of)), class_="cards")
    yield tag("ul", *(tag("li", sentence) for sentence in sentences(of)), class_="said")


def _cards(of: Evaluation) -> Iterator[tuple[str, str]]:
    events = of.ours.events
    assert events is not None
    yield "events found by an alert", f"{events.opened_inside} of {events.events}"
    yield "median delay", text("median_delay_s", events.median_delay_s)
    yield "false alerts a series and day", text("false_per_day", events.false_per_day)
    yield "VUS-PR, mean", text("vus_pr", of.ours.mean("vus_pr")[0])
    yield "AUC-PR, mean", text("auc_pr", of.ours.mean("auc_pr")[0])


def _detectors(of: Evaluation) -> Iterator[Markup]:
    yield tag("h2", "Beside simple detectors" if of.baselines is not None else "Figures")
    yield tag("p", "Mean over the series that have the figure; delay: median over all events.", class_="soft")
    yield table(("detector", *TITLES.values()), [(one.name, *means(one)) for one in of.figures], OURS)


def _promise(of: Evaluation) -> Iterator[Markup]:
    p = of.promise
    yield tag("h2", "Realised beside promised")
    yield tag(
        "p",
        f"In {p.frames:,} scored frames outside of events, {p.weeks:.3g} series-weeks.",
        " The promise was extrapolated." if p.extrapolated else "",
        class_="soft",
    )
    rows = [
        ("alerts per series and week", _figure(p.promised_per_week, ".3g"), _figure(p.per_week, ".3g")),
        ("share of frames above", _figure(p.promised_share, ".3%"), _figure(p.share, ".3%")),
        ("share of frames during an open alert", "-", _figure(p.in_alarm, ".3%")),
    ]
    numbers = table(("", "promised", "realised"), rows)
    verdicts = table(("frames", ""), [(name, f"{of.labelled.counts[Count(name)]:,}") for name in VERDICTS])
    if not of.curve:
        yield numbers
        yield verdicts
        return
    caption = (
        "For levels from the median up: the share of normal frames above, in calibration and here. On the dashed line "
        "the promise is kept, in the grey band to within a factor of two."
    )
    drawn = tag("figure", Markup(curve_plot(of.curve, of.bundle.manifest.threshold_q)), tag("figcaption", caption))
    yield tag("div", drawn, tag("div", numbers, tag("h3", "Frames by verdict"), verdicts), class_="two")


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _series(of: Evaluation) -> Iterator[Markup]:
    names = _loudest(of)
    yield tag("h2", "Score over time")
    left = len(of.ours.series) - len(names)
    yield tag(
        "p",
        Markup('<span class="key" style="background:#e69f00"></span>labelled, with grace'),
        Markup('<span class="key" style="background:#d55e00"></span>alert, and score above the threshold'),
        f". The {len(names)} series with the highest scores; {left} are not shown." if left else "",
        class_="soft",
    )
    incidents = spans(of.labelled.incidents)
    for name in names:
        yield _one_series(of, name, [span for span in incidents if span.series == name])


def _loudest(of: Evaluation) -> list[str]:
    """Names of the series to draw: those with the highest scores, in the order of the data."""

    def highest(name: str) -> float:
        score = of.labelled.score[of.truth.rows[name]]
        return float(score.max(initial=-1.0, where=score == score))

    chosen = set(sorted(of.truth.rows, key=highest, reverse=True)[:MOST_SERIES])
    return [name for name in of.truth.rows if name in chosen]


def _one_series(of: Evaluation, name: str, alerts: list[Span]) -> Markup:
    at, one = of.truth.rows[name], of.ours.series[name]
    events = one.events
    gaps = of.labelled.frames.after_gap[at]
    drawn = series_plot(of.truth.time[at], of.labelled.score[at], gaps, of.truth.events[name], alerts)
    assert events is not None
    caption = (
        f"{events.opened_inside} of {counted(events.events, 'event')}, {counted(events.false, 'false alert')}; "
        f"VUS-PR {text('vus_pr', one.volume.vus_pr)}, AUC-PR {text('auc_pr', one.ranking.auc_pr)}"
    )
    return tag("figure", tag("h3", name), tag("figcaption", caption), Markup(drawn))


def _worst(of: Evaluation) -> Iterator[Markup]:
    yield tag("h2", "The worst windows, reconstructed")
    yield tag(
        "p",
        Markup('<span class="key" style="background:#0072b2"></span>observed'),
        Markup('<span class="key" style="background:#d55e00"></span>expected by the model'),
        "; the sensors whose deviation stands out. The dotted line is the peak of the score.",
        class_="soft",
    )
    yield tag(
        "div",
        *(
            tag(
                "figure",
                tag("h3", window.series),
                tag(
                    "figcaption",
                    f"score {window.score:.3g} at {rfc3339(int(window.time[window.peak]))}, "
                    f"{'labelled' if window.labelled else 'not labelled'}",
                ),
                Markup(window_plot(window)),
            )
            for window in of.worst
        ),
        class_="two",
    )


def _each(of: Evaluation) -> Iterator[Markup]:
    yield tag("h2", "Series by series")
    rows = [
        (name, f"{one.frames:,}", f"{one.ranking.labelled:.1%}", *(text(key, one.figure(key)) for key in FIGURES))
        for name, one in of.ours.series.items()
    ]
    yield table(("series", "frames", "labelled", *TITLES.values()), rows)


def _accounts(of: Evaluation) -> Iterator[Markup]:
    accounts = of.labelled.accounts
    yield tag("h2", "What became of the readings and frames of each series")
    yield tag("p", summary(accounts), class_="soft")
    rows = [
        (one.series, f"{one.why}; {one.remedy}" if one.cause else "", *(f"{count:,}" for count in one.counts))
        for one in accounts
    ]
    yield table(("series", "why not scored", *COUNTS), rows, texts=2)


def _strength(of: Evaluation) -> Iterator[Markup]:
    """The capacity of the model, where the manifest has it."""
    capacity = of.bundle.manifest.metrics.capacity
    if capacity is None:
        return
    yield tag("h2", "Is the model constrained enough?")
    yield tag("p", capacity.summary)
    if capacity.kinds:
        caption = f"{capacity.title}. The small figure is the size, the bold one the share found."
        yield tag("p", caption, class_="soft")
        yield tag("figure", Markup(strength_plot(capacity.kinds)), class_="some")


def _vetting(of: Evaluation) -> Iterator[Markup]:
    """The findings about the history of the training, where there are any."""
    findings = of.bundle.manifest.data.vetting
    if findings:
        yield tag("h2", "Odd sensors in the history that it learned from")
        yield tag("ul", *(tag("li", finding) for finding in findings), class_="said")


def _how(of: Evaluation) -> Iterator[Markup]:
    yield tag("h2", "How this was measured")
    for paragraph in HOW[: 1 if of.baselines is None else 2]:
        yield tag("p", paragraph, class_="soft")
