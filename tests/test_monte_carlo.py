"""The array model: it agrees with the event simulation to the nanosecond, whatever the agent."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.given import STAGES, Given
from voice_agent_lab import Eager, StreamingVoiceAgent, simulate
from voice_agent_lab.measure.waits import of_turn
from voice_agent_lab.models.anatomy import take_apart
from voice_agent_lab.models.monte_carlo import one_block
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.endpointing import TranscriptArrival
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.playback import Playback
from voice_agent_lab.stages.tts import StreamingTTS

TURNS = 3
SAID = (
    "What's the weather like?",
    "Hi.",
    'Tell me <break time="700ms"/> the time.',
    'Play <break time="300ms"/> me <break time="0.9s"/> a song, thanks a lot.',
    'Oh <break time="2s"/> 今天 天气 — ok?',
)
REPLIES = {"weather": "Yes. It is sunny, and warm! Dr. Smith: go out, now.", "me": "No.", "hi": "Well"}
SCALES = {
    "asr_processing": (0.0, 0.01, 0.1, 0.15),
    "asr_finalization": (0.0, 0.3),
    "llm_first_token": (0.05, 0.5),
    "llm_token_generation": (0.0, 0.02, 0.2),
    "tts_first_chunk": (0.0, 0.2),
    "tts_chunk_generation": (0.0, 0.04, 0.12),
}


def chances(seed, scales, grid):
    """Draw the chances of some turns, in whole nanoseconds or on a coarser grid, on which much coincides."""
    rng = np.random.default_rng(seed)
    latencies = {}
    for stage in STAGES:
        draws = scales[stage] * np.exp(
            0.5 * rng.standard_normal((3100 if stage == "asr_processing" else 300, TURNS))
        )
        latencies[stage] = np.rint(draws * 1e9 / grid) * grid
    silences = np.round(rng.choice([0.1, 0.2, 0.3, 0.5, 0.8, 1.2], (40, TURNS)), 9)
    return Given(latencies, silences, rng.random((20, TURNS)) < 0.4)


AGENTS = st.fixed_dictionaries(
    {
        "overlap": st.sampled_from(["sequential", "chained", "concurrent", "eager"]),
        "aggregation": st.sampled_from(["word", "clause", "sentence", 20]),
        "frame_ms": st.sampled_from([20, 30, 100]),
        "input_latency": st.sampled_from([0.0, 0.114]),
        "output_latency": st.sampled_from([0.0, 0.089]),
        "chunk_ms": st.sampled_from([40, 100]),
        "leading_silence": st.sampled_from([0.0, 0.16]),
        "longest_wait": st.sampled_from([None, 0.4, 5.0]),
        "max_listening": st.sampled_from([1.5, 60.0]),
        "revision_rate": st.sampled_from([0.0, 0.5]),
        "eager": st.builds(
            Eager,
            silence=st.sampled_from([0.1, 0.2]),
            max_attempts=st.sampled_from([1, 3]),
            max_speech=st.sampled_from([1.0, 10.0]),
            speak=st.booleans(),
        ),
    }
)


def agent_for(options, turn):
    took, policy = turn.stages(), turn.policy()
    if options["longest_wait"] is not None:
        policy = TranscriptArrival(policy, options["longest_wait"])
    return StreamingVoiceAgent(
        overlap=options["overlap"],
        aggregation=options["aggregation"],
        audio=AudioInputStream(chunk_duration_ms=options["frame_ms"], latency=options["input_latency"]),
        endpointing=policy,
        asr=StreamingASR(
            took.asr_processing, took.asr_finalization, revision_rate=options["revision_rate"], rng=turn
        ),
        llm=StreamingLLM(took.llm_first_token, took.llm_token_generation, replies=REPLIES),
        tts=StreamingTTS(
            took.tts_first_chunk,
            took.tts_chunk_generation,
            chunk_duration_ms=options["chunk_ms"],
            leading_silence=options["leading_silence"],
        ),
        playback=Playback(options["output_latency"]),
        eager=options["eager"] if options["overlap"] == "eager" else None,
        max_listening=options["max_listening"],
    )


def differences(options, said, given_):
    """Return for each turn what the two simulations say differently, in nanoseconds."""
    agents = [agent_for(options, given_.turn(number)) for number in range(TURNS)]
    arrays = one_block(take_apart(agents[0], said), given_, TURNS, reply=True)
    found = {}
    for number, agent in enumerate(agents):
        simulate(agent.process_turn(said))
        for name, seconds in of_turn(agent.turns[0]).items():
            ours = np.broadcast_to(arrays.get(name, 0.0), TURNS)[number]
            ours = np.nan if name not in arrays and np.isnan(seconds) else ours
            if not np.array_equal(np.rint(seconds * 1e9), ours, equal_nan=True):
                found[number, name] = (seconds, ours / 1e9)
    return found


@settings(max_examples=60, deadline=None)
@given(
    options=AGENTS,
    said=st.sampled_from(SAID),
    seed=st.integers(0, 10**6),
    scales=st.fixed_dictionaries({stage: st.sampled_from(scales) for stage, scales in SCALES.items()}),
)
def test_the_arrays_agree_with_the_event_simulation_to_the_nanosecond(options, said, seed, scales):
    assert differences(options, said, chances(seed, scales, 1)) == {}
