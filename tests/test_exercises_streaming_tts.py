"""The exercises of notebook 05: what is right is accepted, however it is written, and nothing else is."""

import math
import re

import pytest

from voice_agent_lab.lessons.exercises import WrongAnswer
from voice_agent_lab.lessons.exercises.streaming_tts import check_better_cut, check_gap_after_word

ENDS, MARKS = (".", "!", "?"), (".", "!", "?", ",", ";", ":")

# The gap after a word.


def gap(letters, first_chunk, chunk=0.05):
    chunks = math.ceil(letters / 15 / 0.1)
    return max(0.0, (chunks - 1) * chunk + first_chunk - letters / 15)


def gap_with_an_if(letters, first_chunk, chunk=0.05):
    sounds = letters / 15
    ready = first_chunk
    while (sounds - 0.1) > 1e-9:
        sounds -= 0.1
        ready += chunk
    if ready < letters / 15:
        return 0
    return round(ready - letters / 15, 2)


def gap_of_samples(letters, first_chunk, chunk=0.05):
    later = -(-letters * 2 // 3) - 1
    return max(later * chunk + first_chunk - letters / 15, 0)


# A better cut.


async def early(words):
    piece, marks, least = "", MARKS, 10
    async for word in words:
        piece += word
        if piece.rstrip().endswith(marks) and len(piece) >= least:
            yield piece
            piece, marks, least = "", ENDS, 1
    if piece:
        yield piece


async def early_without_spaces(words):
    first, collected = True, []
    async for word in words:
        collected.append(word.strip())
        if word.strip()[-1] in ".!?" or (first and len(collected) > 2 and word.strip()[-1] in ",;:"):
            yield " ".join(collected)
            first, collected = False, []
    if collected:
        yield " ".join(collected)


async def early_then_the_rest_of_each(words):
    text, sent = "", 0
    async for word in words:
        text += word
        ends = re.search(r"[.!?]\s$" if sent else r"(?<=.{11})[.!?,;:]\s$", text)
        if ends:
            yield text
            text, sent = "", sent + 1
    if text:
        yield text


async def one_long_piece_after_the_first(words):
    piece, first = "", True
    async for word in words:
        piece += word
        if first and len(piece) >= 15 and piece.strip().endswith(MARKS):
            yield piece
            piece, first = "", False
    yield piece


def cut_where(whole):
    """Return a cut that ends a piece where ``whole(piece, how many went before)`` says so."""

    async def cut(words):
        piece, before = "", 0
        async for word in words:
            piece += word
            if whole(piece, before):
                yield piece
                piece, before = "", before + 1
        if piece:
            yield piece

    return cut


def ends(piece, marks):
    return piece.rstrip().endswith(marks)


async def waits_for_everything(words):
    text = "".join([word async for word in words])
    first = text.index(",", 10) + 2
    yield text[:first]
    for piece in re.findall(r".+?[.?] ", text[first:]):
        yield piece


async def never_empties(words):
    piece = ""
    async for word in words:
        piece += word
        if ends(piece, ENDS) or (9 < len(piece) < 30 and ends(piece, MARKS)):
            yield piece


async def loses_the_rest(words):
    piece = ""
    async for word in words:
        piece += word
        if len(piece) >= 10 and ends(piece, MARKS):
            yield piece
            return


async def yields_nothing_at_the_end(words):
    async for piece in early(words):
        yield piece
    yield ""


async def yields_lists(words):
    yield [word async for word in words]


async def yields_none(words):
    async for _ in words:
        yield None


def returns_a_list(words):
    return ["Yes, it is sunny now, ", "with 22 degrees."]


async def only_awaits(words):
    return "Yes"


async def unanswered_cut(words):
    piece = ""
    raise NotImplementedError("your answer goes here")
    if piece:
        yield piece


def unanswered(*_):
    raise NotImplementedError("your answer goes here")


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (check_gap_after_word, gap),
        (check_gap_after_word, gap_with_an_if),
        (check_gap_after_word, gap_of_samples),
        (check_gap_after_word, lambda letters, first, chunk=0.05: round(gap(letters, first, chunk), 3)),
        (check_better_cut, early),
        (check_better_cut, early_without_spaces),
        (check_better_cut, early_then_the_rest_of_each),
        (
            check_better_cut,
            cut_where(
                lambda piece, before: (
                    ends(piece, ENDS) or (not before and len(piece) > 9 and ends(piece, MARKS))
                )
            ),
        ),
    ],
)
def test_a_right_answer_is_accepted(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Right. ")


@pytest.mark.parametrize(
    ("check", "answer"), [(check_gap_after_word, unanswered), (check_better_cut, unanswered_cut)]
)
def test_an_exercise_that_is_not_answered_stops_nothing(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Not answered yet")


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (lambda letters, first, chunk=0.05: 0.217, r"gap_after\(8, 0.3\) returned 0.22"),
        (lambda letters, first, chunk=0.05: gap(letters, 0.3), r"gap_after\(3, 0.2\) returned 0.15"),
        (
            lambda letters, first, chunk=0.05: gap(letters, 0.1 if letters == 9 else 0.3),
            r"gap_after\(3, 0.2\)",
        ),
        (lambda letters, first, chunk=0.05: gap(letters, first, 0.05), r"gap_after\(5, 0.4, 0.08\)"),
        (lambda letters, first, chunk=0.05: gap(2, first, chunk), r"gap_after\(8, 0.3\)"),
        (
            lambda letters, first, chunk=0.05: math.ceil(letters / 1.5 - 1e-9) * chunk + first - letters / 15,
            "returned 0.27, and the model gives 0.22",
        ),
        (
            lambda letters, first, chunk=0.05: (letters // 1.5) * chunk + first - letters / 15,
            r"gap_after\(3, 0.2\)",
        ),
        (
            lambda letters, first, chunk=0.05: first - letters / 15,
            "the rest of it and the first chunk of the next",
        ),
        (
            lambda letters, first, chunk=0.05: (
                math.ceil(letters / 1.5 - 1e-9) * chunk - chunk + first - letters / 15
            ),
            r"gap_after\(9, 0.1\) returned -0.25, and the model gives 0.00",
        ),
        (
            lambda letters, first, chunk=0.05: abs(
                math.ceil(letters / 1.5) * chunk - chunk + first - letters / 15
            ),
            "0.25",
        ),
        (lambda letters, first, chunk=0.05: 1000 * gap(letters, first, chunk), "returned 216.67"),
        (
            lambda letters, first, chunk=0.05: (letters - 1) * chunk + first - letters / 15,
            r"gap_after\(8, 0.3\)",
        ),
        (
            lambda letters, first, chunk=0.05: gap(letters, first, chunk) or None,
            r"gap_after\(9, 0.1\) returned None",
        ),
        (lambda letters, first, chunk=0.05: None, "Does every way through it end with a return"),
        (lambda letters, first, chunk=0.05: f"{gap(letters, first, chunk):.2f} s", "which is not a number"),
    ],
)
def test_a_wrong_gap_is_refused_with_its_case(answer, refusal):
    with pytest.raises(WrongAnswer, match=refusal):
        check_gap_after_word(answer)


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (
            cut_where(lambda piece, before: len(piece) >= 20),
            "'with 22 degrees, and' does not end at a punctuation",
        ),
        (
            cut_where(lambda piece, before: ends(piece, ENDS) or (not before and len(piece) >= 20)),
            "'At the moment it is'",
        ),
        (
            cut_where(lambda piece, before: ends(piece, ENDS) or piece.endswith(" now, ")),
            "At the moment it is cloudy",
        ),
        (
            cut_where(lambda piece, before: ends(piece, ENDS) or (not before and len(piece.split()) == 5)),
            "'At the moment it is'",
        ),
        (
            cut_where(lambda piece, before: ends(piece, MARKS)),
            "is not the first, and does not end a sentence",
        ),
        (
            cut_where(lambda piece, before: ends(piece, ENDS if before else MARKS)),
            "'Yes,', is too short to hide the work",
        ),
        (cut_where(lambda piece, before: ends(piece, ENDS)), "0.00 s earlier than by sentence, not 0.5 s"),
        (cut_where(lambda piece, before: True), "'it' does not end at a punctuation mark"),
        (cut_where(lambda piece, before: False), "earlier than by sentence"),
        (one_long_piece_after_the_first, "is too short to hide the work on the next, 'with 22"),
        (waits_for_everything, "earlier than by sentence, not 0.5 s"),
        (never_empties, "The pieces are not the reply"),
        (loses_the_rest, "Every word goes to the voice once"),
        (yields_nothing_at_the_end, "a piece holds at least a word"),
        (yields_lists, "which is not text"),
        (yields_none, "None, which is not text"),
        (returns_a_list, "not an async generator function"),
        (only_awaits, "needs async def, and a yield"),
        (None, "alone, not None"),
    ],
)
def test_a_wrong_cut_is_refused_with_its_rule(answer, refusal):
    with pytest.raises(WrongAnswer, match=refusal):
        check_better_cut(answer)
