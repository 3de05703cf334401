"""Notebook 03: partials that are revised, and a recogniser that falls behind."""

import re

import numpy as np
import pytest

from voice_agent_lab.lessons import streaming_asr
from voice_agent_lab.measure.progress import three_clocks, waiting_frames
from voice_agent_lab.measure.revisions import logged, spurious_edits, wrong_and_late
from voice_agent_lab.published import coval, stt_benchmark


def numbers(sentence):
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", sentence)]


def test_a_word_of_the_simulated_user_is_spoken_until_its_last_character():
    turn = logged("set ten", [(0.5, "set"), (1.5, "set ten")], 0.56)
    words = streaming_asr.words_of(turn)
    assert [word.spoken_until for word in words] == [pytest.approx(3 / 12.5), pytest.approx(7 / 12.5)]


def test_many_turns_have_every_word_of_the_requests_and_end_right():
    words = streaming_asr.many_turns(0.3)
    said = " ".join(streaming_asr.REQUESTS).split()
    assert [word.text for word in words] == said * (60 // len(streaming_asr.REQUESTS))
    # A word is shown with the frame of 40 ms in which its audio ends.
    assert all(0 <= round(word.history[0][0] - word.spoken_until, 9) < 0.04 for word in words)


def test_without_revisions_no_word_is_wrong_at_any_wait():
    words = streaming_asr.many_turns(0.0)
    assert wrong_and_late(words, 0.0)[0] == 0
    assert spurious_edits(words) == 0
    _, sentence = streaming_asr.stability.draw(320, 0.0)
    assert re.findall(r"([\d.]+)% .{0,10}are wrong", sentence) == ["0.0", "0.0"]


def test_the_sentence_about_trust_has_the_numbers_of_the_words():
    words = streaming_asr.many_turns(0.3)
    wrong, late = wrong_and_late(words, 0.52)
    _, sentence = streaming_asr.stability.draw(520, 0.3)
    expected = [len(words), 60, 30, 520, 100 * wrong, late, 100 * wrong_and_late(words, 0.0)[0]]
    assert numbers(sentence) == pytest.approx(expected, abs=0.05)


def test_a_recogniser_slower_than_speech_builds_a_backlog():
    turn = streaming_asr.slow_turn(2.0, "Hi there, you.")
    times, waiting = waiting_frames(turn)
    assert waiting.min() == 0 == waiting[-1]
    assert (np.diff(times) >= 0).all()
    assert waiting.max() > 5


def test_a_recogniser_as_fast_as_speech_has_one_frame_to_do():
    # It gets frame k at 0.1 k s. At factor 1 every frame is done as the next one comes.
    words, _, factor, most, frame, late, wait = numbers(streaming_asr.backlog.draw(1.0, 14)[1])
    assert (words, factor, most, frame) == (14, 1.0, 1, 0.1)
    assert late == frame
    assert wait > 0.5  # the silence alone


def test_one_final_transcript_has_a_wait_for_each_moment_to_count_from():
    turn = streaming_asr.slow_turn(1.2, "Yes, please.")
    m = turn.metrics
    assert three_clocks(turn) == {
        "end of speech": pytest.approx(m.asr_complete - m.speech_ended),
        "end of turn": pytest.approx(m.asr_complete - m.end_of_turn),
        "last frame recognised": pytest.approx(0.3),  # the article's finalisation
    }
    only_a_log = logged("set ten", [(0.5, "set"), (1.5, "set ten")], 1.2)
    assert three_clocks(only_a_log) == {"end of speech": pytest.approx(0.3)}


def test_the_two_benchmarks_differ_by_what_they_count():
    table = streaming_asr.finalisation_table()
    assert table.loc["Deepgram nova-3", "difference"] == 96 - 247
    assert (table["difference"] == table["Coval"] - table["stt-benchmark"]).all()
    assert list(table.index) == list(coval.FINAL_TRANSCRIPT) == list(stt_benchmark.FINAL_TRANSCRIPT)
