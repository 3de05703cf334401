"""After how much silence has the user finished? Policies from a plain timer to a learned detector.

A user who pauses and a user who has finished sound the same at first. Every policy answers one question
when a silence begins: after how many seconds of it do I decide that the user has finished? If the user
meant to go on, the decision is a false cut-off. A timer that waits less cuts off more. Only a policy
that tells the two kinds of silence apart does better: it has a short delay for when it believes that
the user has finished, and a long one for when it does not. `pauses` weighs the two errors.

A policy that listens to the sound itself, as a trained end-of-turn model does, is any object with
`Endpointing`'s two methods. To write one that is simulated, subclass `Policy` and define `decides_after`
for many silences at once; the form that the agent uses, frame by frame, asks the same method about one
silence. The shortest of all is an object with ``finished(speech, seconds)`` and ``reset()``.

Conventions
-----------
Silence is counted in audio time, rounded to the nanosecond, from the end of the last frame with
speech: a frame of 0.1 s of silence is 0.1 s of silence, whenever it arrives. A policy's own times are
rounded alike. The decision falls at the end of the first frame with which the silence is as long as
the policy asks, or longer: with frames of ``d`` seconds, after ``d * ceil(seconds / d)``, and after
one frame at the earliest.
"""

from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from voice_agent_lab.checks import check_order, check_seconds, check_share
from voice_agent_lab.measure.log import to_the_nanosecond
from voice_agent_lab.stages.vad import JudgedFrame


class Endpointing(Protocol):
    """Anything that can decide when the user has finished.

    It may look at the sound, as an end-of-turn model does, and may take time, which is charged to it.
    If it has a method ``understood(text)``, it is told each partial transcript.
    """

    async def decides(self, frame: JudgedFrame) -> bool:
        """Take the next frame; return whether the user has finished."""
        ...

    def reset(self) -> None:
        """Forget what was taken: a new turn begins."""
        ...


class Counts(Protocol):
    """A policy that only counts."""

    def finished(self, speech: bool, seconds: float) -> bool:
        """Take one frame's judgement and length in seconds; return whether the user has finished."""
        ...

    def reset(self) -> None:
        """Forget what was taken: a new turn begins."""
        ...


class Counting:
    """Makes `Endpointing` of a policy that only counts: ``finished(speech, seconds)`` for each frame.

    The short form for a policy of one's own. An agent that is given one makes this of it.
    """

    def __init__(self, policy: Counts) -> None:
        self.policy, self.reset = policy, policy.reset
        if hasattr(policy, "understood"):
            self.understood = policy.understood

    async def decides(self, frame: JudgedFrame) -> bool:
        """Return what the policy says of the frame's judgement and length."""
        return self.policy.finished(frame.speech, frame.seconds)


class Policy:
    """A way to decide when the user has finished; the base of all.

    Attributes
    ----------
    more_to_come : callable or None
        Tells, when a silence begins, whether the user will go on. Only a simulation knows this. Where
        it is None, each frame tells: an agent hands over what its simulated user knows.
    rng : numpy.random.Generator or None
        What the frame-by-frame form draws from; None for a policy without chance.
    """

    more_to_come: Callable[[], bool] | None = None
    rng: np.random.Generator | None = None
    _spoke, _silence, _goes_on = False, 0.0, False
    _decides: float | None = None

    @property
    def mean_wait(self) -> float:
        """The mean wait after a user who has finished, in seconds."""
        raise NotImplementedError

    def decides_after(self, more_to_come: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return after how many seconds of each silence the policy decides that the user has finished.

        For a policy without chance, as here, that is always `mean_wait`.

        Parameters
        ----------
        more_to_come : ndarray of bool, shape (silences,)
            Whether the user would go on after each silence: true for a pause, false for an end.
        rng : numpy.random.Generator, optional
            Where the randomness comes from; the policy's own `rng`, if not given.

        Returns
        -------
        ndarray of float64, shape (silences,)
        """
        return np.full(len(more_to_come), float(self.mean_wait))

    async def decides(self, frame: JudgedFrame) -> bool:
        """Take the next frame; return whether the user has finished."""
        self._goes_on = frame.more_to_come
        return self.finished(frame.speech, frame.seconds)

    def finished(self, speech: bool, seconds: float) -> bool:
        """Take one frame's judgement and length in seconds; return whether the user has finished.

        The policy judges each silence once, with its first frame. Silence before any speech is none.
        """
        if speech:
            self._spoke, self._silence, self._decides = True, 0.0, None
        if speech or not self._spoke:
            return False
        if self._decides is None:
            goes_on = self._goes_on if self.more_to_come is None else self.more_to_come()
            self._decides = float(self.decides_after(np.array([goes_on]), self.rng)[0])
        self._silence = to_the_nanosecond(self._silence + seconds)
        return self._silence >= self._decides

    def reset(self) -> None:
        """Forget the silence and the speech so far; the random state goes on."""
        self._spoke, self._silence, self._decides = False, 0.0, None

    def own(self) -> "Policy":
        """Return a policy with the same settings and a silence and a random state of its own.

        An agent works with its own, so that one policy may be given to many agents.
        """
        own = copy(self)
        own.rng = deepcopy(self.rng)
        own.reset()
        return own


@dataclass
class SilenceTimeout(Policy):
    """The user has finished after so much silence without a break.

    Parameters
    ----------
    timeout : float
        Seconds of silence; the article's is 0.5.

    Examples
    --------
    >>> quick = StreamingVoiceAgent(endpointing=SilenceTimeout(0.3))
    >>> metrics = simulate(quick.process_turn("What time is it?"))
    >>> round(metrics.end_of_turn - metrics.speech_ended, 3)
    0.3
    """

    timeout: float = 0.5

    def __post_init__(self) -> None:
        self.timeout = to_the_nanosecond(float(check_seconds("timeout", self.timeout)))

    @property
    def mean_wait(self) -> float:
        """The wait in seconds: the timeout."""
        return self.timeout


@dataclass
class HangoverTimeout(Policy):
    """A timeout that starts when voice activity detection lets go, which is late by its hangover.

    The defaults are those of Pipecat's speech timeout: its voice activity detection stops after 0.2 s
    of silence (``stop_secs``), and ``user_speech_timeout`` is 0.6 s more (Pipecat's code, 2026-08).

    Parameters
    ----------
    hangover : float
        Seconds of silence after which voice activity detection stops hearing speech.
    timeout : float
        Seconds of silence after that.
    """

    hangover: float = 0.2
    timeout: float = 0.6

    def __post_init__(self) -> None:
        self.hangover = float(check_seconds("hangover", self.hangover))
        self.timeout = float(check_seconds("timeout", self.timeout))

    @property
    def mean_wait(self) -> float:
        """The wait in seconds: hangover and timeout."""
        return to_the_nanosecond(self.hangover + self.timeout)


@dataclass
class LearnedDetector(Policy):
    """A detector that often hears that the user has finished, and a timeout for when it does not.

    It judges each silence once, when it begins, and acts after a delay, or after a timeout. Three numbers
    describe it: the share of turn ends that it detects, the delay and the timeout. In eot-bench (LiveKit,
    2026) they give the mean wait of LiveKit v1 and v1-mini, Smart Turn, ultraVAD and Baton to 0.002 s. They do
    *not* describe a detector that may fire late, in the middle of a silence, as streaming ones do: Soniox,
    Gradium, AssemblyAI, Cartesia Ink 2, VAP, GPT Realtime 2 and Deepgram Flux really wait longer than this
    class would, by 0.01 to 0.75 s; see `published.eot_bench.LATE`.

    Parameters
    ----------
    detection_rate : float
        The share of turn ends that it recognises, from 0 to 1.
    delay : float
        Seconds of silence after which it acts on what it recognised.
    timeout : float
        Seconds of silence after which the turn is over in any case; no less than `delay`.
    false_alarm_rate : float
        The share of the user's pauses that it takes for the end, from 0 to 1.
    more_to_come : callable
        See `Policy`: a simulated detector knows the truth and errs at its two rates, as the simulated
        recogniser knows the words.
    rng : numpy.random.Generator, optional
        For the errors, frame by frame; seeded with 0 if not given.

    Examples
    --------
    >>> sure = LearnedDetector(detection_rate=1.0, false_alarm_rate=0.0, delay=0.2, timeout=2.0)
    >>> metrics = simulate(StreamingVoiceAgent(endpointing=sure).process_turn("What time is it?"))
    >>> round(metrics.end_of_turn - metrics.speech_ended, 3)
    0.2
    """

    detection_rate: float
    delay: float
    timeout: float
    false_alarm_rate: float = field(default=0.0, kw_only=True)
    more_to_come: Callable[[], bool] | None = field(default=None, kw_only=True, repr=False, compare=False)
    rng: np.random.Generator | None = field(default=None, kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_share("detection_rate", self.detection_rate)
        check_share("false_alarm_rate", self.false_alarm_rate)
        check_order("delay", self.delay, "timeout", self.timeout)
        self.delay, self.timeout = (
            to_the_nanosecond(float(self.delay)),
            to_the_nanosecond(float(self.timeout)),
        )
        self.rng = self.rng or np.random.default_rng(0)

    @property
    def mean_wait(self) -> float:
        """The mean wait after a user who has finished, in seconds: of the delay and the timeout."""
        return to_the_nanosecond(self.detection_rate * self.delay + (1 - self.detection_rate) * self.timeout)

    def decides_after(self, more_to_come: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return the delay or the timeout for each silence, in seconds; one draw for each."""
        rate = np.where(more_to_come, self.false_alarm_rate, self.detection_rate)
        fires = (rng or self.rng or np.random.default_rng(0)).random(len(rate)) < rate
        return np.where(fires, float(self.delay), float(self.timeout))


class MinMaxDelay(LearnedDetector):
    """LiveKit's endpointing: a minimum delay when its detector is confident, a maximum delay when not.

    Both delays count from the end of speech, so voice activity detection's silence is not added to
    them: the longer of the two decides. It shows itself as the detector that it amounts to.

    Parameters
    ----------
    min_delay, max_delay : float
        Seconds; the defaults are LiveKit's with its streaming detector (0.3 and 2.5). Without it they
        are 0.5 and 3.0 (LiveKit's code, 2026-08).
    vad_silence : float
        Seconds of silence after which voice activity detection stops: 0.25 in LiveKit's bundled one,
        0.55 in its Silero plugin (same source).
    detection_rate : float
        Of LiveKit's detector v1 on English turns, acting after 0.3 s at 5 % cut-offs (eot-bench, 2026).
    **options
        As of `LearnedDetector`.
    """

    def __init__(
        self,
        min_delay: float = 0.3,
        max_delay: float = 2.5,
        vad_silence: float = 0.25,
        detection_rate: float = 0.91,
        **options: Any,
    ) -> None:
        check_seconds("vad_silence", vad_silence)
        check_order("min_delay", min_delay, "max_delay", max_delay)
        super().__init__(detection_rate, max(vad_silence, min_delay), max(vad_silence, max_delay), **options)


class SmartTurnOrTimeout(LearnedDetector):
    """Pipecat's endpointing: Smart Turn judges once when voice activity stops, and is believed or not.

    COMPLETE ends the turn as soon as the model has computed. INCOMPLETE waits for more silence, counted
    from where voice activity detection stopped. It shows itself as the detector that it amounts to.

    Parameters
    ----------
    detection_rate : float
        The share of turn ends that the model calls COMPLETE. No default: nothing that was published
        gives it for Pipecat's threshold of 0.5, which is fixed in its code; see `published.smart_turn`.
    vad_stop : float
        Seconds of silence after which voice activity detection stops; 0.2 (Pipecat's code, 2026-08).
    compute : float
        Seconds that the model takes: 0.012 on a modern CPU, 0.060 on a cheap one (Smart Turn v3,
        Daily's announcement, 2025-09).
    incomplete_timeout : float
        Seconds of silence, counted after `vad_stop`, that end a turn called INCOMPLETE; 3.0 (same code).
    **options
        As of `LearnedDetector`.
    """

    def __init__(
        self,
        detection_rate: float,
        vad_stop: float = 0.2,
        compute: float = 0.012,
        incomplete_timeout: float = 3.0,
        **options: Any,
    ) -> None:
        check_seconds("vad_stop", vad_stop)
        check_order("compute", compute, "incomplete_timeout", incomplete_timeout)
        super().__init__(detection_rate, vad_stop + compute, vad_stop + incomplete_timeout, **options)


@dataclass
class TranscriptArrival:
    """A policy that also waits until the recogniser has understood something.

    Both big frameworks do: a turn without a transcript cannot be answered. A cough ends no turn then,
    until a watchdog does.

    Pipecat has a second wait, for the *final* transcript, that runs from the end of speech beside its
    policy: the 99th percentile that is known of the recogniser, or 1.0 s. It ends no turn without text. Here
    there is nothing to wait for: recognition finalises after endpointing.

    Parameters
    ----------
    policy : Policy
        What decides when there is a transcript.
    longest_wait : float
        Seconds of silence, counted from the end of speech, after which it decides without a transcript, if
        the policy has decided. The default is that of Pipecat's watchdog (code of 2026-08).
    """

    policy: Policy
    longest_wait: float = 5.0
    _understood: bool = field(default=False, init=False, repr=False)
    _silence: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        check_seconds("longest_wait", self.longest_wait)

    def understood(self, text: str) -> None:
        """Take a partial transcript."""
        self._understood |= bool(text.strip())

    async def decides(self, frame: JudgedFrame) -> bool:
        """Take the next frame; return whether the user has finished."""
        return self._take(await self.policy.decides(frame), frame.speech, frame.seconds)

    def finished(self, speech: bool, seconds: float) -> bool:
        """Take one frame's judgement and length in seconds; return whether the user has finished."""
        return self._take(self.policy.finished(speech, seconds), speech, seconds)

    def _take(self, finished: bool, speech: bool, seconds: float) -> bool:
        self._silence = 0.0 if speech else to_the_nanosecond(self._silence + seconds)
        return finished and (self._understood or self._silence >= self.longest_wait)

    def reset(self) -> None:
        """Forget the transcript, the silence and the speech so far."""
        self.policy.reset()
        self._understood, self._silence = False, 0.0

    def own(self) -> "TranscriptArrival":
        """Return one with the same settings and a state of its own; see `Policy.own`."""
        own = copy(self)
        own.policy = self.policy.own() if hasattr(self.policy, "own") else copy(self.policy)
        own.reset()
        return own
