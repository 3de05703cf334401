"""The exercises of notebook 08: what is right is accepted, however it is written, and nothing else is."""

from math import exp, log

import numpy as np
import pytest

from voice_agent_lab import LearnedDetector, SilenceTimeout
from voice_agent_lab.lessons.exercises import WrongAnswer
from voice_agent_lab.lessons.exercises.turn_taking import (
    SHOWN,
    check_latest_bet,
    check_timer_for,
    check_words_and_silence,
    policies_judged,
)
from voice_agent_lab.lessons.turn_taking import with_pauses
from voice_agent_lab.models.pauses import PauseModel


class Listener:
    """What the notebook gives; the exercise is `finished`."""

    delay, timeout, ends = 0.6, 2.0, (".", "?", "!")

    def __init__(self):
        self.reset()

    def reset(self):
        self.text, self.silence = "", 0.0

    def understood(self, text):
        self.text = text

    def finished(self, speech, seconds):
        self.silence = 0.0 if speech else self.silence + seconds
        return self.silence >= (self.delay if self.text.endswith(self.ends) else self.timeout)


class InSteps(Listener):
    def finished(self, speech, seconds):
        if speech:
            self.silence = 0.0
            return False
        self.silence += seconds
        if self.text and self.text[-1] in ".?!":
            return np.bool_(self.silence > 0.65)
        return self.silence > 1.9


class ByFrames(Listener):
    def reset(self):
        self.text, self.silence = "", 0

    def finished(self, speech, seconds):
        self.silence = 0 if speech else self.silence + 1
        return self.silence * seconds >= (0.6 if self.text.endswith(self.ends) else 1.8)


def with_settings(**settings):
    return type("Listener", (Listener,), settings)


def finishing(method):
    return type("Listener", (Listener,), {"finished": method})


class NeverForgets(Listener):
    """Starts each turn with the words of the one before."""

    def reset(self):
        self.silence, self.text = 0.0, getattr(self, "text", "")

    def finished(self, speech, seconds):
        self.silence = 0.0 if speech else self.silence + seconds
        return bool(self.text.endswith(self.ends)) or self.silence >= self.timeout


class CountsSpeechToo(Listener):
    def finished(self, speech, seconds):
        self.silence += seconds
        return self.silence >= (0.6 if self.text.endswith(self.ends) else 2.0)


class KnowsTheTurns(Listener):
    def finished(self, speech, seconds):
        self.silence = 0.0 if speech else self.silence + seconds
        return self.silence >= (0.6 if any(self.text == shown for shown in SHOWN) else 2.0)


class WordsAlone(Listener):
    def finished(self, speech, seconds):
        self.silence = 0.0 if speech else self.silence + seconds
        return self.silence >= 0.6 and self.text.endswith(self.ends)


def by_hand(timeout, finalisation, first_token, sentence):
    return max(0.0, timeout + finalisation - (first_token + sentence))


def per_pause(share):
    return -log(1 - share) / 1.76


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (check_words_and_silence, Listener),
        (check_words_and_silence, InSteps),
        (check_words_and_silence, ByFrames),
        (check_words_and_silence, with_settings(delay=0.7, timeout=1.5)),
        (check_words_and_silence, with_settings(delay=0.6, timeout=2.5)),
        (check_latest_bet, by_hand),
        (check_latest_bet, lambda *seconds: round(by_hand(*seconds), 2)),
        (check_latest_bet, lambda *seconds: by_hand(*seconds) or 0),
        (check_timer_for, lambda share: 0.2 * per_pause(share) ** (-1 / 1.43)),
        (check_timer_for, lambda share: round(0.2 * np.exp(-np.log(per_pause(share)) / 1.43), 2)),
        (check_timer_for, lambda share: min(np.arange(0.2, 5, 0.001), key=lambda t: abs(
            1 - exp(-1.76 * (0.2 / t) ** 1.43) - share))),
    ],
)  # fmt: skip
def test_a_right_answer_is_accepted(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Right. ")


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (with_settings(delay=0.3), "Of the turns shown, 40, 7 are cut off, 5 may be"),
        (with_settings(delay=0.5), r'taken for whole with "[^"]*\."'),
        (with_settings(delay=0.6, timeout=1.0), "are cut off"),
        (with_settings(delay=0.6, timeout=0.6), "are cut off"),
        (with_settings(delay=2.0, timeout=2.0), "wait 2.00 s on average"),
        (with_settings(delay=0.8), "wait 1.0. s on average before the agent is sure, 0.9 s is promised"),
        (with_settings(delay=0.6, timeout=5.0), "wait 1... s on average"),
        (with_settings(ends=("?",)), "on average"),
        (with_settings(ends=(".",)), "on average"),
        (with_settings(delay=600, timeout=2000), "8 s of silence the policy still waits"),
        (with_settings(delay=0.0006, timeout=0.002), "are cut off"),
        (WordsAlone, "will be late for dinner\" and 8 s of silence the policy still waits"),
        (NeverForgets, "are cut off"),
        (CountsSpeechToo, "are cut off"),
        (KnowsTheTurns, "In unseen turns users wait"),
        (finishing(lambda self, speech, seconds: None), "returned None; it must be True or False"),
        (finishing(lambda self, speech, seconds: 0.6), "returned 0.6; it must be"),
        (finishing(lambda self, speech, seconds: True), "are cut off"),
        (finishing(lambda self, speech, seconds: False), "Every turn must end"),
        (
            finishing(lambda self, speech, seconds: self.text[-1] == "."),
            'raised IndexError: string index out of range; before a word is there, when the text is ""',
        ),
        (
            finishing(lambda self, speech, seconds: bool(self.text) and self.ends[3]),
            'raised IndexError: tuple index out of range; after "Can" and 0.10 s',
        ),
        (Listener(), "Give check_words_and_silence the name that you defined alone"),
        (lambda: SilenceTimeout(0.9), "no method understood"),
        (lambda: LearnedDetector(1.0, 0.3, 3.0), "no method understood"),
        (lambda: None, "returned None, which has no method"),
    ],
)  # fmt: skip
def test_a_policy_that_breaks_one_side_of_the_promise_is_refused(answer, refusal):
    with pytest.raises(WrongAnswer, match=refusal):
        check_words_and_silence(answer)


@pytest.mark.parametrize(
    ("check", "answer", "refusal"),
    [
        (check_latest_bet, lambda *seconds: 0.64, "the transcript is final 0.80 s after"),
        (
            check_latest_bet,
            lambda *seconds: by_hand(*seconds) - 0.035,
            "returned 0.6., and the model gives 0.64",
        ),
        (
            check_latest_bet,
            lambda t, f, first, s: t + f - (first + s),
            "nobody can bet before the end of speech",
        ),
        (check_latest_bet, lambda t, f, first, s: max(0, t - (first + s)), "final 1.10 s after"),
        (check_latest_bet, lambda t, f, first, s: max(0, t + f - first), "is written 0.46 s after"),
        (check_latest_bet, lambda t, f, first, s: max(0, t + f - s), "is written 0.46 s after"),
        (check_latest_bet, lambda t, f, first, s: by_hand(1.0, f, first, s), "latest_bet.0.6"),
        (check_latest_bet, lambda t, f, first, s: by_hand(t, 0.1, first, s), "latest_bet.0.6"),
        (check_latest_bet, lambda t, f, first, s: by_hand(t, f, 0.3, s), "latest_bet.0.6"),
        (check_latest_bet, lambda t, f, first, s: by_hand(t, f, first, 0.16), "latest_bet.0.6"),
        (check_latest_bet, lambda *seconds: 1000 * by_hand(*seconds), "returned 640.00"),
        (check_latest_bet, lambda *seconds: None, "returned None"),
        (check_latest_bet, lambda *seconds: str(by_hand(*seconds)), "not a number"),
        (check_timer_for, lambda share: 2.37, "timer_for.0.3"),
        (check_timer_for, lambda share: {0.3: 0.61, 0.1: 1.43, 0.05: 2.37}.get(share, 1.0), "timer_for.0.5"),
        (check_timer_for, lambda share: 0.2 * share ** (-1 / 1.43), "must become one of pauses first"),
        (check_timer_for, lambda share: 0.2 * (share / 1.76) ** (-1 / 1.43), "timer_for.0.3"),
        (check_timer_for, lambda share: 0.2 * per_pause(share / 100) ** (-1 / 1.43), "timer_for.0.3"),
        (check_timer_for, lambda share: 0.2 * per_pause(share) ** (1 / 1.43), "the model gives 0.61"),
        (check_timer_for, lambda share: per_pause(share) ** (-1 / 1.43), "the model gives 0.61"),
        (check_timer_for, lambda share: 200 * per_pause(share) ** (-1 / 1.43), "the model gives 0.61"),
        (check_timer_for, lambda share: None, "returned None"),
    ],
)
def test_a_wrong_formula_is_refused_with_its_rule(check, answer, refusal):
    with pytest.raises(WrongAnswer, match=refusal):
        check(answer)


class Stub(Listener):
    def finished(self, speech, seconds):
        raise NotImplementedError


def stub(*_):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("check", "answer"),
    [(check_words_and_silence, Stub), (check_latest_bet, stub), (check_timer_for, stub)],
)
def test_a_stub_is_not_answered_yet(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Not answered yet: ")


def test_no_timer_keeps_both_sides_of_the_promise():
    timers = {f"{seconds} s": SilenceTimeout(seconds) for seconds in (0.3, 0.6, 0.9, 1.0, 1.2, 1.5)}
    judged = policies_judged(timers)
    kept = (judged["cut off, of 40"] <= 5) & (judged["mean wait (s)"] <= 0.9)
    assert not kept.any()
    assert judged["mean wait (s)"].tolist() == [0.3, 0.6, 0.9, 1.0, 1.2, 1.5]
    assert judged["cut off, of 40"].is_monotonic_decreasing


def test_pauses_stand_between_the_words_and_change_none_of_them():
    paused = with_pauses(SHOWN, PauseModel(per_turn=3), seed=1)
    assert "<break" in paused[0]
    assert [" ".join(text.split()) for text in SHOWN] == [
        " ".join(word for word in text.split() if word != "<break" and not word.startswith("time="))
        for text in paused
    ]
