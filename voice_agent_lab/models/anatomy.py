"""What chance does not change in a turn: its frames, words, tokens, pieces and chunks.

Given an agent and what the user says, the structure of a turn is fixed: which frames hold speech, in which
frame a word is complete, which token completes a piece of text, how long each chunk of sound lasts. Only how long
each item takes is left to chance. `take_apart` finds the structure by asking the agent's own components, and
refuses an agent whose turn is not made of the simulated parts.

Conventions
-----------
Frames are counted from 0. Times are nanoseconds since the microphone opened, held in floats.
"""

from collections.abc import Awaitable, Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from math import isnan, nan
from typing import Any

import numpy as np

from voice_agent_lab.measure.log import to_the_nanosecond
from voice_agent_lab.measure.words import joined, same_words
from voice_agent_lab.models.draws import NANOSECONDS
from voice_agent_lab.stages.aggregation import aggregate
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.distributions import Distribution
from voice_agent_lab.stages.endpointing import Policy, TranscriptArrival
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.playback import Playback
from voice_agent_lab.stages.speech import speech_bounds, spoken_words
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.stages.vad import EnergyVAD
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.speculation import Eager


class NotModelled(ValueError):  # noqa: N818  # it says what the arrays cannot, not what went wrong
    """The array model does not have this; the event simulation does."""


@dataclass(frozen=True)
class Silence:
    """A run of frames without speech, after speech.

    Attributes
    ----------
    first : int
        Its first frame.
    end : int
        The frame with which speech begins again; one more than the last frame of all if it does not.
    goes_on : bool
        Whether the user goes on after it.
    speech : float
        Seconds of speech before it.
    """

    first: int
    end: int
    goes_on: bool
    speech: float


@dataclass(frozen=True)
class Word:
    """A word of the user's: in which frame it is complete, and if it came wrong, in which it is put right."""

    text: str
    shown: int
    revised: int

    @cached_property
    def tells_when_revised(self) -> bool:
        """Whether its first half, which is what comes wrong, is another word."""
        return not same_words(self.text[: (len(self.text) + 1) // 2], self.text)


@dataclass(frozen=True)
class Ears:
    """The first half of a turn.

    Attributes
    ----------
    arrivals : ndarray of float64, shape (frames,)
        When each frame reaches the agent; the last one is that with which it stops to listen in any case.
    elapsed : ndarray of float64, shape (frames,)
        Seconds of sound in so many frames and one, added up as a policy does.
    silences : tuple of Silence
        In order.
    words : tuple of Word
        In order.
    ended, captured, delivered : float
        When speech truly ended; when its frame was captured, and reached the agent.
    ended_in : int
        That frame.
    """

    arrivals: np.ndarray
    elapsed: np.ndarray
    silences: tuple[Silence, ...]
    words: tuple[Word, ...]
    ended: float
    captured: float
    delivered: float
    ended_in: int

    def transcript(self, last: int) -> str:
        """Return what is finally understood of the frames up to `last`."""
        return joined(word.text for word in self.words if word.shown <= last).strip()


@dataclass(frozen=True)
class Piece:
    """A piece of text that is spoken.

    Attributes
    ----------
    tokens : int
        How many tokens it takes to know it.
    chunks : tuple of (float, float)
        Of each chunk of its sound how long it lasts, and when in it the first audible sound is; ``nan`` if
        there is none.
    """

    tokens: int
    chunks: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Answer:
    """The second half of a turn: how many tokens the reply has, and its pieces."""

    tokens: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Anatomy:
    """A turn without chance.

    Attributes
    ----------
    ears : Ears
        Its first half.
    policy : Policy
        Of endpointing.
    longest_wait : float or None
        Seconds of silence after which a policy that waits for a transcript decides without; None if it
        does not wait for one.
    overlap : str
        Who waits for whom.
    eager : Eager or None
        When an eager agent bets.
    revision_rate : float
        The chance that a word first appears wrong.
    output_latency : float
        From a chunk to the user's ear.
    latencies : dict of str to Distribution
        What each stage takes, named as in `StageLatencies`.
    answer : callable
        Returns the `Answer` to a transcript.
    """

    ears: Ears
    policy: Policy
    longest_wait: float | None
    overlap: str
    eager: Eager | None
    revision_rate: float
    output_latency: float
    latencies: dict[str, Distribution]
    answer: Callable[[str], Answer]

    @property
    def is_plain(self) -> bool:
        """Whether nothing runs ahead of the user's end, and a policy without chance never cuts the user off."""
        if self.eager is not None or type(self.policy).decides_after is not Policy.decides_after:
            return False
        frames = int(np.searchsorted(self.ears.elapsed, self.policy.mean_wait))
        return all(silence.first + frames >= silence.end for silence in self.ears.silences[:-1])


def take_apart(agent: StreamingVoiceAgent, said: str) -> Anatomy:
    """Return what chance does not change in the agent's turn when the user says something.

    Raises
    ------
    NotModelled
        If a component is not a simulated one, or does something else than they do.
    ValueError
        If nothing is said.
    """
    _check_simulated(agent)
    waits_for_text = isinstance(agent.endpointing, TranscriptArrival)
    policy: Any = (
        agent.endpointing.policy if isinstance(agent.endpointing, TranscriptArrival) else agent.endpointing
    )
    eager = agent.eager if agent.overlap == "eager" else None
    if eager is not None and eager.silence == 0:
        raise NotModelled(
            "eager bets after 0 s of silence, while the user speaks; use sample, or a later bet"
        )
    asr, llm, tts = (agent.asr, agent.llm, agent.tts)
    answers: dict[str, Answer] = {}

    def answer(transcript: str) -> Answer:
        if transcript not in answers:
            answers[transcript] = _answer(agent, transcript)
        return answers[transcript]

    return Anatomy(
        ears=_ears(agent, said),
        policy=policy,
        longest_wait=agent.endpointing.longest_wait if waits_for_text else None,  # type: ignore[attr-defined]
        overlap=agent.overlap,
        eager=eager,
        revision_rate=asr.revision_rate,  # type: ignore[attr-defined]
        output_latency=float(np.rint(agent.playback.latency * NANOSECONDS)),
        latencies={
            "asr_processing": asr.processing.distribution,  # type: ignore[attr-defined]
            "asr_finalization": asr.finalization.distribution,  # type: ignore[attr-defined]
            "llm_first_token": llm.time_to_first_token.distribution,  # type: ignore[attr-defined]
            "llm_token_generation": llm.token_generation.distribution,  # type: ignore[attr-defined]
            "tts_first_chunk": tts.time_to_first_chunk.distribution,  # type: ignore[attr-defined]
            "tts_chunk_generation": tts.chunk_generation.distribution,  # type: ignore[attr-defined]
        },
        answer=answer,
    )


_SIMULATED: dict[str, tuple[type, tuple[str, ...]]] = {
    "audio": (AudioInputStream, ("stream_audio", "frames")),
    "vad": (EnergyVAD, ("hears_speech", "reset")),
    "endpointing": (Policy, ("decides", "finished", "reset")),
    "asr": (StreamingASR, ("transcribe_stream",)),
    "llm": (StreamingLLM, ("generate_response",)),
    "tts": (StreamingTTS, ("synthesize_stream",)),
    "playback": (Playback, ("play",)),
}
"""Of each component the simulated one, and what of it may not be another's."""


def _check_simulated(agent: StreamingVoiceAgent) -> None:
    for name, (kind, methods) in _SIMULATED.items():
        component = getattr(agent, name)
        if name == "endpointing" and type(component) is TranscriptArrival:
            component = component.policy
        own = [m for m in methods if getattr(type(component), m, None) is not getattr(kind, m)]
        own += [m for m in methods if m in getattr(component, "__dict__", {})]
        if not isinstance(component, kind) or own:
            raise NotModelled(
                f"{name} is a {type(component).__name__} of your own, which the array model does not know; "
                "use sample, which runs it"
            )
        if getattr(component, "more_to_come", None) is not None:
            raise NotModelled("endpointing has a more_to_come of your own; use sample, which asks it")


def _ears(agent: StreamingVoiceAgent, said: str) -> Ears:
    audio = deepcopy(agent.audio)  # what is said into it here is nobody else's
    user, size, rate = audio.user, audio.chunk_size, audio.sample_rate
    user.forget()
    user.say(said)
    user.opened = 0.0
    seconds, elapsed = size / rate, [0.0]
    while len(elapsed) == 1 or elapsed[-1] < agent.max_listening:
        elapsed.append(to_the_nanosecond(elapsed[-1] + seconds))
    del elapsed[0]
    frames = np.arange(1, len(elapsed) + 1)
    arrivals = np.rint((frames * seconds + audio.latency) * NANOSECONDS)
    speech, ended, ended_in = [], nan, len(elapsed)
    for number in range(min(len(elapsed), -(-len(audio.samples_for(said)) // size))):
        frame = np.zeros(size, dtype=np.float32)
        user.add_to(frame, number * size)
        speech.append(_at_once(agent.vad.hears_speech(frame)))
        for name, at in user.edges(
            to_the_nanosecond(number * seconds), to_the_nanosecond((number + 1) * seconds)
        ):
            if name == "speech_ended":
                ended, ended_in = float(np.rint(at * NANOSECONDS)), number
    known = ended_in < len(elapsed)
    goes_on = [user.talks_after(at / NANOSECONDS) for at in arrivals[: len(speech) + 1].tolist()]
    return Ears(
        arrivals,
        np.array(elapsed),
        tuple(_silences(speech, goes_on, elapsed)),
        tuple(_words(said, agent.asr, size, len(elapsed))),
        ended,
        float(np.rint((ended_in + 1) * seconds * NANOSECONDS)) if known else nan,
        float(arrivals[ended_in]) if known else nan,
        ended_in,
    )


def _silences(speech: list[bool], goes_on: list[bool], elapsed: list[float]) -> list[Silence]:
    """Return the silences after speech; beyond the frames that are judged there is only silence."""
    found, first, spoken = [], None, 0
    for number in range(len(elapsed)):
        if number < len(speech) and speech[number]:
            if first is not None:
                found.append(Silence(first, number, goes_on[first], elapsed[spoken - 1]))
            first, spoken = None, spoken + 1
        elif spoken and first is None:
            first = number
    if first is not None:
        end = first < len(goes_on) and goes_on[first]
        found.append(Silence(first, len(elapsed), end, elapsed[spoken - 1]))
    return found


def _words(said: str, asr: Any, size: int, frames: int) -> list[Word]:
    """Return in which frame each word is shown and put right, as the simulated recogniser reckons."""
    taken = np.arange(1, frames + 1) * size / asr.sample_rate
    found = []
    for word in spoken_words(said)[0]:
        age = taken - word.ends + 1e-9  # to the nanosecond, as the recogniser reckons
        shown, revised = (int(np.sum(age < lag)) for lag in (0.0, asr.revision_lag))
        found.append(Word(word.text, shown, max(shown, revised)))
    return found


def _answer(agent: StreamingVoiceAgent, transcript: str) -> Answer:
    """Return the structure of the answer to a transcript, by letting the agent's components make it."""
    reply: str = agent.llm.reply_to(transcript)  # type: ignore[attr-defined]
    taken, pieces, tts = 0, [], agent.tts

    async def tokens() -> Any:
        nonlocal taken
        for word in reply.split():
            taken += 1
            yield word + " "

    stream = aggregate(tokens(), agent.aggregation)
    while (piece := _next(stream)) is not None:
        if not piece.strip():
            continue
        sound: np.ndarray = tts.speech_for(piece)  # type: ignore[attr-defined]
        size: int = tts.chunk_size  # type: ignore[attr-defined]
        chunks = [sound[start : start + size] for start in range(0, len(sound), size)]
        pieces.append(Piece(taken, tuple(_chunk(chunk, tts.sample_rate) for chunk in chunks)))
    return Answer(len(reply.split()), tuple(pieces))


def _chunk(chunk: np.ndarray, sample_rate: int) -> tuple[float, float]:
    onset = speech_bounds(chunk, sample_rate)[0]
    length = float(np.rint(len(chunk) / sample_rate * NANOSECONDS))
    return length, nan if isnan(onset) else float(np.rint(onset * NANOSECONDS))


def _next(stream: Any) -> Any:
    """Return the next item of an async generator that waits for nothing; None at its end."""
    try:
        return _at_once(anext(stream))
    except StopAsyncIteration:
        return None


def _at_once(awaitable: Awaitable[Any]) -> Any:
    """Return what an awaitable gives, without an event loop."""
    steps = awaitable.__await__()
    try:
        next(steps)
    except StopIteration as done:
        return done.value
    except RuntimeError as error:
        if "event loop" not in str(error):
            raise
    raise NotModelled("aggregation waits by itself, which the array model cannot; use sample, which lets it")
