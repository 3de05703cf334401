"""Agents, presets and failures travel between processes, and are the same when they arrive."""

import pickle
from copy import deepcopy

import pytest

from voice_agent_lab import Eager, LearnedDetector, StageError, StreamingVoiceAgent, simulate
from voice_agent_lab.presets import PRESETS
from voice_agent_lab.stages.endpointing import TranscriptArrival

QUESTION = "What time is it?"
AGENTS = {
    **{name: preset.agent for name, preset in PRESETS.items()},
    "as it comes": StreamingVoiceAgent,
    "with a detector": lambda: StreamingVoiceAgent(
        endpointing=TranscriptArrival(LearnedDetector(0.5, 0.2, 1.0)),
        overlap="eager",
        eager=Eager(speak=True),
    ),
}


def logs(agent, turns=1):
    for _ in range(turns):
        simulate(agent.process_turn(QUESTION))
    return [turn.log.to_json() for turn in agent.turns]


@pytest.mark.parametrize("travelled", [lambda thing: pickle.loads(pickle.dumps(thing)), deepcopy])
@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_that_has_travelled_goes_on_as_it_would_have(name, travelled):
    agent = AGENTS[name]()
    new = travelled(agent)
    assert logs(new) == logs(agent)
    used = travelled(agent)
    assert logs(used) == logs(agent)
    assert used.recording.stereo().tobytes() == agent.recording.stereo().tobytes()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_travels(name):
    preset = pickle.loads(pickle.dumps(PRESETS[name]))
    assert preset.sources == PRESETS[name].sources
    assert logs(preset.agent(seed=3)) == logs(PRESETS[name].agent(seed=3))


def test_a_failed_stage_is_still_named_in_another_process():
    error = StageError("llm", ConnectionError("no answer"))
    error.add_note("in turn 3")
    there = pickle.loads(pickle.dumps(error))
    assert type(there) is StageError
    assert (str(there), there.stage, there.__notes__) == (str(error), "llm", ["in turn 3"])


def test_an_agent_afresh_has_the_settings_and_no_history():
    agent = PRESETS["pipecat-defaults"].agent()
    logs(agent)
    fresh = agent.afresh(keep_turns=1, keep_recording=False)
    assert fresh.turns == [] and fresh.history == []
    logs(fresh, 2)
    assert len(fresh.turns) == 1 and fresh.recording.sounds == []
    assert len(agent.turns) == 1
    assert fresh.endpointing == agent.endpointing and fresh.endpointing is not agent.endpointing


def test_the_turns_of_one_agent_differ_and_a_new_agent_repeats_them():
    first, second = (PRESETS["livekit-defaults"].agent() for _ in range(2))
    waits = [[t.metrics.voice_to_voice for t in agent.turns] for agent in (first, second) if logs(agent, 4)]
    assert waits[0] == waits[1]
    assert len(set(waits[0])) == 4
