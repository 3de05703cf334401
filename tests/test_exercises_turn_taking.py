"""The exercises of notebook 08: what is right is accepted, however it is written, and nothing else is."""

import math

import numpy as np
import pytest

from voice_agent_lab.lessons.exercises import WrongAnswer
from voice_agent_lab.lessons.exercises.turn_taking import (
    check_latest_bet,
    check_timer_for,
    check_words_and_silence,
)


class Words:
    """Waits shortly after a sentence's mark, and long without one."""

    short, long = 0.6, 2.0

    def __init__(self):
        self.reset()

    def understood(self, text):
        self.text = text

    def finished(self, speech, seconds):
        self.silence = 0.0 if speech else self.silence + seconds
        return self.silence >= (self.short if self.text.endswith((".", "?", "!")) else self.long) - 1e-9

    def reset(self):
        self.text, self.silence = "", 0.0


class ShortTimer(Words):
    long = 0.6


class LongTimer(Words):
    short = 2.0


class MarkAlone(Words):
    short = 0.05


class NeverWithoutMark(Words):
    long = math.inf


class NoAnswer(Words):
    def finished(self, speech, seconds):
        return None


class Stub(Words):
    def finished(self, speech, seconds):
        raise NotImplementedError


def test_a_policy_that_listens_to_the_words_is_right(capsys):
    check_words_and_silence(Words)
    assert capsys.readouterr().out.startswith("Right.")


@pytest.mark.parametrize(
    ("policy", "refusal"),
    [
        (ShortTimer, "are cut off"),
        (LongTimer, "users wait"),
        (MarkAlone, "are cut off"),
        (NeverWithoutMark, "Every turn must end"),
        (NoAnswer, "must be True or False"),
    ],
)
def test_a_policy_that_breaks_a_promise_is_refused_with_the_turns(policy, refusal):
    with pytest.raises(WrongAnswer, match=refusal):
        check_words_and_silence(policy)


def test_a_policy_that_is_not_written_yet_is_not_answered_yet(capsys):
    check_words_and_silence(Stub)
    assert capsys.readouterr().out.startswith("Not answered yet")


def latest(timeout, finalisation, first_token, sentence):
    return max(0.0, timeout + finalisation - (first_token + sentence))


def timer(share):
    return 0.2 * (-np.log(1 - share) / 1.76) ** (-1 / 1.43)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (check_latest_bet, latest),
        (check_latest_bet, lambda *seconds: round(latest(*seconds), 2)),
        (check_timer_for, timer),
        (check_timer_for, lambda share: round(float(timer(share)), 2)),
    ],
)
def test_a_right_formula_is_right_rounded_or_not(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Right.")


@pytest.mark.parametrize(
    "answer",
    [
        lambda *_: 0.64,
        lambda *_: None,
        lambda *seconds: max(0.0, latest(*seconds) - 0.035),
        lambda t, f, first, s: t + f - first - s,
        lambda t, f, first, s: latest(1.0, f, first, s),
        lambda t, f, first, s: latest(t, 0.1, first, s),
        lambda t, f, first, s: latest(t, f, 0.3, s),
        lambda t, f, first, s: latest(t, f, first, 0.16),
    ],
)
def test_a_bet_of_another_time_is_refused(answer):
    with pytest.raises(WrongAnswer, match="latest_bet"):
        check_latest_bet(answer)


@pytest.mark.parametrize(
    "answer",
    [
        lambda share: 2.37,
        lambda share: {0.30: 0.61, 0.10: 1.43, 0.05: 2.37}.get(share, 1.0),
        lambda share: None,
        lambda share: 0.2 * share ** (-1 / 1.43),
        lambda share: 0.2 * (share / 1.76) ** (-1 / 1.43),
        lambda share: 1000 * timer(share),
    ],
)
def test_a_timer_for_another_share_is_refused(answer):
    with pytest.raises(WrongAnswer, match="timer_for"):
        check_timer_for(answer)


def test_stubs_of_formulas_are_not_answered_yet(capsys):
    def stub(*_):
        raise NotImplementedError

    check_latest_bet(stub)
    check_timer_for(stub)
    assert capsys.readouterr().out.count("Not answered yet") == 2
