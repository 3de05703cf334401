"""Notebook 00: four latencies, and the turn that they make."""

from matplotlib.figure import Figure

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.lessons.explorer import explorer, slider
from voice_agent_lab.plots import turn_timeline
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.turns.agent import StreamingVoiceAgent

_AXIS = 9.0  # seconds: beyond the end of the slowest turn


@explorer(
    timeout=slider("silence timeout (s)", 0.15, 1.5, 0.5, 0.05),
    finalization=slider("recognition: finalisation (s)", 0.0, 1.0, 0.3, 0.05),
    first_token=slider("language model: first token (s)", 0.0, 2.0, 0.5, 0.05),
    first_chunk=slider("synthesis: first chunk (s)", 0.0, 1.0, 0.2, 0.05),
)
def first_turn(
    timeout: float, finalization: float, first_token: float, first_chunk: float
) -> tuple[Figure, str]:
    """Take one turn apart, whose endpointing, finalisation, first token and first chunk can be set."""
    latencies = StageLatencies(
        asr_finalization=finalization, llm_first_token=first_token, tts_first_chunk=first_chunk
    )
    # A reply of two words: the picture then ends soon after the first sound, and its axis can stay.
    llm = StreamingLLM(first_token, latencies.llm_token_generation, replies={}, default="Hello there!")
    agent = StreamingVoiceAgent(latencies=latencies, endpointing=SilenceTimeout(timeout), llm=llm)
    metrics = simulate(agent.process_turn("Hello, how are you today?"))
    turn = agent.turns[0]
    parts = ", ".join(f"{part.name} {part.seconds:.2f} s" for part in turn.parts)
    return turn_timeline(turn, end=_AXIS), f"The user waits {metrics.voice_to_voice:.2f} s: {parts}."
