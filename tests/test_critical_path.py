"""The critical path of a turn is a chain from the end of speech to the sound that is asked for."""

from itertools import pairwise

import pytest

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.critical_path import critical_path, seconds_on_path
from voice_agent_lab.measure.log import EventLog
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.playback import Playback
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.speculation import Eager

SLOW_WRITER = StageLatencies(llm_token_generation=0.2)


def a_turn(**options):
    agent = StreamingVoiceAgent(**{"latencies": SLOW_WRITER, **options})
    simulate(agent.process_turn("Hello, how <break time='0.4s'/> are you today?"))
    return agent.turns[0]


TURNS = {overlap: a_turn(overlap=overlap) for overlap in ("concurrent", "chained", "sequential", "eager")}
TURNS["eager voice"] = a_turn(overlap="eager", eager=Eager(silence=0.1, speak=True))
TURNS["far away"] = a_turn(playback=Playback(0.2), tts=StreamingTTS(0.06, 0.13, leading_silence=0.04))
every_turn = pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)


@every_turn
@pytest.mark.parametrize("until", ["first sound", "last sound"])
def test_it_is_a_chain_from_the_end_of_speech_to_the_sound(turn, until):
    path = critical_path(turn, until)
    moments = {"first sound": turn.metrics.playback_started, "last sound": turn.metrics.playback_ended}
    assert path[0].start == turn.metrics.speech_ended
    assert path[-1].end == pytest.approx(moments[until])
    for before, after in pairwise(path):
        assert after.start == pytest.approx(before.end)
        assert (before.stage, before.name) != (after.stage, after.name)


@every_turn
def test_up_to_the_first_sound_it_has_the_lengths_of_the_parts_of_the_wait(turn):
    parts = {part.name: part.seconds for part in turn.parts if part.name != "text aggregation"}
    for name, seconds in parts.items():
        assert seconds_on_path(turn, "first sound", [name]) == pytest.approx(seconds), name
    assert seconds_on_path(turn, "first sound", [*parts, "tokens"]) == pytest.approx(
        turn.metrics.voice_to_voice
    )


def test_there_is_none_to_a_sound_that_was_not_made():
    assert critical_path(Turn(EventLog())) == []
    with pytest.raises(ValueError, match="until is 'lunch'"):
        critical_path(TURNS["eager"], "lunch")
