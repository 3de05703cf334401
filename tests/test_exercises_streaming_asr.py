"""The exercises of notebook 03: what is right is accepted, however it is written, and nothing else is."""

import pytest

from voice_agent_lab.lessons.exercises import WrongAnswer
from voice_agent_lab.lessons.exercises.streaming_asr import check_runs_on, check_trusted


def trusted(history, wait, final_at):
    ends = [time for time, _ in history[1:]] + [final_at]
    for (time, word), end in zip(history, ends, strict=True):
        if time + wait < end:
            return time + wait, word
    return final_at, history[-1][1]


def trusted_by_index(history, wait, final_at):
    for k in range(len(history)):
        end = history[k + 1][0] if k + 1 < len(history) else final_at
        if end - history[k][0] > wait:
            return [history[k][0] + wait, history[k][1]]
    return [final_at, history[-1][1]]


def trusted_if_as_long(history, wait, final_at):
    ends = [time for time, _ in history[1:]] + [final_at]
    for (time, word), end in zip(history, ends, strict=True):
        if time + wait <= end:
            return time + wait, word
    return final_at, history[-1][1]


def last_trusted(history, wait, final_at):
    return min(history[-1][0] + wait, final_at), history[-1][1]


def trusted_at_once(history, wait, final_at):
    time, word = trusted(history, wait, final_at)
    return (time - wait if time < final_at else time), word


def runs_on(frames, seconds, factor):
    return seconds * factor if factor <= 1 else seconds + frames * (factor - 1) * seconds


def runs_on_by_a_queue(frames, seconds, factor):
    done = 0.0
    for k in range(1, frames + 1):
        done = max(done, k * seconds) + factor * seconds
    return done - frames * seconds


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (check_trusted, trusted),
        (check_trusted, trusted_by_index),
        (check_trusted, lambda *case: (round(trusted(*case)[0], 2), trusted(*case)[1])),
        (check_runs_on, runs_on),
        (check_runs_on, runs_on_by_a_queue),
        (check_runs_on, lambda *case: round(runs_on(*case), 2)),
        (check_runs_on, lambda n, s, f: f * s + (n - 1) * max(0, f - 1) * s),
    ],
)
def test_a_right_answer_is_accepted(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Right. ")


@pytest.mark.parametrize(
    ("check", "answer", "refusal"),
    [
        (check_trusted, trusted_if_as_long, "0.50 s, 'weather' 1.50 s. The first that stands longer"),
        (check_trusted, last_trusted, "the model gives 1.05 s and 'weat'"),
        (check_trusted, trusted_at_once, "when the wait is over"),
        (check_trusted, lambda h, w, f: trusted(h, 0.25, f), "the model gives 1.05 s"),
        (check_trusted, lambda h, w, f: trusted(h, w, 3.0), "2.5"),
        (
            check_trusted,
            lambda h, w, f: trusted([(1.0, "weat"), (1.3, "whether"), (1.5, "weather")], w, f),
            "the model gives 0.40 s and 'to'",
        ),
        (check_trusted, lambda h, w, f: (f, h[-1][1]), "stands longer than the wait is trusted"),
        (check_trusted, lambda h, w, f: trusted(h, w, f)[::-1], "Return a time and a word, in this order"),
        (check_trusted, lambda h, w, f: trusted(h, w, f)[1], "returned 'weat'. Return a time and a word"),
        (check_trusted, lambda h, w, f: trusted(h, w, f) if w < 1 else None, "returned None"),
        (check_trusted, lambda h, w, f: None, "returned None"),
        (check_trusted, lambda h, w, f: (1000 * trusted(h, w, f)[0], trusted(h, w, f)[1]), "1050"),
        (check_trusted, lambda h, w, f: (h[0][0] + w, h[0][1]), "the model gives 1.90 s and 'weather'"),
        # The duration of a frame is not looked at.
        (check_runs_on, lambda n, s, f: runs_on(n, 0.1, f), r"recognition_runs_on\(\d+, 0.04, 1.25\)"),
        (check_runs_on, lambda n, s, f: runs_on(57, s, f), r"recognition_runs_on\(15, 0.1, 1.2\)"),
        (check_runs_on, lambda n, s, f: runs_on(n, s, 1.2), "At a factor of 1 or less"),
        (check_runs_on, lambda n, s, f: f * s, "from then on the recogniser never pauses"),
        (
            check_runs_on,
            lambda n, s, f: max(0.0, n * (f - 1) * s),
            "only the last frame is still to be worked on",
        ),
        (
            check_runs_on,
            lambda n, s, f: n * (f - 1) * s if f > 1 else f * s,
            "the first is complete after 0.1 s",
        ),
        (check_runs_on, lambda n, s, f: f * s + n * max(0, f - 1) * s, "never pauses"),
        (check_runs_on, lambda n, s, f: 0.05, "returned 0.05"),
        (check_runs_on, lambda n, s, f: 1000 * runs_on(n, s, f), "returned 50.00"),
        (check_runs_on, lambda n, s, f: None, "returned None"),
        (check_runs_on, lambda n, s, f: runs_on(n, s, f) if f <= 1 else None, "returned None"),
        (check_runs_on, lambda n, s, f: "1 s", "which is not a number"),
    ],
)
def test_a_wrong_answer_is_refused_with_its_rule(check, answer, refusal):
    with pytest.raises(WrongAnswer, match=refusal):
        check(answer)


@pytest.mark.parametrize("check", [check_trusted, check_runs_on])
def test_without_an_answer_nothing_stops(check, capsys):
    def stub(*arguments):
        raise NotImplementedError("your answer goes here")

    check(stub)
    assert capsys.readouterr().out.startswith("Not answered yet: ")
