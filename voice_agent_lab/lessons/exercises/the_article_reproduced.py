"""The exercises of notebook 07: a wait read off an output, an honest verdict, the worth of a mend."""

from collections.abc import Callable, Collection
from dataclasses import replace

from voice_agent_lab.as_published import DEMO_BUDGETS, PROMPTS, Fault, PublishedVoiceAgent
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.lessons.exercises import exercise, expect, expect_number
from voice_agent_lab.lessons.the_article_reproduced import MENDS, output_of, published_turn
from voice_agent_lab.measure.latency import LatencyBudgets
from voice_agent_lab.published import article
from voice_agent_lab.published.article import Output

_FIRST_CHUNK = DEMO_BUDGETS.tts_first_chunk


def _outputs() -> list[tuple[str, Output, float, float]]:
    """Return outputs, each with what it is of, the voice's first chunk and the wait, both in seconds."""
    # Nobody measured the wait behind the published numbers; there it can only be worked out.
    cases = [
        (f"In the published turn {number}", output, _FIRST_CHUNK, _worked_out(output, _FIRST_CHUNK))
        for number, output in enumerate(article.OUTPUT, start=1)
    ]
    for prompt, first_chunk in ((PROMPTS[0], 0.4), ("And will it rain in Paris at the weekend?", 0.25)):
        agent = PublishedVoiceAgent(replace(DEMO_BUDGETS, tts_first_chunk=first_chunk), replies={})
        simulate(agent.process_turn(prompt))
        (turn,) = agent.turns
        which = f"In a run of ours, with the question {prompt!r}"
        cases.append((which, output_of(turn), first_chunk, turn.metrics.voice_to_voice))
    return cases


def _worked_out(output: Output, first_chunk: float) -> float:
    return output.total - output.tts_total + first_chunk - output.speech


@exercise("07")
def check_07_read_the_wait(read_the_wait: Callable[[Output, float], float]) -> str:
    """Compare with the three published outputs, and with two runs whose wait was measured."""
    cases = _outputs()
    for which, output, first_chunk, wait in cases:
        starts = output.total - output.tts_total
        expect_number(
            f"read_the_wait(output, {first_chunk})",
            read_the_wait(output, first_chunk),
            wait,
            f"{which}, speech ended at {output.speech:.2f} s, and the first sound came {first_chunk} s after "
            f"the voice started its work, at {starts:.2f} s.",
        )
    (*_, shown), (*_, last) = cases[0], cases[-1]
    return (
        f"The user waits {shown:.2f} s, by the same output that says 0.000 s, and in a run where the wait was "
        f"measured you find just that, {last:.2f} s. A total that is measured cannot hide what a part leaves out."
    )


@exercise("07")
def check_07_honest_verdict(honest_verdict: Callable[[float, float], str]) -> str:
    """Compare with what the package's budgets say; one latency is a true zero, one was not measured."""
    never = "What was not measured is nan, and equals nothing, not even itself."
    for seconds, budget, rule in (
        (0.59, 0.8, "It took less than was promised."),
        (2.19, 0.8, "It took longer than was promised."),
        (0.8, 0.8, "Who takes just what was promised keeps the promise."),
        (float("nan"), 0.8, never),
        (0.59, 0.5, "The budget is the second argument, and differs from case to case."),
        (2.19, 3.0, "The budget is the second argument, and differs from case to case."),
        (0.0, 0.8, "Here 0.0 was measured: it is a number, and a very good one."),
        (float("nan"), 3.0, never),
    ):
        promised = LatencyBudgets(time_to_first_audio=budget)
        true = promised.judge({"time_to_first_audio": [seconds]})["time_to_first_audio"].status
        found = honest_verdict(seconds, budget)
        expect(
            found == true, f'honest_verdict({seconds}, {budget}) returned {found!r}; it is "{true}". {rule}'
        )
    return (
        "Every comparison with nan is False: a program that only asks whether the budget was exceeded calls "
        "the unmeasured kept."
    )


@exercise("07")
def check_07_worth_of_a_mend(worth: Callable[..., float]) -> str:
    """Compare with pairs of runs that differ in one mend, after none and after others."""
    microphone = Fault.PULLED_AUDIO
    others = [fault for fault in Fault if fault is not microphone]
    for fault, before in (
        (microphone, ()),
        (microphone, others),
        (Fault.NO_SILENCE, ()),
        (Fault.NO_SILENCE, [microphone]),
        (Fault.WHOLE_REPLY_FIRST, [microphone, Fault.NO_SILENCE]),
        (Fault.FROZEN_STATE, ()),
    ):
        already = f"after {len(before)} others" if before else "as the first"
        expect_number(
            f"worth(Fault.{fault.name}, {'...' if before else '()'})",
            worth(fault, before) if before else worth(fault),
            _shorter_by(fault, before),
            f'Here "{MENDS[fault]}" is mended {already}: the two runs differ in this mend alone, and a mend '
            "that makes the wait longer is worth less than nothing.",
        )
    first, last = _shorter_by(microphone, ()), _shorter_by(microphone, others)
    return (
        f"The microphone is worth {first:.2f} s if mended first and {last:.2f} s if mended last. Credit depends "
        "on the order; only the whole does not."
    )


def _shorter_by(fault: Fault, before: Collection[Fault]) -> float:
    without, mended = (published_turn(PROMPTS[0], *faults)[1] for faults in (before, (*before, fault)))
    return without.metrics.voice_to_voice - mended.metrics.voice_to_voice
