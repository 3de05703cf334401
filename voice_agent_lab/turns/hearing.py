"""The first half of a turn: from the microphone to the transcript.

    microphone -> voice activity -> endpointing -> recognition

Every frame is judged, the policy is asked whether the user has finished, and its "yes" ends the
recogniser's audio stream, which is the recogniser's signal to finalise. So any policy works with any
recogniser.

Conventions
-----------
Frames are dated by their capture, counted from when the microphone opened, whenever they arrive.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from math import inf

import numpy as np

from voice_agent_lab.checks import check_sound, shown
from voice_agent_lab.measure.log import record, to_the_nanosecond
from voice_agent_lab.measure.recording import Recording
from voice_agent_lab.measure.words import joined
from voice_agent_lab.stages.asr import Recogniser, check_hypothesis
from voice_agent_lab.stages.endpointing import Endpointing
from voice_agent_lab.stages.microphone import Microphone
from voice_agent_lab.stages.user import User
from voice_agent_lab.stages.vad import JudgedFrame, VoiceActivityDetector
from voice_agent_lab.streams import guard, named, run_ahead
from voice_agent_lab.turns.speculation import Speculation
from voice_agent_lab.turns.states import AgentState, StateMachine
from voice_agent_lab.turns.taps import opened, processed


class Hearing:
    """Hears a turn out: `frames` judges what a microphone gives, `transcript` makes words of it.

    Parameters
    ----------
    microphone, vad, endpointing, asr
        The components.
    states : StateMachine
        The agent's.
    recording : Recording
        Where what the user says is kept.
    max_listening : float
        Seconds after which a turn is over, whatever the policy says.

    Attributes
    ----------
    runs_ahead : bool
        Whether the microphone and endpointing run on while the recogniser is busy, as they should.
    """

    def __init__(
        self,
        microphone: Microphone,
        vad: VoiceActivityDetector,
        endpointing: Endpointing,
        asr: Recogniser,
        *,
        states: StateMachine,
        recording: Recording,
        max_listening: float,
    ) -> None:
        self.microphone, self.vad, self.endpointing, self.asr = microphone, vad, endpointing, asr
        self.states, self.recording, self.max_listening = states, recording, max_listening
        self.runs_ahead = True

    @property
    def user(self) -> User | None:
        """The simulated user, who knows the truth; None where a person speaks."""
        return getattr(self.microphone, "user", None)

    async def frames(self, sound: AsyncGenerator[np.ndarray]) -> AsyncGenerator[JudgedFrame]:
        """Yield each frame of a microphone that is about to open, with the judgement on it."""
        loop, user = asyncio.get_running_loop(), self.user
        size, rate = self.microphone.chunk_size, self.microphone.sample_rate
        latency, seconds = self.microphone.latency, size / rate
        opened_at: float | None = None
        with named("vad"):
            self.vad.reset()
        async with aclosing(sound):
            number, judged, asked = 0, 0.0, loop.time()
            async for captured in sound:
                got = loop.time()
                with named("microphone"):
                    samples = _check_frame(captured, size).copy()  # a sound card uses its buffer again
                known: float | None = getattr(self.microphone, "opened", None)
                if known is None:  # the frame that came soonest tells
                    known = min(
                        inf if opened_at is None else opened_at, got - latency - (number + 1) * seconds
                    )
                opened_at = known
                began = to_the_nanosecond(opened_at + number * seconds)
                on_time = to_the_nanosecond(began + seconds + latency)
                arrived = got if got > asked else min(on_time, got)  # who came late to it cannot tell
                number += 1
                self.recording.add("user", began, samples, rate)
                given = loop.time()
                with named("vad"):
                    speech = _check_judgement("hears_speech", await self.vad.hears_speech(samples))
                judged = to_the_nanosecond(
                    max(judged, arrived) + loop.time() - given
                )  # had nobody else been late
                more = user is not None and user.talks_after(arrived)
                yield JudgedFrame(samples, speech, began, seconds, arrived, judged, more)
                asked = loop.time()

    async def transcript(
        self, frames: AsyncIterator[JudgedFrame], user_input: str, bets: Speculation | None = None
    ) -> str:
        """Return what the recogniser finally understood of a turn; empty if nothing.

        Several finals, as services send them that cut a long turn into segments, are joined.

        Parameters
        ----------
        frames : async iterator of JudgedFrame
            From the first of the turn on, for as long as the turn may last.
        user_input : str
            What is being said, for a simulated recogniser.
        bets : Speculation, optional
            What bets on the partials.
        """
        now = asyncio.get_running_loop().time
        segments: list[str] = []
        shown_last = ""
        finished_at: float | None = None
        async with AsyncExitStack() as streams:
            turn = guard("endpointing", self._until_end_of_turn, frames, bets)
            audio = await opened(streams, self.pushed(turn))
            audio = await opened(streams, processed(audio))
            over = _Noted(audio)
            noted = await opened(streams, over.frames())  # a recogniser need not close what it reads from
            hypotheses = await opened(streams, guard("asr", self.asr.transcribe_stream, noted, user_input))
            record("asr", "started")
            async for hypothesis in hypotheses:
                with named("asr"):
                    text, final = check_hypothesis(hypothesis)
                if final:
                    finished_at = now() if over.at is not None else inf  # it is final, but more may follow
                    segments += [text] if text else []
                elif (partial := joined([*segments, text])) not in ("", shown_last):
                    shown_last = partial
                    self._partly_understood(partial, bets)
            if finished_at is not None:
                async for _ in audio:  # a recogniser that was content before the user had finished
                    pass
        if finished_at is None:
            with named("asr"):
                raise RuntimeError("it ended without a final transcript")
        text = joined(segments)
        record("asr", "complete", at=min(finished_at, now()), text=text)
        if text and self.states.state is AgentState.LISTENING:  # no frame was taken for speech
            self.states.become(AgentState.PROCESSING_SPEECH)
        return text

    def pushed(self, frames: AsyncGenerator[np.ndarray]) -> AsyncGenerator[np.ndarray]:
        """Let the microphone and endpointing run on, however slow the recogniser is."""
        return run_ahead(frames) if self.runs_ahead else frames

    def _partly_understood(self, text: str, bets: Speculation | None) -> None:
        record("asr", "partial", text=text)
        if hasattr(self.endpointing, "understood"):
            with named("endpointing"):
                self.endpointing.understood(text)
        if bets:
            bets.understood(text)

    async def _until_end_of_turn(
        self, frames: AsyncIterator[JudgedFrame], bets: Speculation | None
    ) -> AsyncGenerator[np.ndarray]:
        """Pass sound on until the user has finished."""
        now = asyncio.get_running_loop().time
        self.endpointing.reset()
        taken, decided = 0.0, 0.0
        async for frame in frames:
            taken = to_the_nanosecond(taken + frame.seconds)
            if frame.speech and self.states.state is AgentState.LISTENING:
                self.states.become(AgentState.PROCESSING_SPEECH)
            if bets:
                bets.take(frame.speech, frame.seconds)
            asked = now()
            finished = _check_judgement("decides", await self.endpointing.decides(frame))
            decided = to_the_nanosecond(
                max(decided, frame.judged) + now() - asked
            )  # had nobody else been late
            took = {
                "vad_took": to_the_nanosecond(frame.judged - frame.arrived),
                "policy_took": to_the_nanosecond(decided - frame.judged),
            }
            record("microphone", "frame", at=frame.arrived, **took)
            self.note_user(frame)
            overdue = taken >= self.max_listening
            if finished or overdue:
                reason = "finished" if finished else "max_listening"
                record(
                    "endpointing",
                    "end_of_turn",
                    reason=reason,
                    waited=to_the_nanosecond(max(0.0, now() - decided)),
                    **took,
                )
            yield frame.samples
            if finished or overdue:
                return

    def note_user(self, frame: JudgedFrame) -> None:
        """Record where in a frame the user begins or ends to speak, as well as anybody knows."""
        if self.user is None:
            if frame.speech:
                record("vad", "speech_ended", at=frame.ended)
            return
        for name, at in self.user.edges(frame.began, frame.ended):
            record("user", name, at=at)
            if name == "speech_ended":
                record("microphone", "speech_captured", at=frame.ended)
                record("microphone", "speech_delivered", at=frame.arrived)


class _Noted:
    """Passes frames on, and knows when they ended; None while they have not."""

    def __init__(self, frames: AsyncIterator[np.ndarray]) -> None:
        self._frames = frames
        self.at: float | None = None

    async def frames(self) -> AsyncGenerator[np.ndarray]:
        async for frame in self._frames:
            yield frame
        self.at = asyncio.get_running_loop().time()


def _check_frame(frame: object, size: int) -> np.ndarray:
    samples = check_sound("a frame", frame)
    if len(samples) != size:
        raise ValueError(
            f"a frame holds {len(samples)} samples, but chunk_size is {size}; every frame must hold as many"
        )
    return samples


def _check_judgement(method: str, judgement: object) -> bool:
    if not isinstance(judgement, bool | np.bool_):
        raise TypeError(
            f"{method} returned {shown(judgement)}; it must be True or False: compare a probability "
            "with a threshold"
        )
    return bool(judgement)
