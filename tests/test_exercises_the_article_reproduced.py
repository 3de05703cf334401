"""The exercises of notebook 07: what is right is accepted, however it is written, and nothing else is."""

from math import isnan, nan

import pytest

from voice_agent_lab.as_published import PROMPTS, Fault
from voice_agent_lab.lessons.exercises import WrongAnswer
from voice_agent_lab.lessons.exercises.the_article_reproduced import (
    check_07_honest_verdict,
    check_07_read_the_wait,
    check_07_worth_of_a_mend,
)
from voice_agent_lab.lessons.the_article_reproduced import published_turn


def read(output, first_chunk):
    return output.total - output.tts_total + first_chunk - output.speech


def by_stages(output, first_chunk):
    voice_starts = output.total - output.tts_total
    first_sound = voice_starts + first_chunk
    return round(first_sound - output.speech, 2)


def verdict(seconds, budget):
    if isnan(seconds):
        return "not measured"
    return "met" if seconds <= budget else "missed"


def verdict_without_isnan(seconds, budget):
    if seconds > budget:
        return "missed"
    if seconds <= budget:
        return "met"
    return "not measured"


def compares_with_nan(seconds, budget):
    if seconds == nan:
        return "not measured"
    return "missed" if seconds > budget else "met"


def wait(mended, prompt=PROMPTS[0]):
    return published_turn(prompt, *mended)[1].metrics.voice_to_voice


def worth(fault, before=()):
    return wait(before) - wait([*before, fault])


def worth_as_a_set(fault, before=()):
    return round(wait(set(before)) - wait(set(before) | {fault}), 2)


def of_turn_two(fault, before=()):
    return wait(before, PROMPTS[1]) - wait([*before, fault], PROMPTS[1])


def as_reported(fault, before=()):
    def reported(mended):
        agent, turn = published_turn(PROMPTS[0], *mended)
        return agent.reported_time_to_first_audio(turn)

    return reported(before) - reported([*before, fault])


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (check_07_read_the_wait, read),
        (check_07_read_the_wait, by_stages),
        (check_07_honest_verdict, verdict),
        (check_07_honest_verdict, verdict_without_isnan),
        (check_07_worth_of_a_mend, worth),
        (check_07_worth_of_a_mend, worth_as_a_set),
    ],
)  # fmt: skip
def test_a_right_answer_is_accepted(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Right. ")


@pytest.mark.parametrize(
    ("check", "answer", "refusal"),
    [
        (check_07_read_the_wait, lambda output, first_chunk: 2.283, "In the published turn 2"),
        (check_07_read_the_wait, lambda output, first_chunk: 4.936 - 0.803 + 0.15 - 2.0, "published turn 2"),
        (check_07_read_the_wait, lambda output, first_chunk: read(output, 0.15), "In a run of ours"),
        (check_07_read_the_wait, lambda output, first_chunk: read(output, 0), "the first sound came 0.15 s"),
        (check_07_read_the_wait, lambda output, first_chunk: read(output, first_chunk) - 2 + output.speech,
         "speech ended at 1.90 s"),
        (check_07_read_the_wait, lambda output, first_chunk: output.total - output.speech, "the voice started"),
        (check_07_read_the_wait, lambda output, first_chunk: output.time_to_first_audio, "returned 0.00"),
        (check_07_read_the_wait, lambda output, first_chunk: 1000 * read(output, first_chunk), "model gives 2.28"),
        (check_07_read_the_wait, lambda output, first_chunk: round(read(output, first_chunk), 1), "2.30"),
        (check_07_read_the_wait, lambda output, first_chunk: None, "returned None"),
        (check_07_read_the_wait, lambda output, first_chunk: nan, "returned nan"),
        (check_07_read_the_wait, lambda output, first_chunk: "2.28", "which is not a number"),
        (check_07_honest_verdict, lambda seconds, budget: verdict(seconds, 0.8), "The budget is the second argument"),
        (check_07_honest_verdict, lambda seconds, budget: "met", "took longer than was promised"),
        (check_07_honest_verdict, lambda seconds, budget: "met" if seconds <= budget else "missed", "is nan"),
        (check_07_honest_verdict, lambda seconds, budget: "missed" if seconds > budget else "met", "is nan"),
        (check_07_honest_verdict, compares_with_nan, "not even itself"),
        (check_07_honest_verdict, lambda seconds, budget: verdict(seconds, budget) if seconds else "not measured",
         "Here 0.0 was measured"),
        (check_07_honest_verdict, lambda seconds, budget: verdict(seconds, budget - 1e-9), "keeps the promise"),
        (check_07_honest_verdict, lambda seconds, budget: verdict(seconds, budget) == "met", "returned True"),
        (check_07_honest_verdict, lambda seconds, budget: verdict(seconds, budget).upper(), "returned 'MET'"),
        (check_07_honest_verdict, lambda seconds, budget: None, "returned None"),
        (check_07_worth_of_a_mend, lambda fault, before=(): 1.92 if before else 1.52, "silence is streamed"),
        (check_07_worth_of_a_mend, lambda fault, before=(): worth(fault), "after 10 others"),
        (check_07_worth_of_a_mend, lambda fault, before=(): worth(Fault.PULLED_AUDIO, before), "silence is streamed"),
        (check_07_worth_of_a_mend, lambda fault, before=(): -worth(fault, before), "returned -1.52"),
        (check_07_worth_of_a_mend, lambda fault, before=(): wait(()) - wait([*before, fault]), "in this mend alone"),
        (check_07_worth_of_a_mend, lambda fault, before=(): wait(before) - wait([fault]), "after 10 others"),
        (check_07_worth_of_a_mend, lambda fault, before=(): abs(worth(fault, before)), "less than nothing"),
        (check_07_worth_of_a_mend, lambda fault, before=(): wait([*before, fault]), "model gives 1.52"),
        (check_07_worth_of_a_mend, as_reported, "returned 0.00"),
        (check_07_worth_of_a_mend, of_turn_two, "model gives 1.52"),
        (check_07_worth_of_a_mend, lambda fault, before=(): None, "returned None"),
        (check_07_worth_of_a_mend, lambda fault, before=(): published_turn(PROMPTS[0], *before, fault), "not a number"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_refused_with_its_rule(check, answer, refusal):
    with pytest.raises(WrongAnswer, match=refusal):
        check(answer)


@pytest.mark.parametrize("check", [check_07_read_the_wait, check_07_honest_verdict, check_07_worth_of_a_mend])
def test_a_stub_is_not_answered_yet(check, capsys):
    def stub(*_):
        raise NotImplementedError

    check(stub)
    assert capsys.readouterr().out.startswith("Not answered yet: ")
