"""The figures of tokens show the numbers that they are given."""

import numpy as np
import pytest

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.lessons.streaming_llm import answered
from voice_agent_lab.measure.progress import milestones
from voice_agent_lab.models.drafting import speedup
from voice_agent_lab.plots import alt_text, tokens
from voice_agent_lab.published.aiewf_eval import HOSTED_MS
from voice_agent_lab.turns.agent import StreamingVoiceAgent


def test_the_steps_are_the_tokens_and_the_marks_their_milestones():
    agent = StreamingVoiceAgent()
    simulate(agent.process_turn("What's the weather like?"))
    (turn,) = agent.turns
    figure = tokens.token_stream([turn], ["A"])
    steps, *marks = figure.axes[0].lines[:4]
    assert list(steps.get_ydata()) == list(range(len(turn.log.all("llm", "token")) + 1))
    assert [mark.get_xdata()[0] for mark in marks] == list(milestones(turn).values())
    assert marks[-1].get_ydata()[0] == steps.get_ydata()[-1]
    assert f"first token {milestones(turn)['first token']:.3f} s" in alt_text(figure)


def test_a_row_for_each_hosted_model_on_a_logarithmic_axis():
    (axes,) = tokens.hosted_tails().axes
    assert axes.get_xscale() == "log"
    for line, column in zip(axes.lines, zip(*HOSTED_MS.values(), strict=True), strict=True):
        assert list(line.get_xdata()) == pytest.approx([ms / 1000 for ms in column])
    assert [label.get_text() for label in axes.get_yticklabels()] == list(HOSTED_MS)


def test_a_tail_falls_and_passes_through_its_percentiles():
    draws = np.random.default_rng(0).lognormal(size=10_000)
    figure = tokens.tails({"draws": draws}, {50: 1.0, 99: 10.0})
    tail, measured = figure.axes[0].lines
    assert (np.diff(tail.get_ydata()) < 0).all() and (np.diff(tail.get_xdata()) > 0).all()
    assert measured.get_xydata() == pytest.approx(np.array([[1.0, 500], [10.0, 10]]))
    assert f"p50 {np.percentile(draws, 50):.2f} s" in alt_text(figure)


def test_the_speed_up_is_marked_on_its_curve_and_simulated_beside_it():
    formula, simulated, mark, _ = tokens.speedup_curve(0.8, 4, 0.1).axes[0].lines
    assert mark.get_xydata().tolist() == [[4, speedup(0.8, 4, 0.1)]]
    assert formula.get_ydata()[4] == speedup(0.8, 4, 0.1)
    assert simulated.get_ydata() == pytest.approx(formula.get_ydata(), rel=0.1)


def test_drafts_that_cost_more_than_they_are_worth_gain_nothing():
    assert "no draft length gains anything" in alt_text(tokens.speedup_curve(0.3, 4, 0.5))
    assert "best with g = 6" in alt_text(tokens.speedup_curve(0.8, 4, 0.1))


def test_headlines_say_the_numbers_that_are_drawn():
    turns = [answered(0.3, 20), answered(0.7, 200)]
    said = tokens.token_stream(turns, ["A", "B"]).get_suptitle()
    assert said == "A leads by 0.40 s at the first token and 0.04 s at the first sentence"
    alone = tokens.token_stream(turns[:1], ["A"]).get_suptitle()
    assert alone == "A: first token after 0.30 s, first sentence after 0.70 s"
    medians, _, longest = (np.array(column) / 1000 for column in zip(*HOSTED_MS.values(), strict=True))
    said = tokens.hosted_tails().get_suptitle()
    for seconds in (f"{medians.max():.2f}", f"{longest.min():.1f}", f"{longest.max():.1f}"):
        assert seconds in said
    draws = {"log-normal": np.full(10, 0.7)}
    said = tokens.tails(draws, {50: 1.0, 99: 6.1}).get_suptitle()
    assert said == "At p99 6.1 s were measured; log-normal draws give 0.7 s"
    assert (
        tokens.speedup_curve(0.8, 4, 0.1)
        .get_suptitle()
        .startswith("With 4 drafted tokens 2.40 times as fast; at best")
    )
    assert "no number of them gains" in tokens.speedup_curve(0.3, 1, 0.5).get_suptitle()
