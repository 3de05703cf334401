"""The conversations of notebook 09: the user talks over the agent, and what was heard of whom.

One agent answers one question, and the user speaks again while it does.

Conventions
-----------
A moment "into the answer" is counted from its first sound at the user's ear.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import isnan

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import STAGE_COLOURS, STATE_STAGES, drawn_in_style, new_figure
from voice_agent_lab.plots.drawing import ink, rows_only, text_width, tint, units_per_pixel, write
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.playback import Playback
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.interruption import Interruption
from voice_agent_lab.turns.script import Say

PROMPT = "Is my table booked?"
REPLY = "Your table is booked for eight, but the kitchen closes at nine."
STOP = "Actually, cancel it please."
REPLIES = {"table": REPLY, "cancel": "All right, it is cancelled.", "wrong": "Which day would you like?"}

LATENCIES = StageLatencies(asr_processing=0.01, asr_finalization=0.1, llm_first_token=0.3)
"""What this agent's stages take; the rest is the article's."""

WHOLE = 10_000
"""Milliseconds of sound in a chunk of this agent's voice: it gives a whole sentence at once."""


def talk(
    *script: Say,
    policy: Interruption | None = None,
    latency: float = 0.0,
    frame_ms: float = 50,
    **options: object,
) -> StreamingVoiceAgent:
    """Hold a conversation with the agent of notebook 09 in virtual time, and return the agent.

    Parameters
    ----------
    *script : Say
        What the user says, and when.
    policy : Interruption, optional
        What counts as an interruption; the default of `Interruption` if not given.
    latency : float
        Seconds on the way to the user's ear.
    frame_ms : float
        How much sound a frame of the microphone holds.
    **options
        What else `StreamingVoiceAgent` takes.
    """
    took = options.get("latencies", LATENCIES)
    settings = {
        "latencies": took,
        "llm": StreamingLLM(took.llm_first_token, took.llm_token_generation, replies=REPLIES),
        "tts": StreamingTTS(took.tts_first_chunk, took.tts_chunk_generation, chunk_duration_ms=WHOLE),
        "audio": AudioInputStream(chunk_duration_ms=frame_ms),
        "playback": Playback(latency),
        "interruption": policy,
    }
    agent = StreamingVoiceAgent(**{**settings, **options})
    simulate(agent.converse(script), max_virtual_time=300)
    return agent


@lru_cache(maxsize=256)
def interrupted(
    moment: float,
    policy: Interruption | None = None,
    latency: float = 0.08,
    text: str = STOP,
) -> StreamingVoiceAgent:
    """Ask about the table and speak again some seconds into the answer; return the agent.

    Parameters
    ----------
    moment : float
        Seconds into the answer.
    policy : Interruption, optional
        What counts as an interruption.
    latency : float
        Seconds on the way to the user's ear.
    text : str
        What the user says then.
    """
    return talk(Say(PROMPT, 0.2), Say(text, moment, "speaking"), policy=policy, latency=latency)


# What was to be heard, and when.


def user_speech(turns: Sequence[Turn]) -> list[tuple[float, float]]:
    """Return when the user spoke, in seconds since the first turn began."""
    moments: dict[str, set[float]] = {"speech_started": set(), "speech_ended": set()}
    for turn in turns:
        for name, times in moments.items():
            since = turn.log.origin - turns[0].log.origin
            times.update(round(since + event.time, 6) for event in turn.log.all("user", name))
    return list(zip(*(sorted(times) for times in moments.values()), strict=False))


def agent_speech(turn: Turn) -> list[tuple[float, float]]:
    """Return when the agent was heard, in seconds since the turn began."""
    cuts = sorted(e.time for e in turn.log if e.stage == "playback" and e.name in ("paused", "stopped"))
    sounds: list[tuple[float, float]] = []
    for event in turn.log.all("playback", "chunk"):
        end = event.time + event.detail["seconds"]
        end = min([end, *(cut for cut in cuts if cut >= event.time)])
        start = sounds.pop()[0] if sounds and event.time - sounds[-1][1] < 1e-3 else event.time
        sounds.append((start, end))
    return [(start, end) for start, end in sounds if end > start]


def not_heard(turn: Turn) -> str:
    """Return the words that the language model had written and the user did not hear."""
    return " ".join(turn.reply.split()[len(turn.heard.split()) :])


@drawn_in_style
def conversation_timeline(turns: Sequence[Turn], said: Sequence[str] = ()) -> Figure:
    """Draw who spoke when, what was heard, and the agent's states, with each barge-in and its silence.

    Parameters
    ----------
    turns : sequence of Turn
        The turns of one conversation, in order.
    said : sequence of str
        What the user said each time, to be written above; the transcripts of the turns if not given.

    Returns
    -------
    Figure
    """
    if not turns:
        raise ValueError("turns is empty; a conversation has at least one")
    figure, (axes,) = new_figure(3.2, left=0.75, top=0.3)
    since = [turn.log.origin - turns[0].log.origin for turn in turns]
    end = max(at + event.time for at, turn in zip(since, turns, strict=True) for event in turn.log)
    axes.set(xlim=(0, 1.02 * end), xlabel="seconds since the user began to speak")
    rows_only(axes, ("user", "agent", "", "", "", "state"), ylim=(5.5, -1.6))
    speech, told = user_speech(turns), []
    _draw_user(axes, speech, said or _transcripts(speech, turns, since))
    sounds = [
        [(at + a, at + b) for a, b in agent_speech(turn)] for at, turn in zip(since, turns, strict=True)
    ]
    starts = [spans[0][0] for spans in sounds if spans]
    for at, turn, spans in zip(since, turns, sounds, strict=True):
        axes.broken_barh([(a, b - a) for a, b in spans], (0.65, 0.7), facecolors=tint("playback"))
        begun, stopped = at + turn.log.first("agent", "barge_in"), at + turn.log.first("playback", "stopped")
        if spans:
            space = min([a for a in starts if a > spans[0][0]], default=1.02 * end) - spans[0][0]
            lines = _wrapped(turn.heard, space / units_per_pixel(axes))
            lost = _wrapped(not_heard(turn), space / units_per_pixel(axes))
            for k, line in enumerate([*lines, *lost]):
                look = {} if k < len(lines) else {"color": "#767676", "style": "italic"}
                write(axes, spans[0][0], 1.75 + 0.62 * k, line, **look)
            missed = len(not_heard(turn).split())
            told.append(f'agent {span_times(spans)}, heard "{turn.heard}", {missed} written words not heard')
        if not isnan(begun):
            told.append(f"barge-in at {begun:.2f} s")
            _mark(axes, begun, "barge-in", "right")
        if not isnan(begun) and not isnan(stopped):
            told.append(f"silence at {stopped:.2f} s")
            _mark(axes, stopped, "silence", "left")
    _draw_states(axes, turns, since, 1.02 * end)
    figure.set_label(f"A conversation: user {span_times(speech)}; {'; '.join(told)}.")
    return figure


def span_times(spans: Sequence[tuple[float, float]]) -> str:
    """Return in words when each of these stretches of time begins and ends."""
    return " and ".join(f"{a:.2f} to {b:.2f} s" for a, b in spans)


def _transcripts(
    speech: Sequence[tuple[float, float]], turns: Sequence[Turn], since: Sequence[float]
) -> list[str]:
    """Return for each stretch of speech the transcript of the turn that begins within it, or nothing."""
    texts = []
    for a, b in speech:
        within = (turn.transcript for at, turn in zip(since, turns, strict=True) if a - 0.2 < at < b)
        texts.append(next(within, ""))
    return texts


def _draw_user(axes: Axes, speech: Sequence[tuple[float, float]], said: Sequence[str]) -> None:
    axes.broken_barh([(a, b - a) for a, b in speech], (-0.35, 0.7), facecolors=tint("user"))
    for (a, _), text in zip(speech, said, strict=False):
        write(axes, a, -0.72, text, bbox={"color": "white", "pad": 1})


def _draw_states(axes: Axes, turns: Sequence[Turn], since: Sequence[float], end: float) -> None:
    changes = [(0.0, "listening")]
    for at, turn in zip(since, turns, strict=True):
        changes += [(at + e.time, e.detail["state"]) for e in turn.log.all("agent", "state")]
    above: list[tuple[float, str]] = [(at, state) for at, state in changes if state == "interrupted"]
    for (start, state), (until, _) in pairwise([*changes, (end, "")]):
        if state == "interrupted":
            axes.plot([start, start], [4.5, 5.45], color=STAGE_COLOURS["agent"], linewidth=3)
            continue
        colour, text = tint(STATE_STAGES[state]), _STATE_NAMES.get(state, state)
        axes.broken_barh([(start, until - start)], (4.6, 0.75), facecolors=[colour], edgecolor="black")
        if text_width(text) + 8 <= (until - start) / units_per_pixel(axes):
            write(axes, (start + until) / 2, 4.97, text, color=ink(colour), ha="center")
        else:
            above.append(((start + until) / 2, text))
    _write_apart(axes, 4.28, above, end)


_STATE_NAMES = {"processing_speech": "hearing"}


def _write_apart(axes: Axes, y: float, texts: Sequence[tuple[float, str]], end: float) -> None:
    """Write texts centred at their places in a row, the first ones first, and leave out what finds none."""
    taken: list[tuple[float, float]] = []
    for x, text in texts:
        half = text_width(text) / 2 * units_per_pixel(axes)
        x = min(max(x, half), end - half)
        if all(x + half < a or x - half > b for a, b in taken):
            write(axes, x, y, text, ha="center")
            taken.append((x - 1.1 * half, x + 1.1 * half))


def _mark(axes: Axes, at: float, name: str, side: str) -> None:
    axes.plot([at, at], [-1.5, 1.45], color="#222222", linewidth=1, linestyle=(0, (3, 2)))
    text = f"{name} {at:.2f} s"
    write(
        axes, at + (4 if side == "left" else -4) * units_per_pixel(axes), -1.42, text, ha=side, weight="bold"
    )


def _wrapped(text: str, pixels: float) -> list[str]:
    """Break a text into lines that are no wider than this."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}") + 8 <= pixels:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
