"""The exercises of notebook 01: what is right is accepted, however it is written, and nothing else is."""

from math import isnan, nan

import numpy as np
import pytest

from voice_agent_lab import LatencyBudgets
from voice_agent_lab.lessons.exercises import WrongAnswer
from voice_agent_lab.lessons.exercises.latency_and_budgets import check_allowance, check_three_answers


def verdict(latency, budget):
    if isnan(latency):
        return "not measured"
    return "met" if latency <= budget else "missed"


def verdict_by_comparing(latency, budget):
    if latency <= budget:
        return "met"
    if latency > budget:
        return "missed"
    return "not measured"


def rest(turn):
    return turn.metrics.voice_to_voice - turn.metrics.time_to_first_token


def allowance(turn, promise):
    return promise - rest(turn) if promise >= rest(turn) else nan


def allowance_by_parts(turn, promise):
    left = promise - sum(part.seconds for part in turn.parts if part.name != "first token")
    return left if left >= 0 else float("nan")


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (check_three_answers, verdict),
        (check_three_answers, verdict_by_comparing),
        (check_three_answers, lambda s, b: "not measured" if s != s else ("missed", "met")[s <= b]),
        (
            check_three_answers,
            lambda s, b: str(np.where(np.isnan(s), "not measured", np.where(s > b, "missed", "met"))),
        ),
        (check_allowance, allowance),
        (check_allowance, allowance_by_parts),
        (check_allowance, lambda turn, promise: round(allowance(turn, promise), 2)),
        (check_allowance, lambda turn, promise: np.float64(allowance(turn, promise))),
    ],
)
def test_a_right_answer_is_accepted(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Right. ")


@pytest.mark.parametrize(
    ("check", "answer", "refusal"),
    [
        # The budget is not looked at.
        (check_three_answers, lambda s, b: verdict(s, 0.8), r"verdict\(1.62, 2.0\) returned \"missed\""),
        (check_three_answers, lambda s, b: verdict(0.72, b), "longer than its budget misses"),
        # 0.0 is taken for not measured.
        (check_three_answers, lambda s, b: verdict(s, b) if s else "not measured", "0.0 s is a latency"),
        (
            check_three_answers,
            lambda s, b: "met" if s < b else verdict(s + 1, b),
            "not longer than its budget",
        ),
        (check_three_answers, lambda s, b: "met" if s <= b else "missed", "What is nan was not measured"),
        (check_three_answers, lambda s, b: "missed" if s > b else "met", "What is nan was not measured"),
        (
            check_three_answers,
            lambda s, b: "not measured" if s is nan else verdict_by_comparing(s, b)[:6],
            "nan",
        ),
        (check_three_answers, lambda s, b: None, r"verdict\(0.72, 0.8\) returned None"),
        (check_three_answers, lambda s, b: s <= b, r"returned True. The answer is \"met\" or"),
        (check_three_answers, lambda s, b: "ok", "returned 'ok'"),
        (check_three_answers, lambda s, b: LatencyBudgets(), "returned LatencyBudgets"),
        (check_allowance, lambda turn, promise: 0.28 if promise > 1 else nan, "returned 0.28"),
        (
            check_allowance,
            lambda turn, promise: promise - 1.12 if promise > 1.12 else nan,
            "first token of 0 s",
        ),
        (check_allowance, lambda turn, promise: allowance(turn, 1.4), r"allowance\(turn, 2\) returned 0.28"),
        (check_allowance, lambda turn, promise: promise - rest(turn), "No language model keeps that promise"),
        (
            check_allowance,
            lambda turn, promise: max(0, promise - rest(turn)),
            r"allowance\(turn, 0.8\) returned 0",
        ),
        (check_allowance, lambda turn, promise: 1000 * allowance(turn, promise), "returned 280.00"),
        (check_allowance, lambda turn, promise: promise - turn.metrics.voice_to_voice, "returned -0.22"),
        (check_allowance, lambda turn, promise: promise - turn.metrics.time_to_first_token, "returned 0.90"),
        (
            check_allowance,
            lambda turn, promise: promise - rest(turn) if promise >= rest(turn) else None,
            r"allowance\(turn, 0.8\) returned None",
        ),
        (check_allowance, lambda turn, promise: None, r"allowance\(turn, 1.4\) returned None"),
        (check_allowance, lambda turn, promise: nan, "returned nan, and the model gives 0.28"),
        (check_allowance, lambda turn, promise: "0.28", "'0.28', which is not a number"),
    ],
)
def test_a_wrong_answer_is_refused_with_its_rule(check, answer, refusal):
    with pytest.raises(WrongAnswer, match=refusal):
        check(answer)


@pytest.mark.parametrize("check", [check_three_answers, check_allowance])
def test_without_an_answer_nothing_stops(check, capsys):
    def stub(*arguments):
        raise NotImplementedError("your answer goes here")

    check(stub)
    assert capsys.readouterr().out.startswith("Not answered yet: ")
