"""The figures of the article show the numbers that they are given."""

import pytest

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.plots import alt_text
from voice_agent_lab.plots.article import mends, two_panels
from voice_agent_lab.published import article
from voice_agent_lab.turns.agent import StreamingVoiceAgent


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


def test_the_parts_after_each_mend_sum_to_the_wait():
    turns = {}
    for overlap in ("sequential", "concurrent"):
        agent = StreamingVoiceAgent(overlap=overlap)
        simulate(agent.process_turn("Hello, how are you today?"))
        turns[overlap] = agent.turns[0]
    figure = mends(turns, [0.5, 0.4])
    (axes,) = figure.axes
    for y, turn in enumerate(turns.values()):
        row = [bar for bar in axes.patches if round(bar.get_y() + bar.get_height() / 2) == y]
        assert sum(bar.get_width() for bar in row) == pytest.approx(turn.metrics.voice_to_voice)
    (reported,) = axes.lines
    assert reported.get_xydata().tolist() == [[0.5, 0], [0.4, 1]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["sequential", "concurrent"]
    assert "concurrent 1.62 s (reported 0.40 s)" in alt_text(figure)
