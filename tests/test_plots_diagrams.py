"""The diagrams say in words what they show, and show the stages and states that there are."""

import pytest

from voice_agent_lab.plots import agent_states, alt_text, pipeline
from voice_agent_lab.turns.states import LEGAL


def texts(figure):
    return [text.get_text().replace("\n", " ") for text in figure.axes[0].texts]


def test_the_chain_marks_where_one_is():
    figure = pipeline("recognition", "playback")
    assert texts(figure).count("you are here") == 2
    assert alt_text(figure).endswith("You are at: recognition, playback.")
    assert "you are here" not in texts(pipeline())


def test_a_stage_that_there_is_not_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="no stage 'asr'; there are microphone, voice activity"):
        pipeline("asr")


def test_every_state_and_every_change_is_drawn():
    changes = {state.value: {follower.value for follower in followers} for state, followers in LEGAL.items()}
    figure = agent_states(changes)
    assert {state.replace("_", " ") for state in changes} <= set(texts(figure))
    arrows = [patch for patch in figure.axes[0].patches if type(patch).__name__ == "FancyArrowPatch"]
    assert len(arrows) == sum(map(len, changes.values()))
    assert "from thinking to interrupted or listening or speaking" in alt_text(figure)
