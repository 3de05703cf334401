"""The exercises of notebook 09: what is right is accepted, however it is written, and nothing else is."""

import pytest

from voice_agent_lab.lessons.barge_in import REPLY
from voice_agent_lab.lessons.exercises import WrongAnswer
from voice_agent_lab.lessons.exercises.barge_in import check_patient_listener, check_words_heard
from voice_agent_lab.turns.interruption import Interruption


def longest_start(sentence, seconds):
    words = sentence.split()
    starts = (" ".join(words[:n]) for n in range(len(words) + 1))
    return max((start for start in starts if len(start) <= seconds * 15 + 1e-6), key=len)


def word_by_word(sentence, seconds):
    heard = ""
    for word in sentence.split():
        longer = f"{heard} {word}".strip()
        if len(longer) > seconds * 15 + 1e-6:
            break
        heard = longer
    return heard


def half_words_too(sentence, seconds):
    return sentence[: int(seconds * 15 + 1e-6)].strip()


def spaces_left_out(sentence, seconds):
    heard, letters = [], 0
    for word in sentence.split():
        letters += len(word)
        if letters <= seconds * 15 + 1e-6:
            heard.append(word)
    return " ".join(heard)


def sentence_ignored(sentence, seconds):
    return longest_start(REPLY, seconds)


def as_a_list(sentence, seconds):
    return longest_start(sentence, seconds).split()


def nothing(*_):
    return None


def unanswered(*_):
    raise NotImplementedError


@pytest.mark.parametrize("answer", [longest_start, word_by_word])
def test_the_words_heard_may_be_found_in_several_ways(answer, capsys):
    check_words_heard(answer)
    assert capsys.readouterr().out.startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (half_words_too, "is heard"),
        (spaces_left_out, "with the spaces"),
        (sentence_ignored, "We are|No\\."),
        (lambda sentence, seconds: sentence, "is heard"),
        (lambda sentence, seconds: longest_start(sentence, 1.5), "is heard"),
        (lambda sentence, seconds: longest_start(sentence, seconds * 14 / 15), "is heard"),
        (as_a_list, "one string"),
        (nothing, "returned None"),
    ],
)
def test_other_words_are_refused_with_the_rule(answer, refusal):
    with pytest.raises(WrongAnswer, match=refusal):
        check_words_heard(answer)


@pytest.mark.parametrize("resume_after", [0.3, 0.6, 0.9])
def test_a_patient_listener_may_resume_sooner_or_later(resume_after, capsys):
    check_patient_listener(lambda: Interruption(min_speech=0.5, min_words=3, resume_after=resume_after))
    assert capsys.readouterr().out.startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (nothing, "must return an Interruption"),
        (lambda: Interruption, "must return an Interruption"),
        (lambda: 0.5, "must return an Interruption"),
        (Interruption, "into the answer"),
        (lambda: Interruption(min_speech=0.5, min_words=2, resume_after=0.6), "Uh-huh, right"),
        (lambda: Interruption(min_speech=0.5, min_words=3), "may hold the agent up"),
        (lambda: Interruption(min_speech=3.0), "must silence it within"),
        (lambda: Interruption(min_speech=0.5, min_words=20, resume_after=0.6), "does not silence the agent"),
        (
            lambda: Interruption(min_speech=1.2, min_words=3, resume_after=0.6),
            "silences the agent in 1.[0-9]+ s. An",
        ),
    ],
)
def test_an_impatient_or_stubborn_listener_is_refused_with_the_case(answer, refusal):
    with pytest.raises(WrongAnswer, match=refusal):
        check_patient_listener(answer)


@pytest.mark.parametrize("check", [check_words_heard, check_patient_listener])
def test_a_stub_of_the_last_notebook_is_not_answered_yet(check, capsys):
    check(unanswered)
    assert capsys.readouterr().out.startswith("Not answered yet")
