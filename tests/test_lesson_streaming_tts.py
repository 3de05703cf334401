"""Notebook 05: how a reply reaches the voice, what is heard, and the figures of it."""

import re

import pytest

from voice_agent_lab.lessons.streaming_tts import REPLY, UNITS, reply_turn, voice
from voice_agent_lab.measure.reply import cost_table, gaps, pieces
from voice_agent_lab.plots import alt_text
from voice_agent_lab.plots.reply import cost_of_speaking_early, gaps_in_words, text_voice_playback

TURNS = {name: reply_turn(unit) for name, unit in UNITS.items()}
BY_WORD, BY_SENTENCE = TURNS["by word"], TURNS["by sentence"]


def test_the_voice_starts_earlier_by_the_words_that_it_does_not_wait_for():
    first = REPLY.split(". ")[0].split()
    earlier = BY_SENTENCE.metrics.voice_to_voice - BY_WORD.metrics.voice_to_voice
    assert earlier == pytest.approx((len(first) - 1) / 10)  # ten words a second


def test_pieces_are_the_reply_and_gaps_are_its_silences():
    for turn in TURNS.values():
        assert " ".join(" ".join(pieces(turn)).split()) == REPLY
        assert all(gap > 0 for gap in gaps(turn))
    assert len(pieces(BY_SENTENCE)) == 2
    assert len(pieces(BY_WORD)) == len(REPLY.split())
    assert gaps(reply_turn("sentence", words_per_second=50, real_time_factor=0.1)) == []


def test_the_cost_of_speaking_early_is_what_the_turns_say():
    table = cost_table(TURNS)
    for name, turn in TURNS.items():
        assert table.loc[name, "gaps"] == len(gaps(turn))
        assert table.loc[name, "silence in gaps (s)"] == pytest.approx(sum(gaps(turn)), abs=1e-3)
        assert table.loc[name, "longest gap (s)"] == pytest.approx(max(gaps(turn), default=0), abs=1e-3)


def test_a_learners_own_cut_is_used_and_its_error_is_the_learners():
    async def two_halves(stream):
        text = "".join([token async for token in stream])
        yield text[:20]
        yield text[20:]

    async def broken(stream):
        raise KeyError("mine")
        yield

    first, second = pieces(reply_turn(two_halves))
    assert (first, second.strip()) == (REPLY[:20], REPLY[20:].strip())
    with pytest.raises(KeyError, match="mine"):
        reply_turn(broken)
    with pytest.raises(ValueError, match="words_per_second is 0"):
        reply_turn("word", words_per_second=0)


def test_the_sentence_of_the_explorer_is_about_the_turn_that_it_draws():
    sentence = voice().set(unit="by word", real_time_factor=0.8)
    turn = reply_turn("word", real_time_factor=0.8)
    metrics, silences = turn.metrics, gaps(turn)
    expected = [metrics.voice_to_voice, sum(silences), max(silences)]
    expected.append(metrics.playback_ended - metrics.speech_ended)
    said = [float(number) for number in re.findall(r"([\d.]+) s\b", sentence)]
    assert said == pytest.approx(expected, abs=0.005)
    assert f"{len(pieces(turn))} pieces" in sentence
    assert f"{len(silences)} gaps" in sentence


def test_gaps_in_words_are_counted_and_summed():
    assert gaps_in_words(BY_WORD) == f"{len(gaps(BY_WORD))} gaps, {sum(gaps(BY_WORD)):.2f} s"
    assert gaps_in_words(TURNS["by clause"]).startswith("1 gap, ")
    assert gaps_in_words(BY_SENTENCE) == "no gap"


def test_each_turn_stands_at_its_first_audio_and_its_silence():
    figure = cost_of_speaking_early(TURNS)
    (points,) = figure.axes[0].collections
    waits, silences = points.get_offsets().T.tolist()
    assert waits == pytest.approx([turn.metrics.voice_to_voice for turn in TURNS.values()])
    assert silences == pytest.approx([sum(gaps(turn)) for turn in TURNS.values()])


def test_text_voice_and_playback_are_drawn_where_they_happened():
    turn = BY_WORD
    figure = text_voice_playback({"by word": turn})
    written, _, _, _, spoken, silent = figure.axes[0].collections
    box = spoken.get_datalim(figure.axes[0].transData)
    zero = turn.metrics.speech_ended
    assert box.x0 == pytest.approx(turn.metrics.playback_started - zero)
    assert box.x1 == pytest.approx(turn.metrics.playback_ended - zero)
    assert len(silent.get_paths()) == len(gaps(turn))
    assert written.get_datalim(figure.axes[0].transData).x0 == pytest.approx(turn.metrics.llm_started - zero)
    assert f"{len(gaps(turn))} gaps" in alt_text(figure)


# The folded answers of the notebook, and what the figures say.


def test_the_answers_of_the_page_about_the_voice_hold():
    early = TURNS["by 20 characters"].metrics.voice_to_voice
    assert reply_turn("sentence", words_per_second=27.5).metrics.voice_to_voice <= early + 1e-6
    assert reply_turn("sentence", words_per_second=27).metrics.voice_to_voice > early + 1e-6
    for unit, largest in (("word", 0.55), ("sentence", 0.95)):
        assert gaps(reply_turn(unit, first_chunk=0.1, real_time_factor=largest)) == []
        assert gaps(reply_turn(unit, first_chunk=0.1, real_time_factor=largest + 0.05))
    late = gaps(reply_turn("word", leading_silence=0.18))
    assert (len(late), round(sum(late), 2)) == (18, 1.33)
    assert round(0.18 * len(pieces(BY_WORD)), 2) == 3.78


def headline_of(figure):
    return figure.get_suptitle()


def test_a_headline_says_which_reply_is_early_and_what_that_costs():
    clause, sentence = TURNS["by clause"].metrics.voice_to_voice, BY_SENTENCE.metrics.voice_to_voice
    said = headline_of(text_voice_playback(TURNS))
    assert said == f"Earliest by clause: {clause:.2f} s, 1 gap. Latest by sentence: {sentence:.2f} s, no gap"
    alone = headline_of(text_voice_playback({"by sentence": BY_SENTENCE}))
    assert alone == f"First sound by sentence: after {sentence:.2f} s, no gap"
    slow = reply_turn("sentence", real_time_factor=1.5)
    alike = headline_of(text_voice_playback({"slow": slow, "quick": BY_SENTENCE}))
    assert alike == f"All begin after {sentence:.2f} s; quick: no gap, slow: {gaps_in_words(slow)}"
    assert headline_of(text_voice_playback(TURNS, message="Look here")) == "Look here"


def test_a_headline_says_what_it_costs_to_have_no_gap():
    later = TURNS["by 20 characters"].metrics.voice_to_voice - BY_WORD.metrics.voice_to_voice
    said = headline_of(cost_of_speaking_early(TURNS))
    assert said == f"The first without a gap is by 20 characters, {later:.2f} s after the earliest"
    assert headline_of(cost_of_speaking_early({"by word": BY_WORD})) == "Each of them has gaps"
    assert "no gap" in headline_of(cost_of_speaking_early({"by sentence": BY_SENTENCE}))


def test_the_axis_stays_while_a_slider_moves():
    pictures = [voice.draw(unit="by sentence", words_per_second=words)[0] for words in (10.0, 20.0)]
    assert len({figure.axes[0].get_xlim() for figure in pictures}) == 1
