"""The agent: components put together, and one turn after another.

A turn is a chain of streams, each made by one component::

    microphone -> voice activity -> endpointing -> recognition
        -> language model -> aggregation -> synthesis -> playback

`hearing` is the first half, `answering` the second; a turn is the one after the other, and a
`conversation` is made of the same two. Between the components sit the generators of `taps`, which pass
on all that is not empty and write to the event log when it passed and how long the stage worked on it.
So any component can be replaced, and is measured in the same way.

Each half owns the streams it opens and closes them, the last one first, however it ends: nothing
runs on after a failure or a cancellation.

Conventions
-----------
An agent's turns stand on one axis of time, its own. What runs in another event loop, whose clock need
not have to do with the first one's, follows where that ended.
"""

import asyncio
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from copy import copy, deepcopy
from typing import Any

import numpy as np

from voice_agent_lab.checks import check_component, check_kind, check_seconds, shown
from voice_agent_lab.measure.latency import LatencyBudgets, LatencyMetrics
from voice_agent_lab.measure.log import EventLog, record, to_the_nanosecond
from voice_agent_lab.measure.recording import Recording
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.stages.aggregation import Aggregation, check_unit
from voice_agent_lab.stages.asr import Recogniser, StreamingASR
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import (
    Counting,
    Endpointing,
    Policy,
    SilenceTimeout,
    TranscriptArrival,
)
from voice_agent_lab.stages.llm import LanguageModel, StreamingLLM
from voice_agent_lab.stages.microphone import AudioInputStream, Microphone
from voice_agent_lab.stages.playback import Loudspeaker, Playback
from voice_agent_lab.stages.tts import StreamingTTS, Synthesiser
from voice_agent_lab.stages.vad import EnergyVAD, VoiceActivityDetector
from voice_agent_lab.streams import guard
from voice_agent_lab.turns.answering import OVERLAPS, Answering
from voice_agent_lab.turns.conversation import Conversation
from voice_agent_lab.turns.hearing import Hearing
from voice_agent_lab.turns.interruption import Interruption
from voice_agent_lab.turns.script import Say
from voice_agent_lab.turns.speculation import Eager
from voice_agent_lab.turns.states import AgentState, StateMachine

_NEEDED = {
    "audio": ("chunk_size", "sample_rate", "latency"),
    "vad": ("hears_speech", "reset"),
    "endpointing": ("decides", "reset"),
    "asr": ("transcribe_stream",),
    "llm": ("generate_response",),
    "tts": ("synthesize_stream", "sample_rate"),
    "playback": ("play", "heard"),
}  # of each component, for a turn
_NEEDED_TO_CONVERSE = {"audio": ("frames",), "playback": ("pause", "resume", "latency")}
_NEEDED_FOR_A_SCRIPT = {"audio": ("frames", "say", "user")}


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
    aggregation : {"sentence", "clause", "word"}, int or async generator function
        How much text synthesis is given at a time; see `aggregation`.
    audio, vad, endpointing, asr, llm, tts, playback : optional
        Components to use instead of the simulated ones, each with the same protocol. A simulated
        policy of endpointing is copied, so that it can be given to many agents.
    eager : Eager, optional
        When an eager agent bets; see `speculation`. Only with ``overlap="eager"``.
    interruption : Interruption, optional
        What counts as an interruption in a conversation.
    max_listening : float
        Seconds after which the agent stops waiting for the user's silence, or for the user.
    seed : int
        Of the simulated stages' randomness.
    keep_turns : int, optional
        How many turns to keep, the newest; all of them if not given. A turn's log takes some hundred
        kilobytes.
    keep_recording : bool
        Whether to keep what was to be heard: 64 kB a second for each of user and agent.

    Attributes
    ----------
    states : StateMachine
        What the agent is doing, and who waits for it.
    turns : list of Turn
        Every turn so far, or the newest, the failed ones included.
    recording : Recording
        What was to be heard at the user's side.

    Raises
    ------
    TypeError
        If an argument is not what its stage needs.
    ValueError
        If `overlap` or `aggregation` is unknown, `eager` is given to an agent that is not, or the
        sample rates of microphone, detector and recogniser differ.

    Examples
    --------
    >>> agent = StreamingVoiceAgent(LatencyBudgets(llm_first_token=0.3), overlap="sequential")
    >>> metrics = simulate(agent.process_turn("What time is it?"))  # or ``asyncio.run``, in real time
    >>> metrics.voice_to_voice
    1.66
    >>> agent.turns[0].reply
    'It is half past two in the afternoon. Your next meeting starts at three.'
    """

    def __init__(
        self,
        latency_budgets: LatencyBudgets | None = None,
        latencies: StageLatencies | None = None,
        *,
        overlap: str = "concurrent",
        aggregation: str | int | Aggregation = "sentence",
        audio: Microphone | None = None,
        vad: VoiceActivityDetector | None = None,
        endpointing: Endpointing | None = None,
        asr: Recogniser | None = None,
        llm: LanguageModel | None = None,
        tts: Synthesiser | None = None,
        playback: Loudspeaker | None = None,
        eager: Eager | None = None,
        interruption: Interruption | None = None,
        max_listening: float = 60.0,
        seed: int = 0,
        keep_turns: int | None = None,
        keep_recording: bool = True,
    ) -> None:
        if overlap not in OVERLAPS:
            raise ValueError(f"overlap is {overlap!r}; use one of {', '.join(map(repr, OVERLAPS))}")
        if eager is not None and overlap != "eager":
            raise ValueError(
                f"eager is given, but overlap is {overlap!r} and does not bet: use overlap='eager'"
            )
        if not (keep_turns is None or (type(keep_turns) is int and keep_turns >= 1)):
            raise ValueError(
                f"keep_turns is {keep_turns!r}; it must be a whole number, 1 or more, or None for all turns"
            )
        self.budgets = check_kind("latency_budgets", latency_budgets or LatencyBudgets(), LatencyBudgets)
        took = check_kind("latencies", latencies or StageLatencies.exactly(self.budgets), StageLatencies)
        asr_rng, llm_rng, tts_rng = np.random.default_rng(seed).spawn(3)
        self.audio: Any = AudioInputStream() if audio is None else audio
        self.vad = EnergyVAD() if vad is None else vad
        self.endpointing = _own(SilenceTimeout() if endpointing is None else endpointing)
        self.asr = (
            StreamingASR(took.asr_processing, took.asr_finalization, rng=asr_rng) if asr is None else asr
        )
        self.llm = (
            StreamingLLM(took.llm_first_token, took.llm_token_generation, rng=llm_rng) if llm is None else llm
        )
        self.tts = (
            StreamingTTS(took.tts_first_chunk, took.tts_chunk_generation, rng=tts_rng) if tts is None else tts
        )
        self.playback = Playback() if playback is None else playback
        self._check(_NEEDED)
        self._check_rates()
        self.interruption = check_kind("interruption", interruption or Interruption(), Interruption)
        self.overlap, self.aggregation = overlap, check_unit(aggregation)
        self.eager = check_kind("eager", eager or Eager(), Eager)
        self.max_listening = check_seconds("max_listening", max_listening)
        self.states = StateMachine()
        self.turns: list[Turn] = []
        self.recording = Recording(self.tts.sample_rate, keeps=keep_recording)
        self._keep_turns = keep_turns
        self._is_running = False
        self._ran: tuple[Callable[[], asyncio.AbstractEventLoop | None] | None, float] = (
            None,
            0.0,
        )  # in which loop, and until when

    def _check(self, needed: Mapping[str, tuple[str, ...]]) -> None:
        for name, attributes in needed.items():
            check_component(name, getattr(self, name), *attributes)

    def _check_rates(self) -> None:
        rate = self.audio.sample_rate
        for name, listener in (
            ("recogniser", self.asr),
            ("detector", self.vad),
            ("policy", self.endpointing),
        ):
            if (its := getattr(listener, "sample_rate", rate)) != rate:
                raise ValueError(
                    f"the microphone gives {rate} Hz and the {name} takes {its} Hz; use the same rate for both"
                )

    def _check_microphone(self, user_input: str) -> None:
        if not (hasattr(self.audio, "frames") or hasattr(self.audio, "stream_audio")):
            raise TypeError(
                f"audio is {shown(self.audio)}, which has no frames; see stages.microphone.Microphone"
            )
        told = user_input or getattr(self.audio, "user", None) is not None
        if isinstance(self.asr, StreamingASR) and not told:
            raise ValueError(
                "the simulated recogniser must be told what is said, and nobody knows; give asr a real recogniser"
            )

    @property
    def hearing(self) -> Hearing:
        """The first half of a turn, with the agent's components as they are now."""
        return Hearing(
            self.audio, self.vad, self.endpointing, self.asr,
            states=self.states, recording=self.recording, max_listening=self.max_listening,
        )  # fmt: skip

    @property
    def answering(self) -> Answering:
        """The second half of a turn, with the agent's components as they are now."""
        return Answering(
            self.llm, self.tts, self.playback,
            overlap=self.overlap, aggregation=self.aggregation, eager=self.eager,
            states=self.states, recording=self.recording,
        )  # fmt: skip

    @property
    def metrics_history(self) -> list[LatencyMetrics]:
        """The metrics of every turn that is kept."""
        return [turn.metrics for turn in self.turns]

    @property
    def history(self) -> list[tuple[str, str]]:
        """What was said so far, as ("user" or "assistant", text): of the answers only what was heard."""
        said = (
            pair for turn in self.turns for pair in (("user", turn.transcript), ("assistant", turn.heard))
        )
        return [(role, text) for role, text in said if text]

    async def process_turn(self, user_input: str = "") -> LatencyMetrics:
        """Let the user speak, answer, and return when the answer has been heard.

        Parameters
        ----------
        user_input : str
            What the user says; for recorded audio, the file. A microphone with a person before it, which
            has no ``stream_audio``, does not need it.

        Returns
        -------
        LatencyMetrics
            The stamps of this turn; the last of `turns` holds its whole log.

        Raises
        ------
        StageError
            If a stage fails. The turn is kept with what was measured, and the agent listens again.
        """
        check_kind("user_input", user_input, str)
        self._check_microphone(user_input)
        with self._running():
            hearing, answering = self.hearing, self.answering
            turn = Turn(self._new_log(asyncio.get_running_loop().time()))
            with turn.log.recording(), self._kept(turn):
                record("user", "input", text=user_input)
                if hasattr(self.audio, "stream_audio"):
                    microphone = guard("microphone", self.audio.stream_audio, user_input)
                else:
                    microphone = guard("microphone", self.audio.frames)
                async with answering.betting() as bets:
                    async with aclosing(hearing.frames(microphone)) as frames:
                        transcript = await hearing.transcript(frames, user_input, bets)
                    begun = bets.settle(transcript) if bets else None
                    if transcript:
                        self.states.become(AgentState.THINKING)
                        await answering.speak(transcript, begun)
        return turn.metrics

    async def converse(self, script: Iterable[Say] = ()) -> list[Turn]:
        """Hold a conversation with a user who may pause, interrupt and say "mm-hm"; return its turns.

        The microphone stays open: while the agent thinks and speaks, it listens for interruptions.

        Parameters
        ----------
        script : iterable of Say
            What the user says, and when. A microphone with a person before it needs none: then the
            conversation lasts until its stream ends.

        Raises
        ------
        StageError
            If a stage fails; the turns so far are kept with what was measured.
        TimeoutError
            If a line waits for a state that does not come: the agent only listens, for `max_listening` s.
        """
        if isinstance(script, str | Say) or not isinstance(script, Iterable):
            raise TypeError(f"script is {shown(script)}; it must be a list of Say")
        lines = [check_kind("a line of the script", line, Say) for line in script]
        self._check(_NEEDED_TO_CONVERSE)
        if lines:
            self._check(_NEEDED_FOR_A_SCRIPT)
        self._check_microphone("")
        held: list[Turn] = []
        with self._running():
            talk = Conversation(
                self.hearing, self.answering, self.interruption, self._new_log, lambda t: self._kept(t, held)
            )
            await talk.hold(lines)
        return held

    @property
    def state(self) -> AgentState:
        """What the agent is doing."""
        return self.states.state

    def afresh(self, *, keep_turns: int | None = None, keep_recording: bool = True) -> "StreamingVoiceAgent":
        """Return an agent with the same settings, copies of the components, and no history.

        The copies' random states go on from where these are.
        """
        own = copy(self)
        own.states, own.turns, own._keep_turns, own._ran = StateMachine(), [], keep_turns, (None, 0.0)
        own.recording = Recording(self.tts.sample_rate, keeps=keep_recording)
        return deepcopy(own)

    def __getstate__(self) -> dict[str, Any]:
        """Travel without the event loop in which it last ran; only when that ended counts."""
        loop, ended = self._ran
        return {**self.__dict__, "_ran": (None if loop is None else _gone, ended)}

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Continue the agent's axis of time; in another loop, where it ended."""
        if self._is_running:
            raise RuntimeError("the agent is busy; wait for the turn that is running before starting another")
        self.states.begin()
        self._is_running = True
        loop = asyncio.get_running_loop()
        last, ended = self._ran
        if last is not None and last() is not loop:
            self.recording.offset = to_the_nanosecond(ended - loop.time())
        try:
            yield
        finally:
            self._is_running = False
            self._ran = weakref.ref(loop), to_the_nanosecond(loop.time() + self.recording.offset)

    def _new_log(self, began: float) -> EventLog:
        """Return a log whose time zero is a moment on the loop's clock."""
        offset = self.recording.offset
        return EventLog(to_the_nanosecond(began + offset), offset=offset)

    @contextmanager
    def _kept(self, turn: Turn, held: list[Turn] | None = None) -> Iterator[None]:
        """Keep the turn and listen again, however it ends."""
        try:
            yield
        except BaseException:
            if self.state in (AgentState.THINKING, AgentState.SPEAKING):
                self.states.become(AgentState.INTERRUPTED)
            raise
        finally:
            if self.state is not AgentState.LISTENING:
                self.states.become(AgentState.LISTENING)
            for turns in (self.turns, [] if held is None else held):
                turns.append(turn)
                del turns[: -(self._keep_turns or len(turns))]


def _gone() -> None:
    """Stand for the loop of an agent that has come from another process."""


def _own(policy: Any) -> Endpointing:
    """Return a policy that the agent may count with; see `Policy.own` and `Counting`."""
    if isinstance(policy, Policy | TranscriptArrival):
        return policy.own()
    counts = hasattr(policy, "finished") and not hasattr(policy, "decides")
    return Counting(policy) if counts else policy
