"""The exercises of notebook 04: what is right is accepted, however it is written, and nothing else is."""

import math
import re

import pytest

from voice_agent_lab.lessons.exercises import WrongAnswer
from voice_agent_lab.lessons.exercises.streaming_llm import (
    check_chance_of_a_stall,
    check_first_sentence,
    check_tokens_per_pass,
)
from voice_agent_lab.models.drafting import accepted_runs, expected_tokens, speedup


def last_of_first(reply, marks=".!?"):
    return next(n for n, word in enumerate(reply.split()) if word[-1] in marks)


def by_counting(reply, ttft, tokens_per_second):
    count = 0
    for word in reply.split():
        count += 1
        if word[-1] == "." or word[-1] == "!" or word[-1] == "?":
            break
    return ttft + (count - 1) * (1 / tokens_per_second)


def by_splitting(reply, ttft, tokens_per_second):
    first = re.split(r"(?<=[.!?])\s", reply)[0]
    return ttft + (len(first.split()) - 1) / tokens_per_second


def by_adding_up(reply, ttft, tokens_per_second):
    time = None
    for word in reply.split():
        time = ttft if time is None else time + 1 / tokens_per_second
        if word[-1] in ".!?":
            break
    return time


def product(a, g):
    total, reached = 1, 1
    for _ in range(g):
        reached *= a
        total += reached
    return total


def unanswered(*_):
    raise NotImplementedError("your answer goes here")


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (check_first_sentence, by_counting),
        (check_first_sentence, by_splitting),
        (check_first_sentence, by_adding_up),
        (check_first_sentence, lambda reply, ttft, rate: round(by_counting(reply, ttft, rate), 2)),
        (check_first_sentence, lambda reply, ttft, rate: round(by_counting(reply, ttft, rate), 3)),
        (check_chance_of_a_stall, lambda share, turns: 1 - (1 - share) ** turns),
        (check_chance_of_a_stall, lambda share, turns: round(1 - math.pow(1 - share, turns), 2)),
        (check_chance_of_a_stall, lambda share, turns: sum(share * (1 - share) ** k for k in range(turns))),
        (check_tokens_per_pass, lambda a, g: sum(a**k for k in range(g + 1))),
        (check_tokens_per_pass, lambda a, g: (1 - a ** (g + 1)) / (1 - a)),
        (check_tokens_per_pass, lambda a, g: round(sum(a**k for k in range(g + 1)), 2)),
        (check_tokens_per_pass, product),
    ],
)
def test_a_right_answer_is_accepted(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Right. ")


@pytest.mark.parametrize("check", [check_first_sentence, check_chance_of_a_stall, check_tokens_per_pass])
def test_an_exercise_that_is_not_answered_stops_nothing(check, capsys):
    check(unanswered)
    assert capsys.readouterr().out.startswith("Not answered yet")


@pytest.mark.parametrize(
    ("check", "answer", "refusal"),
    [
        (
            check_first_sentence,
            lambda reply, ttft, rate: 0.7,
            "ttft=0.45, .* returned 0.70, and the model gives 0.45",
        ),
        (check_first_sentence, lambda reply, ttft, rate: 0.3 + last_of_first(reply) / rate, "ttft=0.7"),
        (check_first_sentence, lambda reply, ttft, rate: ttft + last_of_first(reply) / 20, "returned 0.65"),
        (check_first_sentence, lambda reply, ttft, rate: ttft + 8 / rate, "first sentence is 'Yes!'"),
        (check_first_sentence, lambda reply, ttft, rate: ttft + (last_of_first(reply) + 1) / rate, "0.75"),
        (
            check_first_sentence,
            lambda reply, ttft, rate: last_of_first(reply) / rate,
            "first token comes after",
        ),
        (
            check_first_sentence,
            lambda reply, ttft, rate: (last_of_first(reply) + 1) / rate,
            "and the last after",
        ),
        (check_first_sentence, lambda reply, ttft, rate: ttft + last_of_first(reply) * rate, "gives 0.70"),
        (check_first_sentence, lambda reply, ttft, rate: ttft + (len(reply.split()) - 1) / rate, "1.05 s"),
        (check_first_sentence, lambda reply, ttft, rate: ttft + last_of_first(reply, ".") / rate, "'Yes!'"),
        (
            check_first_sentence,
            lambda reply, ttft, rate: ttft + last_of_first(reply, ".!") / rate,
            "'Rain\\?'",
        ),
        (check_first_sentence, lambda reply, ttft, rate: 1000 * by_counting(reply, ttft, rate), "700.00"),
        (
            check_first_sentence,
            lambda reply, ttft, rate: ttft + len(re.split("[.!?]", reply)[0].split()) / rate - 1 / rate,
            "3.5 degrees warmer",
        ),
        (
            check_first_sentence,
            lambda reply, ttft, rate: (
                ttft
                + next(n for n, word in enumerate(reply.split()) if "." in word or "!" in word or "?" in word)
                / rate
            ),
            "3.5 degrees warmer than today.'",
        ),
        (check_first_sentence, lambda reply, ttft, rate: None, "returned None"),
        (check_first_sentence, lambda reply, ttft, rate: reply.split()[0], "'It', which is not a number"),
        (check_first_sentence, lambda reply, ttft, rate: float("nan"), "returned nan"),
        (check_chance_of_a_stall, lambda share, turns: 0.75, r"chance_of_a_stall\(0.015, 29\) returned 0.75"),
        (check_chance_of_a_stall, lambda share, turns: {2: 0.75, 29: 0.355}.get(turns, 0.5), r"\(0.015, 1\)"),
        (check_chance_of_a_stall, lambda share, turns: share * turns, r"\(0.5, 2\) returned 1.00"),
        (check_chance_of_a_stall, lambda share, turns: (1 - share) ** turns, r"\(0.5, 2\) returned 0.25"),
        (check_chance_of_a_stall, lambda share, turns: 1 - share**turns, "turns go well with a chance of"),
        (check_chance_of_a_stall, lambda share, turns: 1 - 0.985**turns, r"\(0.5, 2\)"),
        (
            check_chance_of_a_stall,
            lambda share, turns: 1 - (1 - share) ** (turns - 1),
            "0.50, and the model gives 0.75",
        ),
        (check_chance_of_a_stall, lambda share, turns: 100 * (1 - (1 - share) ** turns), "75.00"),
        (check_chance_of_a_stall, lambda share, turns: None, "returned None"),
        (check_chance_of_a_stall, lambda share, turns: "75%", "not a number"),
        (check_tokens_per_pass, lambda a, g: 3.36, r"tokens_per_pass\(0.7, 4\) returned 3.36"),
        (check_tokens_per_pass, lambda a, g: sum(a**k for k in range(g)), "gives 3.36"),
        (check_tokens_per_pass, lambda a, g: sum(a**k for k in range(1, g + 1)), "one always comes"),
        (
            check_tokens_per_pass,
            lambda a, g: sum(a**k for k in range(g + 1)) + 0.04,
            "3.40, and the model gives 3.36",
        ),
        (check_tokens_per_pass, lambda a, g: 1 + a * g, "returned 4.20"),
        (check_tokens_per_pass, lambda a, g: a * (g + 1), "returned 4.00"),
        (check_tokens_per_pass, lambda a, g: 1 / (1 - a), "At most 5"),
        (check_tokens_per_pass, lambda a, g: sum(0.8**k for k in range(g + 1)), r"\(0.7, 4\)"),
        (check_tokens_per_pass, lambda a, g: sum(a**k for k in range(5)), r"\(0.5, 3\)"),
        (
            check_tokens_per_pass,
            lambda a, g: expected_tokens(a, g),
            "expected_tokens is the package's own answer",
        ),
        (check_tokens_per_pass, lambda a, g: speedup(a, g, 0), "speedup is the package's own answer"),
        (
            check_tokens_per_pass,
            lambda a, g: accepted_runs(a, g, 200_000).mean(),
            "accepted_runs is the package's",
        ),
        (check_tokens_per_pass, expected_tokens, "expected_tokens is the package's own answer"),
        (check_tokens_per_pass, lambda a, g: None, "returned None"),
        (check_tokens_per_pass, lambda a, g: [1, a], "not a number"),
    ],
)
def test_a_wrong_answer_is_refused_with_its_rule(check, answer, refusal):
    with pytest.raises(WrongAnswer, match=refusal):
        check(answer)
