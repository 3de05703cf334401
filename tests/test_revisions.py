"""How a recogniser changes its mind, by hand."""

import pytest

from voice_agent_lab.measure.revisions import (
    WordHistory,
    edits,
    logged,
    spurious_edits,
    word_histories,
    wrong_and_late,
)


def taken_for(*history, spoken_until=1.0, final_at=3.0):
    return WordHistory(spoken_until, history, final_at)


def test_a_word_is_trusted_when_it_has_stood_for_long_enough():
    word = taken_for((1.0, "too"), (1.3, "two"))
    assert word.text == "two"
    assert word.trusted(0.0) == (1.0, "too")
    assert word.trusted(0.2) == (1.2, "too")
    assert word.trusted(0.3) == (1.6, "two")  # at 1.3 s it had just changed
    assert word.trusted(5.0) == (3.0, "two")  # the final transcript ends the wait


def test_shares_of_wrong_and_late_words_by_hand():
    words = [taken_for((1.0, "too"), (1.3, "two")), taken_for((1.5, "ten"))]
    assert wrong_and_late(words, 0.2) == pytest.approx((0.5, (0.2 + 0.7) / 2))
    assert wrong_and_late(words, 0.4) == pytest.approx((0.0, (0.7 + 0.9) / 2))
    assert spurious_edits(words) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="words is empty"):
        wrong_and_late([], 0.2)


def test_edits_are_words_that_appear_or_change():
    turn = logged("set ten", [(0.5, "set"), (1.0, "set two"), (1.5, "set ten")], 1.2)
    assert edits(turn) == (3, 2)
    words = word_histories(turn, [0.4, 0.9])
    assert [word.history for word in words] == [((0.5, "set"),), ((1.0, "two"), (1.5, "ten"))]
    assert [(word.spoken_until, word.final_at) for word in words] == [(0.4, 1.5), (0.9, 1.5)]


def test_a_word_that_was_never_shown_has_no_history():
    turn = logged("set ten now", [(0.5, "set"), (1.5, "set ten")], 1.2)
    assert [word.text for word in word_histories(turn, [0.4, 0.9, 1.1])] == ["set", "ten"]
