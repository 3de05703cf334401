"""The exercises of notebook 00: what an article's clock leaves out, and an agent that is quick enough."""

from collections.abc import Callable
from dataclasses import fields
from numbers import Real

from voice_agent_lab.lessons.exercises import exercise, expect, expect_number, finished_turn
from voice_agent_lab.measure.latency import LatencyMetrics
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.turns.agent import StreamingVoiceAgent

_PROMPT = "Hello, how are you today?"
_SHORTEST = 0.01  # seconds: what the exercise grants to the quickest of services


def _turn(prompt: str, timeout: float, finalization: float) -> Turn:
    agent = StreamingVoiceAgent(
        latencies=StageLatencies(asr_finalization=finalization), endpointing=SilenceTimeout(timeout)
    )
    return finished_turn(agent, prompt)


@exercise("00")
def check_hidden_wait(hidden_wait: Callable[[LatencyMetrics], float]) -> str:
    """Compare with the stamps of the turn that the notebook shows, and of two others."""
    shown = _turn(_PROMPT, 0.5, 0.3).metrics
    for metrics in (
        shown,
        _turn(_PROMPT, 0.8, 0.1).metrics,
        _turn("What is the weather going to be like in Paris at the weekend?", 0.3, 0.2).metrics,
    ):
        expect_number(
            "hidden_wait(metrics)",
            hidden_wait(metrics),
            metrics.asr_complete - metrics.speech_ended,
            f"In this turn speech ended at {metrics.speech_ended:.2f} s, and the transcript was final at "
            f"{metrics.asr_complete:.2f} s.",
        )
    hidden, waited = hidden_wait(shown), shown.voice_to_voice
    return f"{hidden:.1f} s of {waited:.2f} s are over before the article starts its clock: {hidden / waited:.0%}."


@exercise("00")
def check_within_a_second(fast_latencies: Callable[[], StageLatencies]) -> str:
    """Run the turn with the latencies; none may be shorter than real services can be."""
    latencies = fast_latencies()
    expect(
        isinstance(latencies, StageLatencies),
        f"fast_latencies() returned {latencies!r}, not a StageLatencies. Does it end with a return?",
    )
    for field in fields(latencies):
        seconds = getattr(latencies, field.name)
        expect(
            isinstance(seconds, Real) and seconds >= _SHORTEST,
            f"{field.name} is {seconds} s. No service is that quick: give each at least {_SHORTEST} s.",
        )
    turn = finished_turn(StreamingVoiceAgent(latencies=latencies), _PROMPT)
    waited = turn.metrics.voice_to_voice
    longest = max(turn.parts, key=lambda part: part.seconds)
    expect(
        waited <= 1.0,
        f"Voice-to-voice is {waited:.2f} s, more than 1 s. The longest part is {longest.name}, "
        f"{longest.seconds:.2f} s.",
    )
    return f"Voice-to-voice is {waited:.2f} s, and {longest.seconds / waited:.0%} of it is {longest.name}."
