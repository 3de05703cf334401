"""The exercises of notebook 01: a verdict with three answers, and what a promise leaves to the language model."""

from collections.abc import Callable
from math import isnan, nan
from numbers import Real

from voice_agent_lab.lessons.exercises import exercise, expect, expect_number, expect_something, finished_turn
from voice_agent_lab.measure.latency import LatencyBudgets
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.turns.agent import StreamingVoiceAgent

_ANSWERS = ("met", "missed", "not measured")
_RULES = {
    "met": "A latency that is not longer than its budget meets it, and 0.0 s is a latency like any other.",
    "missed": "A latency that is longer than its budget misses it.",
    "not measured": "What is nan was not measured, whatever the budget.",
}


@exercise("01")
def check_three_answers(verdict: Callable[[float, float], str]) -> str:
    """Compare with the package's verdicts, for the notebook's budget and for two others."""
    for latency, budget in (
        (0.72, 0.8),
        (0.8, 0.8),
        (1.62, 0.8),
        (nan, 0.8),
        (0.0, 0.8),
        (1.62, 2.0),
        (0.72, 0.5),
        (float("nan"), 2.0),
    ):
        found = verdict(latency, budget)
        call = f"verdict({latency}, {budget})"
        expect_something(call, found)
        told = " or ".join(f'"{answer}"' for answer in _ANSWERS)
        expect(
            isinstance(found, str) and found in _ANSWERS, f"{call} returned {found!r}. The answer is {told}."
        )
        items = [] if isnan(latency) else [latency]
        true = LatencyBudgets(voice_to_voice=budget).judge({"voice_to_voice": items})["voice_to_voice"].status
        expect(found == true, f'{call} returned "{found}". {_RULES[true]}')
    return "1.62 s miss a budget of 0.8 s and meet one of 2 s. A true 0.0 is met: only a made-up one is the problem."


_TURNS = (  # a prompt, and the first token in seconds: the notebook's turn and an unseen one
    ("Hello, how are you today?", 0.5),
    ("What's the weather like?", 0.9),
)


def _turn(prompt: str, first_token: float) -> Turn:
    agent = StreamingVoiceAgent(latencies=StageLatencies(llm_first_token=first_token))
    return finished_turn(agent, prompt)


@exercise("01")
def check_allowance(allowance: Callable[[Turn, float], float]) -> str:
    """Compare with the same turns, simulated with a first token that takes no time."""
    shown, found = _turn(*_TURNS[0]), nan
    for prompt, first_token in _TURNS:
        turn = _turn(prompt, first_token)
        rest = _turn(prompt, 0.0).metrics.voice_to_voice
        told = f"With a first token of 0 s this turn has a voice-to-voice of {rest:.2f} s."
        for promise in (1.4, 2.0, round(rest + 0.05, 9)):
            call = f"allowance(turn, {promise:g})"
            expect_number(call, allowance(turn, promise), promise - rest, told)
        for promise in (0.8, round(rest - 0.05, 9)):
            found = allowance(turn, promise)
            call = f"allowance(turn, {promise:g})"
            expect_something(call, found)
            refusal = f"{call} returned {found!r}. {told} No language model keeps that promise: return nan."
            expect(isinstance(found, Real) and isnan(found), refusal)
    allowed = allowance(shown, 1.4)
    kept = _turn(_TURNS[0][0], max(0.0, round(allowed, 9))).metrics.voice_to_voice
    return (
        f"For 1.4 s the first token may take {allowed:.2f} s, and the turn then takes {kept:.2f} s. "
        "For 0.8 s no language model is fast enough."
    )
