"""The article's pipeline with its faults, each of which can be mended alone.

The article's listing is rebuilt here from this package's agent and components: what the listing
does differently is a `Fault`, and `PublishedVoiceAgent` has them all except those named in
`mended`. With all of them mended it *is* `StreamingVoiceAgent`.

Three more faults of the listing need no switch. Its language model waits for the final transcript.
Its budgets are its latencies, so that none can be missed; here `LatencyBudgets.judge` tells them
apart. It reads ``time.time()``, which can jump; here everything reads the event loop's clock.

Conventions
-----------
The user speaks for ``len(text) / 12.5`` seconds, whatever the recogniser does meanwhile: a person
does not speak slower because a program reads slowly. Voice-to-voice counts from there.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from dataclasses import replace
from enum import Enum
from itertools import count
from math import ceil, isnan, nan

import numpy as np

from voice_agent_lab.measure.latency import LatencyBudgets, LatencyMetrics
from voice_agent_lab.measure.log import record
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.published import article
from voice_agent_lab.published.article import DEFAULT_REPLY, PROMPTS, REPLIES
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.speech import CHARS_PER_SECOND, speech_like
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.streams import sleep_until
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.hearing import Hearing
from voice_agent_lab.turns.states import AgentState, StateMachine

DEMO_BUDGETS = LatencyBudgets(**article.DEMO_BUDGETS)
"""The budgets of the article's demonstration."""


class Fault(Enum):
    """What the article's listing gets wrong, in one sentence each."""

    PULLED_AUDIO = "The recogniser pulls the audio, so the microphone waits for it."
    NO_SILENCE = "The silence that should end the turn is never streamed, so nothing decides where it ends."
    UNUSED_FINALIZATION = (
        "The budget for finalisation is never used, and partials follow a count of frames, not the words."
    )
    WHOLE_REPLY_FIRST = "Synthesis waits for the whole reply, and for a pause after its last token."
    DROPPED_TAIL = "Text shorter than 20 characters that is left in the synthesis buffer is dropped."
    TRUNCATED_SPEECH = "The last part of a frame of speech is cut off."
    SUBSTRING_MATCH = "Replies match parts of words, in the order of a dictionary."
    UNITS_DRIFT = (
        "A budget in seconds for each chunk of audio becomes a speaking rate in characters per second."
    )
    FROZEN_STATE = "The agent's state never changes."
    HIDDEN_WAIT = "Time to first audio starts at the final transcript and hides the wait before it."
    ZERO_STAMPS = "A stamp that never happened is 0.0, and a metric that needs it is 0.0."


class PublishedAudio(AudioInputStream):
    """The article's microphone; see the faults on pulled audio, silence and truncation."""

    def __init__(self, faults: Collection[Fault]) -> None:
        super().__init__()
        self.faults = faults

    async def stream_audio(self, text: str) -> AsyncGenerator[np.ndarray]:
        """Yield the frames of the user saying `text`."""
        opened, frame_seconds = asyncio.get_running_loop().time(), self.chunk_size / self.sample_rate
        spoken = len(text) / CHARS_PER_SECOND
        whole = int if Fault.TRUNCATED_SPEECH in self.faults else ceil
        frames = whole(round(spoken / frame_seconds, 6))
        samples = speech_like(text, frames * frame_seconds, self.sample_rate)
        record("user", "speech_started", at=opened)
        # Truncation is the program's: the user's own speech goes on to its true end.
        record(
            "user",
            "speech_ended",
            at=opened + (spoken if Fault.TRUNCATED_SPEECH in self.faults else frames * frame_seconds),
        )
        record("microphone", "frame", at=opened)  # the article stamps this before there is any audio
        self.user.opened = opened
        for k in range(frames) if Fault.NO_SILENCE in self.faults else count():
            if Fault.PULLED_AUDIO in self.faults:
                await asyncio.sleep(frame_seconds)
            else:
                await sleep_until(opened + (k + 1) * frame_seconds)
            frame = samples[k * self.chunk_size : (k + 1) * self.chunk_size]
            yield np.pad(frame, (0, self.chunk_size - len(frame)))


class PublishedASR(StreamingASR):
    """The article's recogniser: a word for every third frame; finalisation is a fixed 0.2 s or nothing."""

    def __init__(self, budgets: LatencyBudgets, faults: Collection[Fault]) -> None:
        super().__init__(budgets.asr_processing, 0.0 if Fault.NO_SILENCE in faults else 0.2)

    async def transcribe_stream(
        self, audio_stream: AsyncIterator[np.ndarray], ground_truth: str
    ) -> AsyncIterator[tuple[str, bool]]:
        """Yield one word more for every third frame, then the ground truth."""
        words, frames = ground_truth.split(), 0
        async for _ in audio_stream:
            frames += 1
            await asyncio.sleep(self.processing())
            if frames % 3 == 0 and frames // 3 <= len(words):
                yield " ".join(words[: frames // 3]), False
        await asyncio.sleep(self.finalization())
        yield ground_truth, True


class PublishedLLM(StreamingLLM):
    """The article's language model; see the faults on matching and on the pause after the last token."""

    def __init__(self, budgets: LatencyBudgets, faults: Collection[Fault], replies: dict[str, str]) -> None:
        super().__init__(
            budgets.llm_first_token, budgets.llm_token_generation, replies=replies, default=DEFAULT_REPLY
        )
        self.faults = faults

    def reply_to(self, prompt: str) -> str:
        """Return the reply under the first key that is found anywhere in the prompt."""
        if Fault.SUBSTRING_MATCH not in self.faults:
            return super().reply_to(prompt)
        return next((reply for key, reply in self._replies.items() if key in prompt.lower()), self._default)

    async def generate_response(self, prompt: str) -> AsyncIterator[str]:
        """Yield the reply a word at a time, and pause after the last one too."""
        async for token in super().generate_response(prompt):
            yield token
        if Fault.WHOLE_REPLY_FIRST in self.faults:
            await asyncio.sleep(self.token_generation())


class PublishedTTS(StreamingTTS):
    """The article's voice: speaks the first word at once, then waits for 20 characters at a time."""

    def __init__(self, budgets: LatencyBudgets, faults: Collection[Fault]) -> None:
        rate = 1.0 / budgets.tts_chunk_generation if Fault.UNITS_DRIFT in faults else 15
        super().__init__(budgets.tts_first_chunk, budgets.tts_chunk_generation, chars_per_second=rate)
        self.faults = faults

    async def synthesize_stream(self, text_stream: AsyncIterator[str]) -> AsyncIterator[np.ndarray]:
        """Yield each buffered piece as one chunk, then be busy for half of its duration."""
        first, buffer = True, ""
        async for text in text_stream:
            buffer += text
            if len(buffer) >= 20 or first:
                await asyncio.sleep(self.time_to_first_chunk() if first else 0)
                first = False
                yield self._audio(buffer)
                await asyncio.sleep(len(buffer) / self.chars_per_second * 0.5)
                buffer = ""
        if buffer and Fault.DROPPED_TAIL not in self.faults:
            yield self._audio(buffer)

    def _audio(self, text: str) -> np.ndarray:
        return speech_like(
            text,
            int(self.sample_rate * len(text) / self.chars_per_second) / self.sample_rate,
            self.sample_rate,
            190.0,
        )


class FrozenState(StateMachine):
    """The article's agent listens for ever."""

    def become(self, state: AgentState) -> None:
        """Change nothing."""


class PublishedVoiceAgent(StreamingVoiceAgent):
    """The article's agent.

    Parameters
    ----------
    latency_budgets : LatencyBudgets
        Promises and latencies in one, as in the article.
    mended : collection of Fault
        The faults that it shall not have.
    replies : dict of str to str
        What the language model can say, by keyword.
    """

    def __init__(
        self,
        latency_budgets: LatencyBudgets = DEMO_BUDGETS,
        mended: Collection[Fault] = (),
        replies: dict[str, str] = REPLIES,
    ) -> None:
        self.faults = faults = frozenset(Fault) - frozenset(mended)
        own_voice = faults.isdisjoint({Fault.DROPPED_TAIL, Fault.UNITS_DRIFT})
        super().__init__(
            latency_budgets,
            overlap="sequential" if Fault.WHOLE_REPLY_FIRST in faults else "concurrent",
            aggregation="sentence" if own_voice else "word",
            audio=PublishedAudio(faults),
            asr=PublishedASR(latency_budgets, faults) if Fault.UNUSED_FINALIZATION in faults else None,
            llm=PublishedLLM(latency_budgets, faults, replies),
            tts=None if own_voice else PublishedTTS(latency_budgets, faults),
        )
        if Fault.FROZEN_STATE in faults:
            self.states = FrozenState()

    @property
    def hearing(self) -> Hearing:
        """The first half of a turn; see the fault on pulled audio."""
        hearing = super().hearing
        hearing.runs_ahead = Fault.PULLED_AUDIO not in self.faults
        return hearing

    def reported_time_to_first_audio(self, turn: Turn, lost: Collection[str] = ()) -> float:
        """Return the time to first audio that the article would print for `turn`, in seconds.

        Parameters
        ----------
        turn : Turn
            One of this agent's turns.
        lost : collection of str
            Stamps that the program forgot to set.
        """
        metrics = turn.metrics
        if Fault.HIDDEN_WAIT not in self.faults:
            return metrics.voice_to_voice
        if Fault.ZERO_STAMPS in self.faults:
            return PublishedReport.of(metrics, lost).time_to_first_audio
        return replace(metrics, **dict.fromkeys(lost, nan)).get_time_to_first_audio()


class PublishedReport(article.Report):
    """The numbers in the article's published figure for one turn, in seconds, by its own arithmetic.

    A stamp that was never set counts as 0.0.
    """

    @classmethod
    def of(cls, metrics: LatencyMetrics, lost: Collection[str] = ()) -> "PublishedReport":
        """Compute the report from a turn's stamps, with those in `lost` never set."""

        def stamp(name: str) -> float:
            value = getattr(metrics, name)
            return 0.0 if name in lost or isnan(value) else value

        both = stamp("tts_first_chunk") and stamp("asr_complete")
        return cls(
            asr=round(stamp("asr_complete") - stamp("asr_started"), 9),
            llm_first_token=round(stamp("llm_first_token") - stamp("llm_started"), 9),
            llm_generation=round(stamp("llm_complete") - stamp("llm_first_token"), 9),
            tts=round(stamp("tts_first_chunk") - stamp("tts_started"), 9),
            time_to_first_audio=round(stamp("tts_first_chunk") - stamp("asr_complete"), 9) if both else 0.0,
        )


async def run_demo(mended: Collection[Fault] = ()) -> list[LatencyMetrics]:
    """Run the article's demonstration: three turns, a second apart.

    Parameters
    ----------
    mended : collection of Fault
        The faults to leave out.

    Returns
    -------
    list of LatencyMetrics
        One for each turn.
    """
    agent = PublishedVoiceAgent(mended=mended)
    for prompt in PROMPTS:
        await agent.process_turn(prompt)
        await asyncio.sleep(1)
    return agent.metrics_history


async def published_reports() -> list[PublishedReport]:
    """Reproduce the numbers of the article's published figure, its zeros included.

    The output stored beside the figure tells how they came about: it did not come from the listing.
    Every turn was answered with the default reply; and recognition is given as -0.000 s, which is a
    stamp of 0.0 less a start a few microseconds later: ``asr_complete`` was never set. Without it
    the listing's own formula makes every time to first audio 0.0, which is "within budget".
    """
    agent = PublishedVoiceAgent(replies={})
    for prompt in PROMPTS:
        await agent.process_turn(prompt)
    return [PublishedReport.of(metrics, lost={"asr_complete"}) for metrics in agent.metrics_history]
