"""The figures of recognition show the numbers that they are given."""

import numpy as np
import pytest

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.lessons import streaming_asr
from voice_agent_lab.measure.progress import waiting_frames
from voice_agent_lab.measure.revisions import WordHistory, wrong_and_late
from voice_agent_lab.plots import alt_text, recognition
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.turns.agent import StreamingVoiceAgent

WORDS = [
    WordHistory(0.9, ((1.0, "too"), (1.3, "two")), 3.0),
    WordHistory(1.4, ((1.5, "ten"),), 3.0),
]


def test_the_curves_of_trust_pass_through_the_wait_that_is_marked():
    figure = recognition.wrong_against_wait(WORDS, wait=0.2, revision_rate=0.5, turns=1)
    wrong, late = wrong_and_late(WORDS, 0.2)
    for axes, value in zip(figure.axes, (100 * wrong, 1000 * late), strict=True):
        curve, mark, _ = axes.lines
        assert mark.get_xydata().tolist() == [[200, pytest.approx(value)]]
        assert np.interp(200, *curve.get_xydata().T) == pytest.approx(value)
    assert "50.0% of them are wrong" in alt_text(figure)


def test_the_backlog_is_drawn_as_it_is_after_each_arrival():
    agent = StreamingVoiceAgent(asr=StreamingASR(0.15))
    simulate(agent.process_turn("Yes, please."))
    (turn,) = agent.turns
    figure = recognition.backlog_over_time([turn], ["slow"])
    curve, final, *_ = figure.axes[0].lines
    assert curve.get_ydata().max() == waiting_frames(turn)[1].max()
    assert curve.get_ydata()[-1] == 0
    assert final.get_xdata()[0] == turn.metrics.asr_complete
    assert f"slow: at most {curve.get_ydata().max()} waiting" in alt_text(figure)


def test_a_median_is_a_point_and_its_tail_a_line():
    figure = recognition.finalisation_benchmarks({"one": {"stt-benchmark": (250, 330), "Coval": (90, 280)}})
    tail, median, *_ = figure.axes[0].lines
    assert (list(tail.get_xdata()), list(median.get_xdata())) == ([250, 330], [250])
    assert "one stt-benchmark 250 (p99 330), Coval 90 (p99 280)" in alt_text(figure)


def test_a_backlog_is_named_where_there_is_room():
    for words, side in ((40, "right"), (2, "left")):
        turn = streaming_asr.slow_turn(0.5, " ".join(["word"] * words))
        figure = recognition.backlog_over_time([turn], ["real-time factor 0.5"])
        (name,) = (text for text in figure.axes[0].texts if "at most 1" in text.get_text())
        assert name.get_ha() == side
        (message,) = (text.get_text() for text in figure.texts)
        assert message == "A recogniser that keeps up never has more than one frame waiting"
