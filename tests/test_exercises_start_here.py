"""The exercises of notebook 00: what is right is accepted, however it is written, and nothing else is."""

from dataclasses import replace

import pytest

from voice_agent_lab import StageLatencies
from voice_agent_lab.lessons.exercises import WrongAnswer
from voice_agent_lab.lessons.exercises.start_here import check_hidden_wait, check_within_a_second

FAST = StageLatencies(asr_processing=0.02, asr_finalization=0.1, llm_first_token=0.25, tts_first_chunk=0.1)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (check_hidden_wait, lambda metrics: metrics.asr_complete - metrics.speech_ended),
        (check_hidden_wait, lambda metrics: round(metrics.asr_complete - metrics.speech_ended, 2)),
        (check_within_a_second, lambda: FAST),
        (check_within_a_second, lambda: replace(FAST, llm_first_token=0.26)),
    ],
)
def test_a_right_answer_is_accepted(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Right. ")


@pytest.mark.parametrize(
    ("check", "answer", "refusal"),
    [
        (check_hidden_wait, lambda metrics: 0.9, "returned 0.90, and the model gives"),
        (check_hidden_wait, lambda metrics: metrics.asr_complete - 2.0, "and the model gives"),
        (
            check_hidden_wait,
            lambda metrics: metrics.asr_complete - metrics.end_of_turn,
            "speech ended at 2.00",
        ),
        (check_hidden_wait, lambda metrics: None, "returned None"),
        (check_hidden_wait, 0.9, "Give check_hidden_wait the name that you defined alone, not 0.9"),
        (check_hidden_wait, lambda metrics: "0.9", "'0.9', which is not a number"),
        (check_within_a_second, lambda: StageLatencies(0, 0, 0, 0, 0, 0), "asr_processing is 0 s"),
        (check_within_a_second, lambda: replace(FAST, tts_first_chunk=0.0), "tts_first_chunk is 0.0 s"),
        (check_within_a_second, lambda: replace(FAST, llm_first_token=0.3), "more than 1 s"),
        (check_within_a_second, StageLatencies, "The longest part is"),
        (check_within_a_second, lambda: None, "not a StageLatencies"),
    ],
)
def test_a_wrong_answer_is_refused_with_its_rule(check, answer, refusal):
    with pytest.raises(WrongAnswer, match=refusal):
        check(answer)
