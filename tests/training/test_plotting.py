"""Figures with names from outside: as they are, without formulas, warnings or control characters."""

import warnings

import pytest

from training.plotting import axis_name, drawing, label_axis, new_figure


@drawing
def labelled(name: str) -> str:
    """Draws a panel with a name and returns the name as the figure has it."""
    figure = new_figure(2.0, 2.0)
    panel = figure.subplots()
    label_axis(panel, axis_name(name))
    figure.canvas.draw()
    return str(panel.get_ylabel())


@pytest.mark.parametrize(
    ("name", "shown"),
    [("$a_b$", "$a_b$"), (r"\frac$", r"\frac$"), ("a\x1b[0m\n", "a?[0m?"), ("🔥", "🔥"), ("x" * 30, "x" * 17 + "…")],
)
def test_a_name_is_drawn_as_it_is_and_without_a_warning(name: str, shown: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert labelled(name) == shown


def test_a_figure_whose_names_would_be_formulas_is_refused() -> None:
    with pytest.raises(AssertionError, match="drawing"):
        new_figure(1.0, 1.0)
