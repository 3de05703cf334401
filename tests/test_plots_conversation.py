"""Figures of conversations and of who waited: their artists and their words are those of the turns."""

import re
from itertools import pairwise

import pytest
from matplotlib.colors import to_rgba

from voice_agent_lab import Interruption, Say
from voice_agent_lab.lessons import barge_in, the_orchestrator, turn_taking
from voice_agent_lab.measure.critical_path import critical_path
from voice_agent_lab.measure.turn import Span
from voice_agent_lab.measure.who_spoke import agent_speech, user_speech
from voice_agent_lab.plots import STAGE_COLOURS, alt_text
from voice_agent_lab.plots.conversation import bets, both_answers, both_speakers, conversation_timeline
from voice_agent_lab.plots.critical_path import critical_paths, workers_side_by_side

CUT_OFF = turn_taking.conversation(turn_taking.CUT_OFF, latencies=turn_taking.QUICK).turns
INTERRUPTED = barge_in.interrupted(1.5).turns


def written(figure):
    return [text.get_text().strip() for axes in figure.axes for text in axes.texts if text.get_text()]


def test_each_stretch_of_speech_is_a_bar_with_its_words():
    said = turn_taking.spoken_stretches(turn_taking.CUT_OFF)
    figure = both_speakers(CUT_OFF, said)
    bars = [c.get_paths()[0].get_extents() for c in figure.axes[0].collections]
    assert [(bar.x0, bar.x1) for bar in bars[: len(said)]] == [pytest.approx(each[:2]) for each in said]
    assert {"Tell me the weather", "in London tomorrow.", "user", "agent"} <= set(written(figure))
    assert written(figure).count("end of turn?") == len(CUT_OFF)
    assert f"from {CUT_OFF[0].metrics.playback_started:.2f} to" in alt_text(figure)
    assert figure.get_suptitle() == "One utterance, with a pause of 0.8 s, becomes 2 turns"


def test_words_without_room_are_left_out_and_that_shows():
    figure = both_speakers(CUT_OFF, turn_taking.spoken_stretches(turn_taking.CUT_OFF))
    (shortened,) = [text for text in written(figure) if text.endswith("\N{HORIZONTAL ELLIPSIS}")]
    assert CUT_OFF[1].heard.startswith(shortened[:-1].strip())


def test_a_lost_bet_is_hatched_and_a_won_one_is_not():
    turn = turn_taking.one_bet(0.2, 0.6, 1.0)
    figure = bets(turn, turn_taking.spoken_stretches(turn.user_input))
    boxes = [patch for patch in figure.axes[0].patches if patch.get_visible()]
    assert [bool(box.get_hatch()) for box in boxes] == [True, False]
    fates = [text for text in written(figure) if text.startswith("bet")]
    assert fates == [f"bet lost: {turn.wasted_tokens} tokens wasted", f"bet won: {turn.lead:.2f} s of lead"]
    assert f"{turn.wasted_tokens} tokens, withdrawn" in alt_text(figure)
    assert (
        figure.get_suptitle()
        == f"1 bet lost, {turn.wasted_tokens} tokens wasted; one won, {turn.lead:.2f} s ahead"
    )


def test_a_cut_off_user_is_the_headline_whatever_the_bets_did():
    turn = turn_taking.one_bet(0.2, 2.0, 1.0)
    figure = bets(turn, turn_taking.spoken_stretches(turn.user_input))
    assert figure.get_suptitle().startswith("The user is cut off")


def test_the_headline_of_a_conversation_says_what_was_heard():
    heard = len(INTERRUPTED[0].heard.split())
    took = INTERRUPTED[0].barge_in_to_silence
    headline = f"Silent {took:.2f} s after the user began to speak; {heard} of 12 words are heard"
    assert conversation_timeline(INTERRUPTED).get_suptitle() == headline
    thinking = barge_in.talk(Say(barge_in.PROMPT), Say(barge_in.STOP, 0.1, "thinking")).turns
    assert "never heard" in conversation_timeline(thinking).get_suptitle()
    calm = barge_in.interrupted(1.5, Interruption(2.5)).turns
    assert conversation_timeline(calm).get_suptitle() == "The agent is not stopped; 12 of 12 words are heard"


def test_a_conversation_has_every_word_once_heard_or_not():
    figure = conversation_timeline(INTERRUPTED, (barge_in.PROMPT, barge_in.STOP))
    words = " ".join(written(figure))
    assert words.count(barge_in.REPLY) == words.count(barge_in.STOP) == 1
    grey = [text for text in figure.axes[0].texts if text.get_style() == "italic"]
    assert " ".join(text.get_text() for text in grey) == barge_in.REPLY.removeprefix(INTERRUPTED[0].heard)[1:]
    marks = [text for text in written(figure) if re.match(r"(barge-in|silence) [\d.]+ s", text)]
    began, silent = (float(mark.split()[1]) for mark in marks)
    assert silent - began == pytest.approx(INTERRUPTED[0].barge_in_to_silence, abs=0.011)
    with pytest.raises(ValueError, match="turns is empty"):
        conversation_timeline([])


def test_speech_over_answers_is_counted_from_their_first_sound():
    figure = both_answers({"one": INTERRUPTED, "two": INTERRUPTED})
    zero = INTERRUPTED[0].metrics.playback_started
    user, agent = [c.get_paths()[0].get_extents() for c in figure.axes[0].collections][:2]
    assert user.x0 == pytest.approx(user_speech(INTERRUPTED)[1][0] - zero)
    assert agent.x0 == pytest.approx(0)
    assert agent.x1 == pytest.approx(agent_speech(INTERRUPTED[0])[-1][1] - zero)
    assert figure.get_suptitle() == "All of them end the answer"
    calm = barge_in.interrupted(1.5, Interruption(2.5)).turns
    assert both_answers({"one": calm, "two": INTERRUPTED}).get_suptitle() == 'Only "two" ends the answer'


def test_a_critical_path_has_a_bar_for_each_stage_in_a_row():
    turns = {name: the_orchestrator.overlap_turn(name) for name in ("chained", "concurrent")}
    bars = critical_paths(turns).axes[0].patches
    for y, turn in enumerate(turns.values()):
        row = [bar for bar in bars if bar.get_y() + bar.get_height() / 2 == pytest.approx(y)]
        path = critical_path(turn)
        assert row[0].get_x() == 0
        assert sum(bar.get_width() for bar in row) == pytest.approx(path[-1].end - path[0].start)
        assert len(row) == 1 + sum(a.stage != b.stage for a, b in pairwise(path))
    assert critical_paths(turns).get_suptitle() == "LLM on the path: chained 5.10 s, concurrent 1.90 s"


def test_workers_side_by_side_have_their_own_colours():
    spans = [Span("llm", "one", 0.0, 1.0), Span("tts", "one", 1.0, 3.0)]
    figure = workers_side_by_side({"a run": spans})
    drawn = {(bar.get_x(), bar.get_x() + bar.get_width()): bar for bar in figure.axes[0].patches}
    assert list(drawn) == [(0.0, 1.0), (1.0, 3.0)]
    colours = [bar.get_facecolor() for bar in drawn.values()]
    assert colours == [to_rgba(STAGE_COLOURS[stage]) for stage in ("llm", "tts")]
    assert "tts one 1 to 3 s" in alt_text(figure)
    assert figure.get_suptitle() == "Done after: a run 3 s"
