"""The agent: one turn from the microphone to the loudspeaker, and who waits for whom.

The turn is a chain of streams, each made by one component::

    microphone -> endpointing -> recognition -> language model -> aggregation -> synthesis -> playback

`StreamingVoiceAgent._hear` is the first half, `StreamingVoiceAgent._answer` the second. Between the
components sit the agent's own generators, which pass everything on unchanged and write to the event
log when it passed and how long the stage worked on it. So any component can be replaced, and is
measured in the same way.

Each half owns the streams it opens and closes them, the last one first, however it ends: nothing
runs on after a failure or a cancellation.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from enum import Enum

import numpy as np

from voice_agent_lab.asr import Recogniser, StreamingASR
from voice_agent_lab.audio import AudioInputStream
from voice_agent_lab.distributions import StageLatencies
from voice_agent_lab.latency import LatencyBudgets, LatencyMetrics, check_seconds
from voice_agent_lab.llm import LanguageModel, StreamingLLM
from voice_agent_lab.playback import Playback
from voice_agent_lab.recording import Recording
from voice_agent_lab.streams import StageError, guard, run_ahead
from voice_agent_lab.timeline import EventLog, record
from voice_agent_lab.tts import StreamingTTS, Synthesiser, aggregate, check_unit
from voice_agent_lab.turn import Turn
from voice_agent_lab.turn_taking import Endpointing, EnergyVAD, SilenceTimeout, VoiceActivityDetector

OVERLAPS = ("sequential", "chained", "concurrent")


class AgentState(Enum):
    """What the agent is doing, as far as the user can tell."""

    LISTENING = "listening"
    PROCESSING_SPEECH = "processing_speech"
    THINKING = "thinking"
    SPEAKING = "speaking"
    INTERRUPTED = "interrupted"


# Back to LISTENING from the middle: there was nothing to understand, or nothing to say.
LEGAL = {
    AgentState.LISTENING: {AgentState.PROCESSING_SPEECH},
    AgentState.PROCESSING_SPEECH: {AgentState.THINKING, AgentState.LISTENING},
    AgentState.THINKING: {AgentState.SPEAKING, AgentState.INTERRUPTED, AgentState.LISTENING},
    AgentState.SPEAKING: {AgentState.LISTENING, AgentState.INTERRUPTED},
    AgentState.INTERRUPTED: {AgentState.LISTENING},
}
"""The state changes that can happen; any other is an error."""


class StreamingVoiceAgent:
    """A streaming voice agent whose every stage is timed.

    Parameters
    ----------
    latency_budgets : LatencyBudgets, optional
        The promises; the article's defaults if not given.
    latencies : StageLatencies, optional
        What the simulated stages really take. Just what the budgets promise, if not given.
    overlap : {"concurrent", "chained", "sequential"}
        Who waits for whom in the answer. *Sequential*: synthesis waits for the whole reply.
        *Chained*: the generators are composed, so the language model stands still while synthesis
        works. *Concurrent*: the language model runs ahead of synthesis.
    aggregation : {"sentence", "clause", "word"} or int
        How much text synthesis is given at a time; see `tts.aggregate`.
    audio, vad, endpointing, asr, llm, tts, playback : optional
        Components to use instead of the simulated ones, each with the same protocol.
    max_listening : float
        Seconds after which the agent stops waiting for the user's silence, or for the user.
    seed : int
        Of the simulated stages' randomness.

    Attributes
    ----------
    turns : list of Turn
        Every turn so far, the failed ones included.
    recording : Recording
        What was to be heard at the user's side.

    Raises
    ------
    ValueError
        If `overlap` or `aggregation` is unknown, or the microphone's and recogniser's sample rates differ.
    """

    def __init__(
        self,
        latency_budgets: LatencyBudgets | None = None,
        latencies: StageLatencies | None = None,
        *,
        overlap: str = "concurrent",
        aggregation: str | int = "sentence",
        audio: AudioInputStream | None = None,
        vad: VoiceActivityDetector | None = None,
        endpointing: Endpointing | None = None,
        asr: Recogniser | None = None,
        llm: LanguageModel | None = None,
        tts: Synthesiser | None = None,
        playback: Playback | None = None,
        max_listening: float = 60.0,
        seed: int = 0,
    ) -> None:
        if overlap not in OVERLAPS:
            raise ValueError(f"overlap is {overlap!r}; use one of {', '.join(map(repr, OVERLAPS))}")
        self.budgets = latency_budgets or LatencyBudgets()
        took = latencies or StageLatencies.exactly(self.budgets)
        asr_rng, llm_rng, tts_rng = np.random.default_rng(seed).spawn(3)
        self.overlap = overlap
        self.aggregation = check_unit(aggregation)
        self.audio = audio or AudioInputStream()
        self.vad = vad or EnergyVAD()
        self.endpointing = endpointing or SilenceTimeout()
        self.asr = asr or StreamingASR(took.asr_processing, took.asr_finalization, rng=asr_rng)
        self.llm = llm or StreamingLLM(took.llm_first_token, took.llm_token_generation, rng=llm_rng)
        self.tts = tts or StreamingTTS(took.tts_first_chunk, took.tts_chunk_generation, rng=tts_rng)
        self.playback = playback or Playback()
        self.max_listening = check_seconds("max_listening", max_listening)
        asr_rate = getattr(self.asr, "sample_rate", self.audio.sample_rate)
        if asr_rate != self.audio.sample_rate:
            raise ValueError(
                f"the microphone gives {self.audio.sample_rate} Hz and the recogniser takes {asr_rate} Hz; "
                "use the same rate for both"
            )
        self.state = AgentState.LISTENING
        self.turns: list[Turn] = []
        self.recording = Recording(self.tts.sample_rate)

    @property
    def metrics_history(self) -> list[LatencyMetrics]:
        """The metrics of every turn so far."""
        return [turn.metrics for turn in self.turns]

    async def process_turn(self, user_input: str) -> LatencyMetrics:
        """Let the user speak, answer, and return when the answer has been heard.

        Parameters
        ----------
        user_input : str
            What the user says; for recorded audio, the file.

        Returns
        -------
        LatencyMetrics
            The stamps of this turn; the last of `turns` holds its whole log.

        Raises
        ------
        StageError
            If a stage fails. The turn is kept with what was measured, and the agent listens again.
        """
        if self.state is not AgentState.LISTENING:
            raise RuntimeError(
                f"the agent is {self.state.value}; wait for the turn that is running before starting another"
            )
        turn = Turn(EventLog(asyncio.get_running_loop().time()))
        with turn.log.recording():
            record("user", "input", text=user_input)
            try:
                transcript = await self._hear(user_input)
                if transcript:
                    self._become(AgentState.THINKING)
                    await self._answer(transcript)
            except BaseException:
                if self.state in (AgentState.THINKING, AgentState.SPEAKING):
                    self._become(AgentState.INTERRUPTED)
                raise
            finally:
                if self.state is not AgentState.LISTENING:
                    self._become(AgentState.LISTENING)
                self.turns.append(turn)
        return turn.metrics

    def _become(self, state: AgentState) -> None:
        if state not in LEGAL[self.state]:
            raise RuntimeError(f"the agent cannot go from {self.state.value} to {state.value}")
        self.state = state
        record("agent", "state", state=state.value)

    # The first half: from the microphone to the transcript.

    async def _hear(self, user_input: str) -> str:
        async with AsyncExitStack() as streams:
            microphone = guard("microphone", self.audio.stream_audio(user_input))
            frames = await _opened(
                streams, self._pushed(guard("endpointing", self._until_end_of_turn(microphone)))
            )
            audio = await _opened(streams, self._processed(frames))
            hypotheses = await _opened(streams, guard("asr", self.asr.transcribe_stream(audio, user_input)))
            record("asr", "started")
            async for text, final in hypotheses:
                record("asr", "complete" if final else "partial", text=text)
                if final:
                    return text
        raise StageError("asr", RuntimeError("it ended without a final transcript"))

    def _pushed(self, frames: AsyncIterator[np.ndarray]) -> AsyncIterator[np.ndarray]:
        """Let the microphone and endpointing run on, however slow the recogniser is."""
        return run_ahead(frames)

    async def _until_end_of_turn(self, frames: AsyncIterator[np.ndarray]) -> AsyncIterator[np.ndarray]:
        """Pass frames on until the user has finished."""
        self.vad.reset()
        self.endpointing.reset()
        seconds = self.audio.chunk_size / self.audio.sample_rate
        heard = 0
        async with aclosing(frames):
            async for frame in frames:
                heard += 1
                self._keep("user", frame, seconds)
                speech = await self.vad.hears_speech(frame)
                if speech and self.state is AgentState.LISTENING:
                    self._become(AgentState.PROCESSING_SPEECH)
                finished = self.endpointing.finished(speech, seconds)
                overdue = heard * seconds >= self.max_listening
                if finished or overdue:
                    record("endpointing", "end_of_turn", reason="finished" if finished else "max_listening")
                yield frame
                if finished or overdue:
                    return

    def _keep(self, speaker: str, frame: np.ndarray, seconds: float) -> None:
        """Add a frame that has just arrived from the microphone to the recording."""
        now = asyncio.get_running_loop().time()
        self.recording.add(speaker, now - self.audio.latency - seconds, frame, self.audio.sample_rate)

    async def _processed(self, frames: AsyncIterator[np.ndarray]) -> AsyncIterator[np.ndarray]:
        """Pass frames on; a frame is processed when the recogniser comes back for the next."""
        loop = asyncio.get_running_loop()
        async for frame in frames:
            given = loop.time()
            yield frame
            record("asr", "frame", took=round(loop.time() - given, 9))

    # The second half: from the transcript to the last sound.

    async def _answer(self, transcript: str) -> None:
        async with AsyncExitStack() as streams:
            tokens = await _opened(streams, self._overlapped(self._generated(transcript)))
            handed_over = _HandedOver()
            pieces = await _opened(streams, handed_over.watch(aggregate(tokens, self.aggregation)))
            chunks = await _opened(streams, run_ahead(self._synthesised(pieces, handed_over)))
            sounds = await _opened(
                streams, guard("playback", self.playback.play(chunks, self.tts.sample_rate))
            )
            async for begins, samples in sounds:
                if self.state is AgentState.THINKING:
                    self._become(AgentState.SPEAKING)
                self.recording.add("agent", begins, samples, self.tts.sample_rate)

    async def _generated(self, transcript: str) -> AsyncIterator[str]:
        """Pass the language model's tokens on."""
        loop = asyncio.get_running_loop()
        record("llm", "started")
        asked = loop.time()
        async with aclosing(guard("llm", self.llm.generate_response(transcript))) as tokens:
            async for token in tokens:
                record("llm", "token", text=token, took=round(loop.time() - asked, 9))
                yield token
                asked = loop.time()
        record("llm", "complete")

    def _overlapped(self, tokens: AsyncIterator[str]) -> AsyncIterator[str]:
        """Decide whether the language model waits for its reader, runs ahead of it, or must finish first."""
        if self.overlap == "concurrent":
            return run_ahead(tokens)
        return _all_first(tokens) if self.overlap == "sequential" else tokens

    async def _synthesised(
        self, pieces: AsyncIterator[str], handed_over: "_HandedOver"
    ) -> AsyncIterator[tuple[float, np.ndarray]]:
        """Pass the voice's chunks on, each with the time at which it was made.

        Work on a chunk begins when it is asked for and its text is there.
        """
        loop = asyncio.get_running_loop()
        asked, spoken = loop.time(), 0
        async with aclosing(guard("tts", self.tts.synthesize_stream(pieces))) as chunks:
            async for chunk in chunks:
                took = loop.time() - max(asked, handed_over.at)
                record(
                    "tts",
                    "chunk",
                    took=round(took, 9),
                    seconds=len(chunk) / self.tts.sample_rate,
                    first_of_piece=handed_over.pieces > spoken,
                )
                spoken = handed_over.pieces
                yield loop.time(), chunk
                asked = loop.time()
        if spoken:
            record("tts", "complete")


class _HandedOver:
    """Passes pieces of text on to the voice, and knows how many and when the last one went."""

    def __init__(self) -> None:
        self.pieces, self.at = 0, 0.0

    async def watch(self, pieces: AsyncIterator[str]) -> AsyncIterator[str]:
        async with aclosing(pieces):
            async for piece in pieces:
                self.pieces, self.at = self.pieces + 1, asyncio.get_running_loop().time()
                record("tts", "piece", text=piece)
                yield piece


async def _all_first(stream: AsyncIterator[str]) -> AsyncIterator[str]:
    """Yield nothing before the whole stream has been read."""
    async with aclosing(stream):
        items = [item async for item in stream]
    for item in items:
        yield item


async def _opened(streams: AsyncExitStack, stream: AsyncIterator) -> AsyncIterator:
    """Return `stream`, which will be closed with the others, the last opened first."""
    return await streams.enter_async_context(aclosing(stream))
