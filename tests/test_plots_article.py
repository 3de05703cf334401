"""The figures of the article show the numbers that they are given."""

import pytest

from voice_agent_lab.plots import alt_text
from voice_agent_lab.plots.article import mends, two_panels
from voice_agent_lab.published import article


def test_the_published_figure_has_the_bars_of_the_last_turn_and_a_point_for_each():
    figure = two_panels({"published": article.FIGURE})
    bars, line = figure.axes
    last = article.FIGURE[-1]
    heights = [last.asr, last.llm_first_token, last.llm_generation, last.tts]
    assert [bar.get_height() for bar in bars.patches] == heights
    firsts, budget = line.lines
    assert list(firsts.get_ydata()) == [0.0, 0.0, 0.0]
    assert budget.get_ydata()[0] == article.DEMO_BUDGETS["time_to_first_audio"]
    assert alt_text(figure).endswith("Budget 0.800 s.")


def test_a_wait_that_is_given_stands_beside_what_was_reported():
    figure = two_panels({"published": article.FIGURE}, waits=[2.21, 2.13, 2.21], budget=1.0)
    firsts, waits, budget = figure.axes[1].lines
    assert (list(firsts.get_ydata()), list(waits.get_ydata())) == ([0.0] * 3, [2.21, 2.13, 2.21])
    assert budget.get_ydata()[0] == 1.0
    assert "Voice-to-voice 2.210, 2.130, 2.210 s." in alt_text(figure)


def test_what_is_hidden_and_what_is_reported_sum_to_the_wait():
    figure = mends({"as published": (2.19, 0.59), "one": (0.67, 0.59), "two": (0.67, 0.67)})
    (axes,) = figure.axes
    bars = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    assert bars[::2] == [(0, pytest.approx(hidden)) for hidden in (1.6, 0.08, 0)]
    assert bars[1::2] == [
        (pytest.approx(at), pytest.approx(told)) for at, told in ((1.6, 0.59), (0.08, 0.59), (0, 0.67))
    ]
    assert figure.get_suptitle() == "As published, 1.60 s of 2.19 s are hidden; mended, nothing of 0.67 s"
    assert "one 0.67 s (reported 0.59 s)" in alt_text(figure)


def test_mends_that_change_nothing_share_a_row():
    same = dict.fromkeys(("one", "two", "three"), (1.33, 0.45))
    (axes,) = mends({"as published": (2.19, 0.59), "voice": (1.33, 0.45), **same, "last": (1.33, 1.33)}).axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["as published", "voice", "3 mends that change nothing here", "last"]


def test_the_headline_compares_with_the_budget_or_with_the_wait():
    published = two_panels({"published": article.FIGURE})
    assert (
        published.get_suptitle() == "Time to first audio is 0.00 s in every turn, within the budget of 0.8 s"
    )
    waited = two_panels({"published": article.FIGURE}, waits=[2.21, 2.13, 2.21])
    assert waited.get_suptitle() == "The article's formula reports 0.00 s, and the user waits 2.13 to 2.21 s"
