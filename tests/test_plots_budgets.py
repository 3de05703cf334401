"""The figures of promises: people and machine, the stamps of a turn, a budget shared out."""

import re
from math import isnan

import pytest

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.log import EventLog
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import alt_text, length
from voice_agent_lab.plots.budgets import people_and_machine, shared_budget, stamps_of_a_turn
from voice_agent_lab.published import people, primer
from voice_agent_lab.stages.llm import ToolCallingLLM
from voice_agent_lab.stages.tools import Tools, simulated_tool
from voice_agent_lab.turns.agent import StreamingVoiceAgent

SHARES = {
    "endpointing": 200,
    "finalisation": 100,
    "first token": 350,
    "first sentence": 20,
    "first chunk": 120,
    "network, devices": 203,
}


def widths(axes, row):
    """The lengths of the bars of a row, from the left."""
    bars = [bar for bar in axes.patches if bar.get_y() < row < bar.get_y() + bar.get_height()]
    return [bar.get_width() for bar in sorted(bars, key=lambda bar: bar.get_x())]


def test_people_and_machine_are_drawn_as_published():
    figure = people_and_machine()
    (axes,) = figure.axes
    assert widths(axes, 0) == [people.ANSWER_MEDIANS_MS[1]]
    assert sum(widths(axes, 1)) == sum(primer.PRIMER_MS.values())
    assert widths(axes, 1)[1:5] == list(primer.SERVICES_MS.values())
    (message,) = (text.get_text() for text in figure.texts)
    assert message == "People answer within 300 ms; a tuned agent takes 993 ms"
    said = {int(number) for number in re.findall(r"\d+", alt_text(figure))}
    assert said == {0, 300, people.ANSWER_MEAN_MS, 600, people.RATINGS_DIFFER_MS[1], 993, primer.TARGET_MS}


def test_every_stamp_of_a_turn_has_a_number_where_it_happened():
    agent = StreamingVoiceAgent()
    metrics = simulate(agent.process_turn("Hello, how are you today?"))
    figure = stamps_of_a_turn(agent.turns[0])
    stamps = sorted(metrics.stamps.values())
    drawn = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert drawn == stamps
    assert [text.get_text() for text in figure.axes[0].texts] == [str(k + 1) for k in range(len(stamps))]
    assert f"voice-to-voice {length(metrics.voice_to_voice)}" in alt_text(figure)
    (message,) = (text.get_text() for text in figure.texts)
    assert message == "The user waits 1.62 s; time to first audio tells of 0.72 s"


def test_the_stamp_of_an_answer_after_a_filler_has_a_place_too():
    llm = ToolCallingLLM({"weather": "look_up"})
    agent = StreamingVoiceAgent(llm=llm, tools=Tools([simulated_tool("look_up")], filler="One moment."))
    simulate(agent.process_turn("How is the weather?"))
    assert "answer_started" in alt_text(stamps_of_a_turn(agent.turns[0]))


def test_what_was_not_measured_has_no_place():
    figure = stamps_of_a_turn(Turn(EventLog()))
    assert isnan(Turn(EventLog()).metrics.voice_to_voice)
    assert [axes.lines[:] for axes in figure.axes] == [[], []]
    assert alt_text(figure).count("not measured") == len(figure.axes[1].texts) == 4


@pytest.mark.parametrize(("budget", "within", "over"), [(800, 800, [193]), (993, 993, []), (2000, 993, [])])
def test_the_shares_follow_each_other_and_their_sum_is_held_against_the_budget(budget, within, over):
    (axes,) = shared_budget(budget, SHARES).axes
    assert [widths(axes, row) for row in range(6)] == [[ms] for ms in SHARES.values()]
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches[:6]]
    assert [bar.get_x() for bar in axes.patches[1:6]] == ends[:-1]
    assert widths(axes, 6) == [within, *over]


def test_the_axis_of_a_shared_budget_stays_while_a_share_moves_a_little():
    moved = [
        shared_budget(800, {**SHARES, "first token": ms}).axes[0].get_xlim()[1] for ms in (0, 350, 700, 900)
    ]
    assert moved == [1500, 1500, 1500, 3000]
