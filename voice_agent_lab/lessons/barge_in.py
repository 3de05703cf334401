"""Notebook 09, barge-in: the user talks over the agent, to interrupt it or only to say "mm-hm".

One agent answers one question, and the user speaks again while it does.

Conventions
-----------
*Barge-in to silence* runs from the beginning of the user's speech to the end of the agent's sound at
the user's ear. A moment "into the answer" is counted from its first sound there.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import isnan, nan

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.lessons.explorer import choice, explorer, slider
from voice_agent_lab.measure.latency import interval
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.measure.who_spoke import agent_speech, outcome
from voice_agent_lab.plots.conversation import both_answers, conversation_timeline
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.playback import Playback
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.stages.vad import JudgedFrame
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.interruption import Attention, Interruption, Reaction
from voice_agent_lab.turns.script import Say

PROMPT = "Is my table booked?"
REPLY = "Your table is booked for eight, but the kitchen closes at nine."
STOP = "Actually, cancel it please."
BACKCHANNELS = ("Mm-hm", "Uh-huh, right", "Yeah, okay, I see")
INTERRUPTIONS = ("Stop!", STOP, "No, that is the wrong day.")
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


# How long until it is silent?


def silence_parts(agent: StreamingVoiceAgent, turn: Turn) -> pd.DataFrame:
    """Return the parts of barge-in to silence, in seconds, with their owners; the last row is their sum.

    Parameters
    ----------
    agent : StreamingVoiceAgent
        Whose turn it was; its settings say how much speech it needed.
    turn : Turn
        An interrupted turn.

    Raises
    ------
    ValueError
        If no sound was interrupted in the turn.
    """
    whole = turn.barge_in_to_silence
    if isnan(whole):
        raise ValueError("turn was not interrupted while it could be heard; take one that was")
    began = turn.log.first("agent", "barge_in")
    stopped = [e.time for e in turn.log.all("agent", "state") if e.detail["state"] == "interrupted"]
    paused = [e.time for e in turn.log.all("agent", "paused") if e.time >= began]
    decided = interval(began, min(paused + stopped), "the decision")
    needed, way_in = agent.interruption.min_speech, agent.audio.latency
    rows = {
        "minimum speech": ("setting", needed),
        "whole frames, spaces between words": ("setting", decided - needed - way_in),
        "way to the agent": ("network", way_in),
        "way to the ear": ("network", whole - decided),
        "barge-in to silence": ("", whole),
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["owner", "seconds"])
    return table.round(3)


# Yield fast, or ignore "mm-hm".


def yields_after(policy: Interruption, seconds: float, frame: float = 0.05, late: float = 0.0) -> float:
    """Return how long after it began a stretch of speech makes the agent fall silent; ``nan`` if it does not.

    The agent's own `Attention` listens, frame by frame. No words are recognised.

    Parameters
    ----------
    policy : Interruption
        What counts as an interruption.
    seconds : float
        How long the user speaks, without a break.
    frame : float
        Seconds of sound in a frame. A frame is speech if at least half of it is.
    late : float
        How far into its first frame the speech begins, in seconds.
    """
    attention, sound = Attention(policy), np.zeros(0, dtype=np.float32)
    for k in range(round((late + seconds) / frame) + 6):
        spoken = min((k + 1) * frame, late + seconds) - max(k * frame, late)
        reaction = attention.take(JudgedFrame(sound, spoken >= frame / 2 - 1e-9, k * frame, frame))
        if reaction in (Reaction.INTERRUPT, Reaction.PAUSE):
            return round((k + 1) * frame - late, 9)
    return nan


@lru_cache(maxsize=64)
def drawn_lengths(
    backchannel: float = 0.4, interruption: float = 1.4, n: int = 300, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw how long backchannels and interruptions last, in seconds: two arrays of shape (n,).

    Log-normal, with these medians and a sigma of 0.45 and 0.6. They are made up for this course, and
    stand for no measurement.
    """
    rng = np.random.default_rng(seed)
    return rng.lognormal(np.log(backchannel), 0.45, n), rng.lognormal(np.log(interruption), 0.6, n)


def minimum_of_speech(
    min_speech: Sequence[float], lengths: tuple[np.ndarray, np.ndarray] | None = None, frame: float = 0.05
) -> pd.DataFrame:
    """Return what each minimum of speech does to the same backchannels and interruptions.

    Parameters
    ----------
    min_speech : sequence of float
        Seconds of speech before the agent reacts, one row for each.
    lengths : pair of ndarray, optional
        How long the backchannels and the interruptions last; `drawn_lengths` if not given.
    frame : float
        Seconds of sound in a frame. Where in a frame each begins is drawn, with seed 1.

    Returns
    -------
    pandas.DataFrame
        The median seconds to silence of the interruptions that stop the agent, and the shares of
        backchannels that stop it and of interruptions that do not.
    """
    backchannels, interruptions = lengths or drawn_lengths()
    late = np.random.default_rng(1).uniform(0, frame, len(backchannels) + len(interruptions))
    rows = {}
    for seconds in min_speech:
        policy = Interruption(min_speech=seconds)
        stops = np.array(
            [
                yields_after(policy, length, frame, begins)
                for length, begins in zip((*backchannels, *interruptions), late, strict=True)
            ]
        )
        wrong, right = np.split(stops, [len(backchannels)])
        rows[seconds] = (
            float(np.nanmedian(right)) if not np.isnan(right).all() else nan,
            float(np.mean(~np.isnan(wrong))),
            float(np.mean(np.isnan(right))),
        )
    columns = ["silent after (s)", "stopped by mm-hm", "talks on"]
    index = pd.Index(rows, name="minimum speech (s)")
    return pd.DataFrame(rows.values(), index=index, columns=columns).round(3)


# The explorers.


@explorer(
    moment=slider("the user interrupts, into the answer (s)", 0.0, 5.0, 1.5, 0.1),
    min_speech=slider("minimum speech (s)", 0.1, 2.5, 0.5, 0.1),
    latency=slider("way to the user's ear (s)", 0.0, 0.5, 0.08, 0.02),
)
def barge_in(moment: float, min_speech: float, latency: float) -> tuple[Figure, str]:
    """Show an interruption under controls over its moment, and over what delays the silence."""
    agent = interrupted(moment, Interruption(min_speech), latency)
    turn = agent.turns[0]
    took, length = turn.barge_in_to_silence, agent_speech(turn)[-1][1] - turn.metrics.playback_started
    words, heard = len(REPLY.split()), len(turn.heard.split())
    if isnan(took):
        sentence = f"The agent does not stop: its whole answer is heard, {words} words in {length:.2f} s."
    else:
        sentence = (
            f"The agent falls silent {took:.2f} s after the user began to speak, {length:.2f} s into its "
            f'answer. The history keeps {heard} of {words} words: "{turn.heard}".'
        )
    return conversation_timeline(agent.turns, (PROMPT, STOP), ends=(10.5, 12.0, 14.0)), sentence


@explorer(
    backchannel=choice("the user agrees", BACKCHANNELS, "Uh-huh, right"),
    interruption=choice("the user interrupts", INTERRUPTIONS, STOP),
    min_speech=slider("minimum speech (s)", 0.1, 1.5, 0.5, 0.05),
    min_words=slider("words to interrupt (0: none needed)", 0, 4, 0),
    resume_after=slider("silence before it resumes (s)", 0.2, 3.0, 2.0, 0.1),
)
def policies(
    backchannel: str, interruption: str, min_speech: float, min_words: int, resume_after: float
) -> tuple[Figure, str]:
    """Show what counts as an interruption, with a backchannel and an interruption."""
    policy = Interruption(min_speech, min_words, resume_after)
    runs = {text: interrupted(1.5, policy, text=text).turns for text in (backchannel, interruption)}
    return both_answers(runs), " ".join(f'"{text}": {outcome(turns[0])}.' for text, turns in runs.items())
