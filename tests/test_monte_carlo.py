"""The array model: it agrees with the event simulation to the nanosecond, whatever the agent."""

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.components import SlowTimeout, Tokens
from tests.given import STAGES, Given
from voice_agent_lab import (
    Eager,
    Fixed,
    LearnedDetector,
    LogNormal,
    Measured,
    StageLatencies,
    StreamingVoiceAgent,
    WithStalls,
    monte_carlo,
    sample,
    simulate,
)
from voice_agent_lab.measure.waits import Waits, of_turn
from voice_agent_lab.models.anatomy import NotModelled, take_apart
from voice_agent_lab.models.draws import WithoutStalls, nanoseconds
from voice_agent_lab.models.monte_carlo import one_block
from voice_agent_lab.presets import PRESETS
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.distributions import LeftAfter
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


@settings(max_examples=30, deadline=None)
@given(
    options=AGENTS,
    said=st.sampled_from(SAID),
    seed=st.integers(0, 10**6),
    scales=st.fixed_dictionaries({stage: st.sampled_from(scales) for stage, scales in SCALES.items()}),
)
def test_the_arrays_agree_where_much_happens_at_the_same_instant(options, said, seed, scales):
    assert differences(options, said, chances(seed, scales, 10_000_000)) == {}


# --- Many turns -----------------------------------------------------------------------------------

RANDOM = StageLatencies(
    LogNormal(0.03), LogNormal(0.2), WithStalls(LogNormal(0.45, 0.4), 0.02, 6.0), LogNormal(0.02), 0.15, 0.05
)


@pytest.mark.parametrize("overlap", ["sequential", "chained", "concurrent", "eager"])
def test_an_agent_without_chance_waits_the_same_in_both_simulations(overlap):
    agent = StreamingVoiceAgent(overlap=overlap)
    waits = monte_carlo(agent, 3, said=SAID[0], reply=True)
    simulate(agent.process_turn(SAID[0]))
    events = Waits.of(agent.turns)
    assert waits.voice_to_voice.tolist() == [events.voice_to_voice[0]] * 3
    assert {name: part[0] for name, part in waits.parts.items()} == {n: p[0] for n, p in events.parts.items()}
    assert waits.underruns[0] == events.underruns[0]


@pytest.mark.parametrize("name", PRESETS)
def test_a_presets_percentiles_are_those_of_the_event_simulation(name):
    many = monte_carlo(PRESETS[name], 20_000, said="Hello there!").summary()
    few = sample(PRESETS[name], 100, said="Hello there!", seed=5, progress=False).summary()
    for percent in (25, 50, 75, 90):
        expected, found = many.percentile(percent), few.percentile(percent)
        assert found.low - 1e-9 <= expected.value <= found.high + 1e-9


def test_the_parts_of_every_turn_sum_to_its_wait():
    waits = monte_carlo(StreamingVoiceAgent(latencies=RANDOM), 5000)
    assert np.allclose(sum(waits.parts.values()), waits.voice_to_voice, rtol=0, atol=1e-9)


def test_turns_depend_on_the_seed_and_on_nothing_else():
    agent = StreamingVoiceAgent(latencies=RANDOM)
    one = monte_carlo(agent, 20_000, seed=1)
    simulate(agent.process_turn(SAID[0]))
    again, other = monte_carlo(agent, 20_000, seed=1), monte_carlo(agent, 20_000, seed=2)
    assert one.voice_to_voice.tobytes() == again.voice_to_voice.tobytes()
    assert not (one.voice_to_voice == other.voice_to_voice).any()
    assert len(np.unique(one.voice_to_voice)) > 19_900


def test_an_agent_stays_as_it_was():
    agent, twin = (StreamingVoiceAgent(latencies=RANDOM, seed=4) for _ in range(2))
    monte_carlo(agent, 100)
    assert agent.turns == []
    assert simulate(agent.process_turn("Hi.")) == simulate(twin.process_turn("Hi."))


def test_a_change_to_one_stage_leaves_the_chances_of_the_others():
    faster = StageLatencies(RANDOM.asr_processing, RANDOM.asr_finalization, 0.1, RANDOM.llm_token_generation)
    one, other = (monte_carlo(StreamingVoiceAgent(latencies=took), 1000) for took in (RANDOM, faster))
    assert one.parts["finalisation"].tobytes() == other.parts["finalisation"].tobytes()
    assert one.parts["text aggregation"].tobytes() == other.parts["text aggregation"].tobytes()


def test_several_texts_share_the_turns():
    agent = StreamingVoiceAgent()
    each = [
        monte_carlo(agent, 1, said=text).voice_to_voice[0] for text in ("Hello there!", "Play some music.")
    ]
    both = monte_carlo(agent, 5, said=("Hello there!", "Play some music."))
    assert both.voice_to_voice.tolist() == [each[0]] * 3 + [each[1]] * 2


def test_a_user_who_is_cut_off_waits_from_no_known_moment():
    waits = monte_carlo(StreamingVoiceAgent(), 10, said='Tell me <break time="2s"/> the time.')
    assert np.isnan(waits.voice_to_voice).all() and waits.items["llm_first_token"].tolist() == [0.5] * 10
    assert "10 of them no wait was measured" in repr(waits.summary())


# --- What it refuses ------------------------------------------------------------------------------


class OwnVoice(StreamingTTS):
    async def synthesize_stream(self, text_stream):
        yield np.zeros(1)


async def waits_for_itself(tokens):
    async for token in tokens:
        await asyncio.sleep(0.1)
        yield token


@pytest.mark.parametrize(
    ("settings_", "sentence"),
    [
        ({"llm": Tokens(["Hi."])}, r"^llm is a Tokens of your own, .* use sample, which runs it$"),
        ({"tts": OwnVoice()}, r"^tts is a OwnVoice of your own"),
        ({"endpointing": SlowTimeout()}, r"^endpointing is a SlowTimeout of your own"),
        (
            {"endpointing": LearnedDetector(1, 0.2, 1.0, more_to_come=lambda: False)},
            r"^endpointing has a more_to_come of your own; use sample, which asks it$",
        ),
        ({"aggregation": waits_for_itself}, r"^aggregation waits by itself.*; use sample, which lets it$"),
        (
            {"overlap": "eager", "eager": Eager(silence=0)},
            r"^eager bets after 0 s of silence, while the user speaks; use sample, or a later bet$",
        ),
    ],
)
def test_what_the_arrays_cannot_model_is_refused_in_a_sentence(settings_, sentence):
    with pytest.raises(NotModelled, match=sentence):
        monte_carlo(StreamingVoiceAgent(**settings_), 10)


@pytest.mark.parametrize("n", [0, -1, 2.5, True])
def test_no_turns_are_refused(n):
    with pytest.raises(ValueError, match=r"^n is .*; it must be a whole number of turns, 1 or more$"):
        monte_carlo(StreamingVoiceAgent(), n)


def test_nothing_said_and_no_agent_are_refused():
    with pytest.raises(ValueError, match=r"^text is empty"):
        monte_carlo(StreamingVoiceAgent(), 1, said=" ")
    with pytest.raises(ValueError, match=r"^said is empty; give at least one text"):
        monte_carlo(StreamingVoiceAgent(), 1, said=[])
    with pytest.raises(TypeError, match=r"^agent is 'article'; give a StreamingVoiceAgent or a preset"):
        monte_carlo("article", 1)


class Draws:
    """A distribution of somebody's own."""

    def __init__(self, value):
        self.value = value

    def samples(self, rng, size):
        return np.full(size, self.value)


def test_a_distribution_of_ones_own_is_drawn_from():
    agent = StreamingVoiceAgent(latencies=StageLatencies(llm_first_token=Draws(0.7)))
    assert monte_carlo(agent, 2).parts["first token"].tolist() == [0.7, 0.7]


@pytest.mark.parametrize("bad", [-0.1, np.nan, np.inf])
def test_a_distribution_that_draws_no_latency_is_named(bad):
    agent = StreamingVoiceAgent(latencies=StageLatencies(llm_first_token=Draws(bad)))
    with pytest.raises(ValueError, match=r"must return so many finite numbers of seconds, each 0 or more$"):
        monte_carlo(agent, 2)


# --- Drawing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "distribution",
    [
        Fixed(0.3),
        LogNormal(0.45, 0.4),
        Measured((0.1, 0.2, 0.2, 0.9)),
        WithStalls(LogNormal(0.3), 0.1, LogNormal(6.0)),
        LeftAfter(LogNormal(0.3), 0.3),
        WithoutStalls(WithStalls(LogNormal(0.3), 0.1, 6.0)),
    ],
)
def test_many_draws_at_once_are_distributed_as_single_ones_and_whole_nanoseconds(distribution):
    size = 200_000
    fast = np.broadcast_to(nanoseconds(distribution, np.random.default_rng(1), size), size)
    slow = 1e9 * distribution.samples(np.random.default_rng(2), size)
    levels = [0.1, 0.4, 0.65, 0.85, 0.95, 0.99]  # where none of them jumps
    assert np.quantile(fast, levels) == pytest.approx(np.quantile(slow, levels), rel=0.02, abs=1)
    assert np.array_equal(fast, np.rint(fast))
