"""Notebook 04: tokens at their rate, tails, and what drafting does for a sentence."""

import re

import numpy as np
import pytest

from voice_agent_lab.lessons import streaming_llm
from voice_agent_lab.measure.progress import milestones
from voice_agent_lab.measure.reply import gaps
from voice_agent_lab.models.drafting import speedup


def numbers(sentence):
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", sentence)]


def test_tokens_come_at_their_rate():
    # Nine words: the first after 0.5 s, eight more at 50 a second. The whole reply is one sentence.
    turn = streaming_llm.answered(0.5, 50, "one two three four five six seven eight nine.")
    assert milestones(turn) == {
        "first token": pytest.approx(0.5),
        "first sentence": pytest.approx(0.66),
        "last token": pytest.approx(0.66),
    }
    with pytest.raises(ValueError, match="tokens_per_second is 0"):
        streaming_llm.answered(0.5, 0)


def test_a_voice_runs_dry_only_if_text_comes_slower_than_it_speaks():
    slow, fast = (streaming_llm.answered(0.5, rate, streaming_llm.LONG_REPLY) for rate in (2.5, 50))
    assert len(gaps(slow)) > 0
    assert gaps(fast) == []


def test_the_sentence_about_the_first_sentence_has_the_turns_moments():
    turn = streaming_llm.answered(0.35, 5)
    first, sentence, last = milestones(turn).values()
    _, told = streaming_llm.first_sentence.draw(0.35, 5)
    expected = [first, sentence, last, turn.metrics.voice_to_voice, sentence - first]
    assert numbers(told) == pytest.approx(expected, abs=0.0051)


def test_percentiles_that_were_measured_stand_beside_those_of_draws():
    table = streaming_llm.compared({"draws": np.arange(101) / 100}, {50: 0.4, 95: 0.9})
    assert list(table.index) == ["p50", "p95"]
    assert list(table["measured"]) == [0.4, 0.9]
    assert list(table["draws"]) == [0.5, 0.95]
    assert streaming_llm.hosted_models().loc["gpt-4.1", "p95/median"] == 3.3  # 1771 / 536


def test_drafts_shorten_what_comes_after_the_first_token():
    _, told = streaming_llm.speculative.draw(0.8, 4, 0.1)
    *_, rate, first, faster, plain = numbers(told)
    assert (rate, first) == (20, 0.5)
    assert plain == pytest.approx(0.5 + 8 / 20)  # the canned reply's first sentence has nine words
    assert faster == pytest.approx(first + (plain - first) / speedup(0.8, 4, 0.1), abs=0.0051)


def test_the_answers_of_the_page_about_the_two_numbers_hold():
    def waits(ttft, rate):
        return streaming_llm.answered(ttft, rate).metrics.voice_to_voice

    assert waits(0.5, 50) - waits(0.5, 200) == pytest.approx(0.12)
    assert waits(0.5, 5) - waits(0.5, 20) == pytest.approx(1.2)
    assert waits(0.5, 50) - waits(0.25, 50) == pytest.approx(0.25)
    assert waits(0.5, 5) - waits(0.5, 20) > waits(0.5, 5) - waits(
        0.25, 5
    )  # at 5 a second, the other way round


def test_the_answers_of_the_page_about_drafts_hold():
    best = {a: max(range(17), key=lambda g, a=a: speedup(a, g, 0.1)) for a in (0.8, 0.5)}
    assert best == {0.8: 6, 0.5: 2}
    assert speedup(0.8, 200, 0) == pytest.approx(5)
