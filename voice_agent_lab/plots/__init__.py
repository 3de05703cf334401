"""Figures: what happened when, where the wait went, and what the sound looks like.

Each function takes turns (or sound) and returns a `Figure`. A figure is a value: it is drawn outside
pyplot, leaves matplotlib's settings as they were, and shows itself as the last line of a notebook
cell. It carries a sentence of its numbers, computed from the same data, for those who cannot see it.

Conventions
-----------
* Times are in seconds since the turn's microphone opened; lengths below 0.1 s are written in ms.
* A stage has the same colour everywhere (`STAGE_COLOURS`). Nothing is told by colour alone: what a
  bar or line is stands on it or beside it, and neighbours differ in lightness.
* What was not measured is written "not measured" and drawn nowhere, least of all at zero.
"""

from voice_agent_lab.plots.diagrams import agent_states, pipeline
from voice_agent_lab.plots.drawing import (
    STAGE_COLOURS,
    STATE_STAGES,
    alt_text,
    drawn_in_style,
    image_tag,
    length,
    new_figure,
    png,
    size,
    style,
)
from voice_agent_lab.plots.many_turns import time_to_first_audio_across_turns, voice_to_voice_parts
from voice_agent_lab.plots.one_turn import partials_over_time, stage_breakdown, state_ribbon
from voice_agent_lab.plots.sound import energy, spectrogram, waveform_and_energy
from voice_agent_lab.plots.waterfall import turn_timeline

__all__ = [
    "STAGE_COLOURS",
    "STATE_STAGES",
    "agent_states",
    "alt_text",
    "drawn_in_style",
    "energy",
    "image_tag",
    "length",
    "new_figure",
    "partials_over_time",
    "pipeline",
    "png",
    "size",
    "spectrogram",
    "stage_breakdown",
    "state_ribbon",
    "style",
    "time_to_first_audio_across_turns",
    "turn_timeline",
    "voice_to_voice_parts",
    "waveform_and_energy",
]
