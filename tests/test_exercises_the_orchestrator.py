"""The exercises of notebook 06: what is right is accepted, however it is written, and nothing else is."""

import asyncio
import time

import pytest

from voice_agent_lab.lessons.exercises import WrongAnswer
from voice_agent_lab.lessons.exercises.the_orchestrator import check_first_sound, check_one_moment
from voice_agent_lab.streams import RunAhead, run_ahead

# The first sound.


def by_hand(overlap, words, sentences, first_token, word, first_chunk):
    waited_for = words * sentences if overlap == "sequential" else words
    return first_token + (waited_for - 1) * word + first_chunk


def by_branches(overlap, words, sentences, first_token, word, first_chunk):
    match overlap:
        case "sequential":
            return round(first_token + first_chunk + word * (words * sentences - 1), 2)
        case _:
            return first_token + first_chunk + word * (words - 1)


def by_steps(overlap, words, sentences, first_token, word, first_chunk):
    seconds = first_token
    for _ in range(1, words * (sentences if overlap == "sequential" else 1)):
        seconds += word
    return seconds + first_chunk


# One moment.


async def with_wait(
    words,
    patience,
    *,
    wait=lambda first, patience: asyncio.wait({first}, timeout=patience),
    passes_on=lambda asked_for_patience: True,
    goes_on=True,
    cancels=True,
):
    """Answer as the notebook does, or differ from it in one thing."""
    first = asyncio.ensure_future(anext(words))
    try:
        await wait(first, patience)
        if asked := not first.done():
            yield "One moment. "
        word = await first
        if passes_on(asked):
            yield word
    finally:
        if cancels:
            first.cancel()
    if goes_on:
        async for word in words:
            yield word


def differing(**difference):
    return lambda words, patience: with_wait(words, patience, **difference)


async def with_a_shield(words, patience):
    first = asyncio.ensure_future(anext(words))
    try:
        try:
            word = await asyncio.wait_for(asyncio.shield(first), patience)
        except TimeoutError:
            yield "One moment. "
            word = await first
        yield word
        async for word in words:
            yield word
    finally:
        first.cancel()


async def with_run_ahead(words, patience):
    ahead = RunAhead(words)
    try:
        try:
            first = await asyncio.wait_for(anext(ahead), patience)
        except TimeoutError:
            yield "One moment. "
            first = await anext(ahead)
        yield first
        async for word in ahead:
            yield word
    finally:
        await ahead.aclose()


async def with_a_queue(words, patience):
    queue = asyncio.Queue()

    async def pump():
        async for word in words:
            await queue.put(word)
        await queue.put(None)

    task = asyncio.create_task(pump())
    try:
        await asyncio.wait([task], timeout=0)
        waited = asyncio.create_task(queue.get())
        try:
            done, _ = await asyncio.wait([waited], timeout=patience)
            if not done:
                yield "One moment. "
            word = await waited
        finally:
            waited.cancel()
        while word is not None:
            yield word
            word = await queue.get()
    finally:
        task.cancel()


async def cancels_the_model(words, patience):
    try:
        yield await asyncio.wait_for(anext(words), patience)
    except TimeoutError:
        yield "One moment. "
    async for word in words:
        yield word


async def gives_up_the_work(words, patience):
    try:
        yield await asyncio.wait_for(anext(words), patience)
    except TimeoutError:
        yield "One moment. "
        yield await anext(words)
    async for word in words:
        yield word


async def always(words, patience):
    yield "One moment. "
    async for word in words:
        yield word


async def never(words, patience):
    async for word in words:
        yield word


async def before_every_word(words, patience):
    ahead = run_ahead(words)
    while True:
        task = asyncio.ensure_future(anext(ahead, None))
        try:
            done, _ = await asyncio.wait({task}, timeout=patience)
            if not done:
                yield "One moment. "
            word = await task
        finally:
            task.cancel()
        if word is None:
            return
        yield word


async def waits_it_out(words, patience):
    await asyncio.sleep(patience)
    async for word in with_wait(words, 0):
        yield word


async def too_late(words, patience):
    first = await anext(words)
    if asyncio.get_running_loop().time() > patience:
        yield "One moment. "
    yield first
    async for word in words:
        yield word


async def other_words(words, patience):
    async for word in with_wait(words, patience):
        yield "Just a second. " if word == "One moment. " else word


async def without_the_space(words, patience):
    async for word in with_wait(words, patience):
        yield word.strip()


async def real_clock(words, patience):
    began = time.monotonic()
    async for word in words:
        if time.monotonic() - began > patience:
            yield "One moment. "
        yield word


async def all_at_the_end(words, patience):
    said = [word async for word in with_wait(words, patience)]
    for word in said:
        yield word


async def yields_none(words, patience):
    async for _ in with_wait(words, patience):
        yield None


async def no_yield(words, patience):
    return "One moment. "


def no_return(words, patience):
    return None


async def unanswered_stream(words, patience):
    raise NotImplementedError("your answer goes here")
    async for word in words:
        yield word


def unanswered(*_):
    raise NotImplementedError("your answer goes here")


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (check_first_sound, by_hand),
        (check_first_sound, by_branches),
        (check_first_sound, by_steps),
        (check_one_moment, with_wait),
        (check_one_moment, with_a_shield),
        (check_one_moment, with_run_ahead),
        (check_one_moment, with_a_queue),
    ],
)
def test_a_right_answer_is_accepted(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Right. ")


@pytest.mark.parametrize(
    ("check", "answer"), [(check_first_sound, unanswered), (check_one_moment, unanswered_stream)]
)
def test_an_exercise_that_is_not_answered_stops_nothing(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Not answered yet")


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (lambda o, w, n, t, d, c: t + (23 if o == "sequential" else 7) * d + c, r"words=5, sentences=4"),
        (
            lambda o, w, n, t, d, c: t + (w * 3 if o == "sequential" else w) * d - d + c,
            "when 20 words are written",
        ),
        (
            lambda o, w, n, t, d, c: t + (8 * n if o == "sequential" else 8) * d - d + c,
            "words=5, sentences=4",
        ),
        (
            lambda o, w, n, t, d, c: t + (w * n - 1) * d + c,
            "In this chained turn .* when 8 words are written",
        ),
        (lambda o, w, n, t, d, c: t + (w - 1) * d + c, "In this sequential turn .* when 24 words"),
        (
            lambda o, w, n, t, d, c: t + (w * n if o != "concurrent" else w) * d - d + c,
            "In this chained turn",
        ),
        (
            lambda o, w, n, t, d, c: t + (w * n if o == "sequential" else w) * d + c,
            "returned 5.50, and the model gives 5.30",
        ),
        (lambda o, w, n, t, d, c: t + (w * n - 1 if o == "sequential" else w - 1) * d, "returned 5.10"),
        (lambda o, w, n, t, d, c: (w * n - 1 if o == "sequential" else w - 1) * d + c, "returned 4.80"),
        (lambda o, w, n, t, d, c: by_hand(o, w, n, 0.5, d, c), "first_token=0.3"),
        (lambda o, w, n, t, d, c: by_hand(o, w, n, t, 0.2, c), "word=0.13"),
        (lambda o, w, n, t, d, c: by_hand(o, w, n, t, d, 0.2), "first_chunk=0.35"),
        (lambda o, w, n, t, d, c: 0.9 + by_hand(o, w, n, t, d, c), "returned 6.20, and the model gives 5.30"),
        (lambda o, w, n, t, d, c: 5.3 if o == "sequential" else 2.1, "returned 5.30"),
        (
            lambda o, w, n, t, d, c: by_hand("sequential" if n == 1 else "chained", w, n, t, d, c),
            "In this sequential",
        ),
        (
            lambda o, w, n, t, d, c: by_hand(o, w, n, t, d, c) if o == "sequential" else None,
            "'chained'.*returned None",
        ),
        (lambda o, w, n, t, d, c: {o: 1.0}, "which is not a number"),
    ],
)
def test_a_wrong_first_sound_is_refused_with_its_turn(answer, refusal):
    with pytest.raises(WrongAnswer, match=refusal):
        check_first_sound(answer)


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (
            lambda words, patience: with_wait(words, 0.8),
            "patience is 0.5 s: .* only if that takes longer than the patience",
        ),
        (differing(cancels=False), "hung up during 'One moment. ', and 1 task was still waiting"),
        (
            gives_up_the_work,
            "The first word takes 3.0 s, .* anext found no word left. .* asyncio.wait_for does",
        ),
        (cancels_the_model, "it yielded 'One moment. ' at 0.8 s, not .* asyncio.wait_for does"),
        (always, "The first word takes 0.3 s, .* 'One moment. ' comes once"),
        (never, "The first word takes 3.0 s, .* 'One moment. ' comes once"),
        (differing(passes_on=lambda asked: False), "Every word of the language model is passed on once"),
        (
            differing(passes_on=lambda asked: asked),
            "The first word takes 0.3 s, .* Every word of the language model is passed on once",
        ),
        (before_every_word, "the next 1.0 s, .* comes once, before the first word"),
        (waits_it_out, "The first word takes 0.3 s"),
        (
            differing(wait=lambda first, patience: asyncio.sleep(patience)),
            "'word1 ' at 0.8 s.* A word is passed on as soon as it is there",
        ),
        (too_late, "'One moment. ' at 3 s.* when the patience is over"),
        (lambda words, patience: with_wait(words, patience / 1000), "'One moment. ' at 0.0008 s"),
        (other_words, "'Just a second. ' at 0.8 s.* nothing else but 'One moment. '"),
        (without_the_space, "'word1' at 0.3 s"),
        (differing(goes_on=False), "Every word of the language model is passed on once"),
        (real_clock, "patience is 0.8 s"),
        (all_at_the_end, "A word is passed on as soon as it is there"),
        (yields_none, "None at 0.3 s"),
        (no_yield, "it needs async def, and a yield"),
        (no_return, "one_moment returned None"),
        (None, "Give check_one_moment the name that you defined alone, not None"),
    ],
)
def test_a_wrong_moment_is_refused_with_its_case(answer, refusal):
    with pytest.raises(WrongAnswer, match=refusal):
        check_one_moment(answer)
