"""The agent: one turn from the microphone to the loudspeaker, and who waits for whom.

The turn is a chain of streams, each made by one component::

    microphone -> endpointing -> recognition -> language model -> aggregation -> synthesis -> playback

`StreamingVoiceAgent._hear` is the first half, `StreamingVoiceAgent._answer` the second. Between the
components sit the generators of `taps`, which pass on all that is not empty and write to the event
log when it passed and how long the stage worked on it. So any component can be replaced, and is
measured in the same way. A conversation, in `conversation`, is made of the same two halves.

Each half owns the streams it opens and closes them, the last one first, however it ends: nothing
runs on after a failure or a cancellation.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager

import numpy as np

from voice_agent_lab.checks import check_component, check_kind, check_seconds
from voice_agent_lab.measure.latency import LatencyBudgets, LatencyMetrics
from voice_agent_lab.measure.log import EventLog, record
from voice_agent_lab.measure.recording import Recording
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.stages.aggregation import aggregate, check_unit
from voice_agent_lab.stages.asr import Recogniser, StreamingASR
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import Endpointing, SilenceTimeout
from voice_agent_lab.stages.llm import LanguageModel, StreamingLLM
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.playback import Playback
from voice_agent_lab.stages.tts import StreamingTTS, Synthesiser
from voice_agent_lab.stages.vad import EnergyVAD, VoiceActivityDetector
from voice_agent_lab.streams import StageError, guard, named, run_ahead
from voice_agent_lab.turns import conversation as dialogue
from voice_agent_lab.turns.interruption import Interruption
from voice_agent_lab.turns.script import Judged, Say
from voice_agent_lab.turns.speculation import Eager, Speculation
from voice_agent_lab.turns.states import AgentState, StateMachine
from voice_agent_lab.turns.taps import all_first, generated, opened, processed, synthesised

OVERLAPS = ("sequential", "chained", "concurrent", "eager")

_NEEDED = {
    "audio": ("stream_audio", "chunk_size", "sample_rate", "latency"),
    "vad": ("hears_speech", "reset"),
    "endpointing": ("finished", "reset"),
    "asr": ("transcribe_stream",),
    "llm": ("generate_response",),
    "tts": ("synthesize_stream", "sample_rate"),
    "playback": ("play", "heard"),
}  # of each component, for a turn


class StreamingVoiceAgent:
    """A streaming voice agent whose every stage is timed.

    Parameters
    ----------
    latency_budgets : LatencyBudgets, optional
        The promises; the article's defaults if not given.
    latencies : StageLatencies, optional
        What the simulated stages really take. Just what the budgets promise, if not given.
    overlap : {"concurrent", "chained", "sequential", "eager"}
        Who waits for whom in the answer. *Sequential*: synthesis waits for the whole reply.
        *Chained*: the generators are composed, so the language model stands still while synthesis
        works. *Concurrent*: the language model runs ahead of synthesis. *Eager*: it also starts before
        it is sure that the user has finished.
    aggregation : {"sentence", "clause", "word"} or int
        How much text synthesis is given at a time; see `aggregation`.
    audio, vad, endpointing, asr, llm, tts, playback : optional
        Components to use instead of the simulated ones, each with the same protocol.
    eager : Eager, optional
        When an eager agent bets; see `speculation`. Only with ``overlap="eager"``.
    interruption : Interruption, optional
        What counts as an interruption in a conversation.
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
    TypeError
        If an argument is not what its stage needs.
    ValueError
        If `overlap` or `aggregation` is unknown, `eager` is given to an agent that is not, or the
        microphone's and recogniser's sample rates differ.
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
        eager: Eager | None = None,
        interruption: Interruption | None = None,
        max_listening: float = 60.0,
        seed: int = 0,
    ) -> None:
        if overlap not in OVERLAPS:
            raise ValueError(f"overlap is {overlap!r}; use one of {', '.join(map(repr, OVERLAPS))}")
        if eager is not None and overlap != "eager":
            raise ValueError(
                f"eager is given, but overlap is {overlap!r} and does not bet: use overlap='eager'"
            )
        self.budgets = check_kind("latency_budgets", latency_budgets or LatencyBudgets(), LatencyBudgets)
        took = check_kind("latencies", latencies or StageLatencies.exactly(self.budgets), StageLatencies)
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
        for name, needed in _NEEDED.items():
            check_component(name, getattr(self, name), *needed)
        policy = getattr(self.endpointing, "policy", self.endpointing)
        if getattr(policy, "more_to_come", self) is None:
            # A simulated detector knows the truth, from a simulated user.
            policy.more_to_come = getattr(self.audio, "is_talking", None)
        self.eager = check_kind("eager", eager or Eager(), Eager)
        self.interruption = check_kind("interruption", interruption or Interruption(), Interruption)
        self.max_listening = check_seconds("max_listening", max_listening)
        asr_rate = getattr(self.asr, "sample_rate", self.audio.sample_rate)
        if asr_rate != self.audio.sample_rate:
            raise ValueError(
                f"the microphone gives {self.audio.sample_rate} Hz and the recogniser takes {asr_rate} Hz; "
                "use the same rate for both"
            )
        self._states = StateMachine()
        self.turns: list[Turn] = []
        self.recording = Recording(self.tts.sample_rate)

    @property
    def metrics_history(self) -> list[LatencyMetrics]:
        """The metrics of every turn so far."""
        return [turn.metrics for turn in self.turns]

    @property
    def history(self) -> list[tuple[str, str]]:
        """What was said so far, as ("user" or "assistant", text): of the answers only what was heard."""
        said = (
            pair for turn in self.turns for pair in (("user", turn.transcript), ("assistant", turn.heard))
        )
        return [(role, text) for role, text in said if text]

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
        self._states.begin()
        check_kind("user_input", user_input, str)
        turn = Turn(EventLog(asyncio.get_running_loop().time()))
        with turn.log.recording(), self._kept(turn):
            record("user", "input", text=user_input)
            microphone = guard("microphone", self.audio.stream_audio, user_input)
            async with self._betting() as bets:
                async with aclosing(guard("endpointing", self._judged, microphone)) as frames:
                    transcript, begun = await self._hear(frames, user_input, bets)
                if transcript:
                    self._become(AgentState.THINKING)
                    await self._answer(transcript, begun)
        return turn.metrics

    async def converse(self, script: Sequence[Say]) -> list[Turn]:
        """Hold a conversation with a user who may pause, interrupt and say "mm-hm"; return its turns.

        The microphone stays open: while the agent thinks and speaks, it listens for interruptions.

        Parameters
        ----------
        script : sequence of Say
            What the user says, and when.

        Raises
        ------
        StageError
            If a stage fails; the turns so far are kept with what was measured.
        TimeoutError
            If a line waits for a state that does not come: the agent only listens, for `max_listening` s.
        """
        return await dialogue.converse(self, script)

    @property
    def state(self) -> AgentState:
        """What the agent is doing."""
        return self._states.state

    async def reached(self, state: AgentState) -> None:
        """Return when the agent is in `state`; raise TimeoutError if it only listens for `max_listening` s."""
        await self._states.reached(state, self.max_listening + self.audio.latency)

    def _become(self, state: AgentState) -> None:
        self._states.become(state)

    @contextmanager
    def _kept(self, turn: Turn) -> Iterator[None]:
        """Keep the turn and listen again, however it ends."""
        try:
            yield
        except BaseException:
            if self.state in (AgentState.THINKING, AgentState.SPEAKING):
                self._become(AgentState.INTERRUPTED)
            raise
        finally:
            if self.state is not AgentState.LISTENING:
                self._become(AgentState.LISTENING)
            self.turns.append(turn)

    # The first half: from the microphone to the transcript.

    async def _judged(self, frames: AsyncIterator[np.ndarray]) -> AsyncIterator[Judged]:
        """Pass frames on, each with whether it holds speech and when it began."""
        seconds = self.audio.chunk_size / self.audio.sample_rate
        self.vad.reset()
        async with aclosing(frames):
            async for frame in frames:
                begins = round(asyncio.get_running_loop().time() - self.audio.latency - seconds, 9)
                self.recording.add("user", begins, frame, self.audio.sample_rate)
                yield Judged(frame, await self.vad.hears_speech(frame), begins)

    @asynccontextmanager
    async def _betting(self) -> AsyncIterator[Speculation | None]:
        """Give an eager agent what it bets with in a turn, and end all that it bet on with the turn."""
        bets = Speculation(self.eager, self._begin) if self.overlap == "eager" else None
        try:
            yield bets
        finally:
            if bets:
                await bets.aclose()

    async def _hear(
        self, frames: AsyncIterator[Judged], said: str, bets: Speculation | None
    ) -> tuple[str, AsyncIterator | None]:
        """Return the transcript of a turn, and the answer to it, if it has begun already."""
        async with AsyncExitStack() as streams:
            judged = guard("endpointing", self._until_end_of_turn, frames, bets)
            audio = await opened(streams, self._pushed(judged))
            audio = await opened(streams, processed(audio))
            hypotheses = await opened(streams, guard("asr", self.asr.transcribe_stream, audio, said))
            record("asr", "started")
            async for hypothesis in hypotheses:
                with named("asr"):
                    text, final = hypothesis
                record("asr", "complete" if final else "partial", text=text)
                if final:
                    if text and self.state is AgentState.LISTENING:  # no frame was taken for speech
                        self._become(AgentState.PROCESSING_SPEECH)
                    return text, bets and bets.settle(text)
                if hasattr(self.endpointing, "understood"):
                    with named("endpointing"):
                        self.endpointing.understood(text)
                if bets:
                    bets.understood(text)
        raise StageError("asr", RuntimeError("it ended without a final transcript"))

    def _pushed(self, frames: AsyncIterator[np.ndarray]) -> AsyncIterator[np.ndarray]:
        """Let the microphone and endpointing run on, however slow the recogniser is."""
        return run_ahead(frames)

    async def _until_end_of_turn(
        self, frames: AsyncIterator[Judged], bets: Speculation | None
    ) -> AsyncIterator[np.ndarray]:
        """Pass frames on until the user has finished."""
        self.endpointing.reset()
        seconds = self.audio.chunk_size / self.audio.sample_rate
        heard = 0
        async for frame, speech, _ in frames:
            heard += 1
            if speech and self.state is AgentState.LISTENING:
                self._become(AgentState.PROCESSING_SPEECH)
            if bets:
                bets.heard(speech, seconds)
            finished = self.endpointing.finished(speech, seconds)
            overdue = heard * seconds >= self.max_listening
            if finished or overdue:
                record("endpointing", "end_of_turn", reason="finished" if finished else "max_listening")
            yield frame
            if finished or overdue:
                return

    # The second half: from the transcript to the last sound.

    async def _answer(self, transcript: str, begun: AsyncIterator | None) -> None:
        """Think and speak; `begun` is what an eager agent has of the answer already."""
        try:
            async with AsyncExitStack() as streams:
                if begun is None or not self.eager.speak:
                    begun = run_ahead(
                        self._voiced(begun or self._overlapped(generated(self.llm, transcript)))
                    )
                chunks = await opened(streams, begun)
                sounds = guard("playback", self.playback.play, chunks, self.tts.sample_rate)
                async for _ in await opened(streams, sounds):
                    if self.state is AgentState.THINKING:
                        self._become(AgentState.SPEAKING)
        finally:
            for begins, samples in self.playback.heard:
                self.recording.add("agent", begins, samples, self.tts.sample_rate)

    def _overlapped(self, tokens: AsyncIterator[str]) -> AsyncIterator[str]:
        """Decide whether the language model waits for its reader, runs ahead of it, or must finish first."""
        if self.overlap in ("concurrent", "eager"):
            return run_ahead(tokens)
        return all_first(tokens) if self.overlap == "sequential" else tokens

    async def _voiced(
        self, tokens: AsyncIterator[str], **attempt: int
    ) -> AsyncIterator[tuple[float, np.ndarray]]:
        """Turn tokens into pieces of text, and these into sound."""
        async with AsyncExitStack() as streams:
            tokens = await opened(streams, tokens)
            pieces = aggregate(tokens, self.aggregation)
            async for chunk in await opened(streams, synthesised(self.tts, pieces, **attempt)):
                yield chunk

    def _begin(self, transcript: str, attempt: int) -> AsyncIterator:
        """Return an answer that begins before it is sure that the user has finished."""
        tokens = generated(self.llm, transcript, attempt=attempt)
        return self._voiced(run_ahead(tokens), attempt=attempt) if self.eager.speak else tokens
