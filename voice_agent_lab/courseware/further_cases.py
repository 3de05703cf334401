"""A further case for each exercise, which a learner does not see: the hidden tests of the nbgrader edition.

Each function takes an answer, tries it on a case that no check has, and compares what it gives with
numbers that are written here. Its source is copied into the locked cell of the exercise, so that
nothing of it can be replaced beforehand. For the same reason it trusts no name that a notebook or a
patched module could have given another meaning: ``(0.0).__class__`` is `float` whatever ``float`` is
bound to, and ``"".join`` makes a plain string of an object that claims to equal everything.

The name of each function is that of its exercise, after ``further_``.
"""

# No annotations: the functions must stand alone in a cell of a notebook.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"


def is_near_to(found, true, tolerance=0.005):
    """Return whether a number is the true one, to two decimals."""
    return -tolerance - 1e-9 <= (0.0).__class__(found) - true <= tolerance + 1e-9


def plain_text(text):
    """Return a text as a plain string, without the space around it."""
    return "".join((text,)).strip()


def examined_afresh(module, check, answer):
    """Let the check examine an answer as it is on disk, whatever the notebook has put in its place."""
    import sys
    from importlib import import_module

    exercises = [name for name in sys.modules if name.startswith("voice_agent_lab.lessons.exercises")]
    before = {name: sys.modules.pop(name) for name in exercises}
    try:
        import_module(module).__dict__[check].__wrapped__(answer)
    finally:
        sys.modules.update(before)


def further_hidden_wait(answer):
    """Try a turn whose final transcript comes late."""
    from voice_agent_lab.measure.latency import LatencyMetrics

    metrics = LatencyMetrics(
        speech_ended=4.1,
        end_of_turn=4.9,
        asr_complete=5.35,
        llm_started=5.35,
        llm_first_token=5.75,
        tts_started=5.8,
        tts_first_chunk=6.0,
        playback_started=6.0,
    )
    assert is_near_to(answer(metrics), 1.25), (
        "From the end of speech to the final transcript it takes 1.25 s here."
    )


def further_within_a_second(answer):
    """Add the latencies up by hand: they and the half second of silence are what the user waits for."""
    took = answer()
    waits = (
        took.asr_processing,
        took.asr_finalization,
        took.llm_first_token,
        took.llm_token_generation,
        took.tts_first_chunk,
    )
    total = 0.5
    for seconds in waits:
        assert (0.0).__class__(seconds) >= 0.01, "No service takes less than 0.01 s."
        total = total + (0.0).__class__(seconds)
    assert total <= 1.0 + 1e-9, "With the silence of 0.5 s these latencies are more than a second."


def further_three_answers(answer):
    """Try a latency just above its budget, one just at it, a true zero and one that was not measured."""
    assert plain_text(answer(0.41, 0.4)) == "missed", "0.41 s miss a budget of 0.4 s."
    assert plain_text(answer(0.4, 0.4)) == "met", "0.4 s meet a budget of 0.4 s."
    assert plain_text(answer(0.0, 0.1)) == "met", "A latency of 0 s was measured."
    assert plain_text(answer((0.0).__class__("nan"), 0.1)) == "not measured", "nan was not measured."


def further_allowance(answer):
    """Try a turn whose wait is 0.97 s without its first token."""
    from voice_agent_lab import StageLatencies, StreamingVoiceAgent, simulate

    agent = StreamingVoiceAgent(latencies=StageLatencies(asr_finalization=0.15, llm_first_token=0.7))
    simulate(agent.process_turn("Hello, how are you today?"))
    assert is_near_to(answer(agent.turns[0], 1.3), 0.33), (
        "0.97 s are spent otherwise; 0.33 s are left of 1.3 s."
    )
    never = (0.0).__class__(answer(agent.turns[0], 0.9))
    assert never != never, "0.97 s are spent otherwise; no language model keeps a promise of 0.9 s: nan."


def further_shortest_frame(answer):
    """Try other prices."""
    assert is_near_to(answer(40), 8.0, 0.05), "40 kbit/s pay for 125 headers a second: frames of 8 ms."
    assert is_near_to(answer(12.8), 25.0, 0.05), "12.8 kbit/s pay for 40 headers a second: frames of 25 ms."


def further_last_frame(answer):
    """Try a recogniser that falls behind by 10 ms a frame, and one that does not."""
    assert is_near_to(answer(15, 0.05, 0.06), 0.2), (
        "It falls behind 14 times by 0.01 s, and then takes 0.06 s."
    )
    assert is_near_to(answer(15, 0.05, 0.02), 0.02), "It never falls behind: the last frame takes 0.02 s."


def further_absolute_deadline(answer):
    """Read frames of 60 ms, with a pause of 0.2 s after the second one."""
    import asyncio

    from voice_agent_lab import simulate

    async def read():
        await asyncio.sleep(1.7)
        for k, due in {0: 1.76, 1: 1.82, 2: 2.02, 3: 2.03, 4: 2.04, 5: 2.06, 6: 2.12}.items():
            await answer(k, 1.7, 0.06)
            assert is_near_to(asyncio.get_running_loop().time(), due, 0.006), "A frame is late, or too early."
            await asyncio.sleep(0.2 if k == 1 else 0.01)

    simulate(read())


def further_trusted(answer):
    """Try a word that is revised twice."""
    history = (0.3, "for"), (0.55, "four"), (0.65, "forty")
    for wait, at, word in ((0.15, 0.45, "for"), (0.3, 0.95, "forty"), (0.6, 1.2, "forty")):
        time, believed = answer([*history], wait, 1.2)
        assert is_near_to(time, at), "It is trusted at another time."
        assert plain_text(believed) == word, "Another word is trusted."


def further_runs_on(answer):
    """Try a recogniser that is too slow, and a quick one."""
    assert is_near_to(answer(10, 0.05, 1.4), 0.25), (
        "Ten frames take 0.7 s, and the first is complete after 0.05 s."
    )
    assert is_near_to(answer(10, 0.05, 0.6), 0.03), "Only the last frame is still to be worked on."


def further_first_sentence(answer):
    """Try a first sentence of four words, and one of a single word."""
    assert is_near_to(answer("Good morning to you. Shall we start?", 0.4, 8), 0.775), (
        "Three words after the first."
    )
    assert is_near_to(answer("Really? Yes, today.", 0.4, 8), 0.4), "The first word is a sentence."


def further_chance_of_a_stall(answer):
    """Try a stall in 3 % of the turns."""
    assert is_near_to(answer(0.03, 12), 0.306), "All twelve turns go well with a chance of 0.694."
    assert is_near_to(answer(0.25, 3), 0.578), "All three turns go well with a chance of 0.422."


def further_tokens_per_pass(answer):
    """Try three guesses, each accepted in three of four cases."""
    assert is_near_to(answer(0.75, 3), 2.734), "1 + 0.75 + 0.75 ** 2 + 0.75 ** 3"


def further_gap_after_word(answer):
    """Try words of six, of fourteen and of two letters."""
    assert is_near_to(answer(6, 0.35), 0.1), "The word sounds for 0.4 s; 0.5 s are worked on."
    assert is_near_to(answer(14, 0.2), 0.0), "A word of 0.93 s hides the work on the next one."
    assert is_near_to(answer(2, 0.4, 0.06), 0.327), "The word sounds for 0.133 s; 0.46 s are worked on."


def further_better_cut(answer):
    """Try a reply whose first comma comes after 23 characters."""
    from voice_agent_lab import simulate

    reply = (
        "On Monday it is closed, but on all other days it opens at nine and stays open late. Shall I book?"
    )

    async def pieces():
        async def words():
            for word in reply.split():
                yield word + " "

        return [plain_text(piece) async for piece in answer(words())]

    first, *others = simulate(pieces())
    assert " ".join((first, *others)) == reply, "The pieces are not the reply."
    assert first == "On Monday it is closed,", "The first piece could end at the comma."
    for piece in others:
        assert piece.endswith((".", "?")), "A later piece does not end a sentence."


def further_first_sound(answer):
    """Try two sentences of seven words."""
    names = {"words": 7, "sentences": 2, "first_token": 0.4, "word": 0.1, "first_chunk": 0.3}
    assert is_near_to(answer("sequential", **names), 2.0), "A sequential agent waits for all 14 words."
    assert is_near_to(answer("chained", **names), 1.3), "A chained agent waits for the first sentence."
    assert is_near_to(answer("concurrent", **names), 1.3), "A concurrent agent waits for the first sentence."


def further_one_moment(answer):
    """Try a first word that comes after 0.9 s, and one that comes after 0.4 s."""
    import asyncio

    from voice_agent_lab import simulate

    async def compare(first, expected):
        async def words():
            await asyncio.sleep(first)
            yield "tick "
            await asyncio.sleep(0.2)
            yield "tock "

        left = [*expected]
        async for word in answer(words(), 0.5):
            assert left, "More is passed on than was said."
            time, text = left.pop(0)
            assert plain_text(word) == text, "Another word is passed on."
            assert is_near_to(asyncio.get_running_loop().time(), time), "It is passed on at another time."
        assert not left, "Something was not passed on."

    simulate(compare(0.9, ((0.5, "One moment."), (0.9, "tick"), (1.1, "tock"))))
    simulate(compare(0.4, ((0.4, "tick"), (0.6, "tock"))))


def further_read_the_wait(answer):
    """Try an output of other numbers."""
    from voice_agent_lab.published.article import Output

    output = Output(2.4, 24, 5, 0.3, 0.5, 9, 0.9, 2, 0.0, 0.0, 5.1)
    assert is_near_to(answer(output, 0.3), 2.1), (
        "Synthesis begins at 4.2 s, is heard at 4.5 s; speech ended at 2.4 s."
    )


def further_honest_verdict(answer):
    """Try a latency just above its budget, one just at it, a true zero and one that was not measured."""
    assert plain_text(answer(0.36, 0.35)) == "missed", "0.36 s miss a budget of 0.35 s."
    assert plain_text(answer(0.35, 0.35)) == "met", "0.35 s meet a budget of 0.35 s."
    assert plain_text(answer(0.0, 0.2)) == "met", "A latency of 0 s was measured."
    assert plain_text(answer((0.0).__class__("nan"), 0.2)) == "not measured", "nan was not measured."


def further_worth_of_a_mend(answer):
    """Try mends in other orders than the check's."""
    from voice_agent_lab.as_published import Fault

    assert is_near_to(answer(Fault.WHOLE_REPLY_FIRST), 0.14), "Alone, this mend is worth 0.14 s."
    assert is_near_to(answer(Fault.PULLED_AUDIO, [Fault.NO_SILENCE]), 1.92), (
        "After the silence it is worth 1.92 s."
    )
    assert is_near_to(answer(Fault.NO_SILENCE, [Fault.WHOLE_REPLY_FIRST]), -1.1), (
        "This mend makes the wait longer."
    )


def further_words_and_silence(answer):
    """Count the frames of silence after words that look whole, and after words that do not."""

    def frames(text):
        policy = answer()
        policy.understood(text)
        policy.finished(True, 0.1)
        count = 1
        while not policy.finished(False, 0.1):
            count += 1
            assert count < 80, "After 8 s of silence the policy still waits."
        return count

    assert frames("Please call me back at noon.") < frames("Please call me back at"), (
        "Words that look whole need less silence than words that do not."
    )


def further_latest_bet(answer):
    """Try a bet that can wait, and one that cannot."""
    assert is_near_to(answer(0.8, 0.15, 0.35, 0.1), 0.5), (
        "0.95 s less the 0.45 s that the first sentence takes."
    )
    assert is_near_to(answer(0.3, 0.05, 0.5, 0.2), 0.0), "Nobody can bet before the end of speech."


def further_timer_for(answer):
    """Try other shares."""
    assert is_near_to(answer(0.15), 1.058), "1.06 s cut off 15 % of the turns."
    assert is_near_to(answer(0.4), 0.475), "0.48 s cut off 40 % of the turns."


def further_words_heard(answer):
    """Try a sentence that is cut inside its fifth word."""
    sentence = "The museum closes at six today."
    assert plain_text(answer(sentence, 1.5)) == "The museum closes at", "22 characters sounded: 'six' is cut."
    assert plain_text(answer(sentence, 1.6)) == "The museum closes at six", "24 characters sounded."


def further_patient_listener(answer):
    """Agree and object in other words, at another moment."""
    from voice_agent_lab.lessons.barge_in import interrupted
    from voice_agent_lab.measure.who_spoke import held_up

    policy = answer()
    agreed = interrupted(1.2, policy, text="Okay").turns[0]
    assert (0.0).__class__(held_up(agreed)) <= 1.5, "An 'okay' may hold the agent up for 1.5 s."
    objected = interrupted(1.2, policy, text="Wait, that is not the right table.").turns[0]
    assert (0.0).__class__(objected.barge_in_to_silence) <= 1.0, "An objection silences it within a second."
    assert held_up(objected) == (0.0).__class__("inf"), "After an objection it does not go on."
