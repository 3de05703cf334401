"""Who spoke when, in notebook 08: a pause is taken for the end of what the user says.

What the other figures of the notebook share is here too: turns in virtual time, and labels and bars.
"""

from math import isnan

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, new_figure
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.speech import spoken_words
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.script import Say

CUT_OFF = 'Tell me the weather <break time="0.8s"/> in London tomorrow.'
"""A question with a pause that outlasts the article's timer of 0.5 s."""

QUICK = StageLatencies(
    asr_processing=0.01,
    asr_finalization=0.05,
    llm_first_token=0.1,
    llm_token_generation=0.01,
    tts_first_chunk=0.05,
)
"""An agent with fast parts: it speaks soon after it has decided that the user has finished."""

PLAIN = {"va": "center", "size": 8, "annotation_clip": False}
"""How the small texts of these figures look."""


def finished_turn(text: str, agent: StreamingVoiceAgent) -> Turn:
    """Let the user say `text` to an agent, in virtual time, and return the turn."""
    simulate(agent.process_turn(text))
    return agent.turns[-1]


def conversation(text: str, **options: object) -> StreamingVoiceAgent:
    """Let a user say `text` in a conversation, in virtual time, and return the agent.

    Parameters
    ----------
    text : str
        What the user says, with pauses.
    **options
        As of `StreamingVoiceAgent`.
    """
    agent = StreamingVoiceAgent(**options)
    simulate(agent.converse([Say(text)]))
    return agent


@drawn_in_style
def both_speakers(agent: StreamingVoiceAgent, text: str) -> Figure:
    """Draw when the user and the agent spoke in a conversation of one utterance.

    Parameters
    ----------
    agent : StreamingVoiceAgent
        After the conversation.
    text : str
        What the user said.
    """
    figure, (axes,) = new_figure(2.0, left=0.8, top=0.35)
    zero = agent.turns[0].log.origin
    axes.set_xlim(0, spoken_stretches(text)[-1][1] + 2.2)
    for start, end, words in spoken_stretches(text):
        bar(axes, 0, start, end, "user", words)
    told = []
    for turn in agent.turns:
        shift, m = turn.log.origin - zero, turn.metrics
        axes.plot([shift + m.end_of_turn] * 2, (-0.5, 1.5), color=STAGE_COLOURS["endpointing"], linewidth=1.2)
        say(axes, "end of turn?", (shift + m.end_of_turn, -0.6), (0, 6), ha="center")
        said = f'at {shift + m.end_of_turn:.2f} s "{turn.transcript}" is taken for the whole turn'
        if not isnan(m.playback_started):
            start, end = shift + m.playback_started, shift + m.playback_ended
            bar(axes, 1, start, end, "playback", turn.heard)
            said += f", the agent speaks from {start:.2f} to {end:.2f} s"
        told.append(said)
    axes.set(ylim=(1.6, -0.6), yticks=[], xlabel="seconds since the user began to speak")
    for y, name in enumerate(("user", "agent")):
        axes.annotate(name, (0, y), (-8, 0), textcoords="offset points", ha="right", **PLAIN)
    axes.spines.left.set_visible(False)
    figure.set_label(f"Who spoke when; lines are decisions that the user has finished: {'; '.join(told)}.")
    return figure


def spoken_stretches(text: str) -> list[tuple[float, float, str]]:
    """Return when each stretch of words without a pause begins and ends, and the words."""
    stretches: list[tuple[float, float, str]] = []
    for word in spoken_words(text)[0]:
        if stretches and word.starts - stretches[-1][1] < 0.1:
            start, _, words = stretches.pop()
            stretches.append((start, word.ends, f"{words} {word.text}"))
        else:
            stretches.append((word.starts, word.ends, word.text))
    return stretches


def bar(axes: Axes, y: float, start: float, end: float, stage: str, words: str) -> None:
    """Draw a stretch of speech, with its words as far as they have room."""
    axes.broken_barh([(start, end - start)], (y - 0.4, 0.8), color=STAGE_COLOURS[stage])
    room = max(0.0, min(end, axes.get_xlim()[1]) - start)
    text = axes.text(start, y, f" {words}", size=8, va="center", clip_on=True)
    text.set_clip_path(axes.add_patch(Rectangle((start, y - 0.4), room, 0.8, visible=False)))


def say(
    axes: Axes, text: str, place: tuple[float, float], offset: tuple[float, float], **look: object
) -> None:
    """Write a small text at an offset, in points, from a place in the axes."""
    axes.annotate(text, place, offset, textcoords="offset points", **{**PLAIN, **look})
