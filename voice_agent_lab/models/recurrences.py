"""A turn as arithmetic: when everything happens in many turns at once, without an event loop.

Each step of a turn begins when the later of two things is there (the stage is free; its input has come), and ends a
latency later. So a turn is a chain of maxima and sums, and a million turns are the same chain on arrays. What
decides between structures (in which frame the turn ends, whether a bet is kept) sorts the turns into groups.

`hear` is the first half of a turn, `speak` the second, as in `turns`.

Conventions
-----------
Times are whole nanoseconds since the microphone opened, held in ``float64``; ``nan`` is what does not
happen. What is the same in all turns is one number, else an array of shape (turns,).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isnan, nan

import numpy as np

from voice_agent_lab.models.anatomy import Anatomy, Answer, Ears, Silence
from voice_agent_lab.models.draws import Latency, Rows, Source

Times = np.ndarray | float


@dataclass
class Heard:
    """The first half of many turns.

    Attributes
    ----------
    last : ndarray of int or int
        The frame with which endpointing decided.
    recognised, complete : ndarray or float
        When the last frame was recognised, and when the transcript was final.
    slowest_frame : ndarray or float
        The longest time that recognition of a frame took.
    begun : ndarray or float
        When an answer was begun on a bet that is kept; ``nan`` without one.
    """

    last: np.ndarray | int
    recognised: Times
    complete: Times
    slowest_frame: Times
    begun: Times = nan

    @property
    def started(self) -> Times:
        """When the language model was asked."""
        return (
            self.complete if _never(self.begun) else np.where(np.isnan(self.begun), self.complete, self.begun)
        )

    def of(self, rows: np.ndarray) -> "Heard":
        """Return some of the turns."""
        return Heard(*(value[rows] if np.ndim(value) else value for value in vars(self).values()))


def hear(anatomy: Anatomy, source: Source, turns: int) -> Heard:
    """Hear so many turns out."""
    ears = anatomy.ears
    recognition = _Recognition(ears, source, turns)
    last = _decision(anatomy, source, turns, recognition)
    recognition.through(last)
    complete = recognition.done + source.take("asr_finalization", 0, turns)
    heard = Heard(last, recognition.done, complete, recognition.slowest)
    if anatomy.eager is not None:
        heard.begun = _kept_bets(anatomy, source, turns, last, recognition)
    return heard


class _Recognition:
    """Recognises frame after frame; each waits for the one before, and for its arrival."""

    def __init__(self, ears: Ears, source: Source, turns: int) -> None:
        self._ears, self._source, self._turns = ears, source, turns
        self.done: Times = 0.0
        self.slowest: Times = 0.0
        self.at: dict[int, Times] = {}  # when a frame was recognised that may show a word
        self._began: dict[int, Times] = {}  # and when that was begun
        self._telling = {frame for word in ears.words for frame in (word.shown, word.revised)}
        self._next = 0

    def through(self, last: np.ndarray | int) -> None:
        """Recognise all frames up to the last of each turn that have not been yet."""
        for frame in range(self._next, int(np.min(last)) + 1):
            self._step(frame, None)
        if isinstance(last, np.ndarray):
            for frame in range(self._next, int(last.max()) + 1):
                self._step(frame, np.flatnonzero(last >= frame))

    def _step(self, frame: int, rows: np.ndarray | None) -> None:
        began = np.maximum(self.done, self._ears.arrivals[frame])
        took = self._source.take("asr_processing", frame, self._turns if rows is None else rows)
        if rows is None:
            self.done, self.slowest = began + took, np.maximum(self.slowest, took)
        else:
            done, slowest = (np.array(np.broadcast_to(x, self._turns)) for x in (self.done, self.slowest))
            done[rows] = np.broadcast_to(began, self._turns)[rows] + took
            slowest[rows] = np.maximum(slowest[rows], took)
            self.done, self.slowest = done, slowest
        if frame in self._telling:
            self.at[frame], self._began[frame] = self.done, began
        self._next = frame + 1

    def before(self, frame: int, arrival: np.ndarray | int) -> np.ndarray:
        """Return whether a frame was recognised before another one arrived.

        At the same instant the one comes first that was begun first: the loop's order. The microphone begins
        to wait for a frame when it has delivered the one before.
        """
        arrivals, at = self._ears.arrivals, self.at[frame]
        earlier: np.ndarray = (at < arrivals[arrival]) | (
            (at == arrivals[arrival]) & (self._began[frame] < arrivals[np.maximum(arrival, 1) - 1])
        )
        return earlier


def _decision(anatomy: Anatomy, source: Source, turns: int, recognition: _Recognition) -> np.ndarray | int:
    """Return the frame with which each turn ends: the policy judges one silence after the other."""
    ears, overdue = anatomy.ears, len(anatomy.ears.arrivals) - 1
    last: np.ndarray | int = overdue
    open_: np.ndarray | bool = True
    for number, silence in enumerate(ears.silences):
        after = source.decides_after(anatomy.policy, number, silence.goes_on, turns)
        frame = silence.first + np.searchsorted(ears.elapsed, after)
        if anatomy.longest_wait is not None:
            until = np.where(open_, len(ears.arrivals), last)
            frame = _with_a_transcript(anatomy, silence, frame, recognition, np.broadcast_to(until, turns))
        decides = open_ & (frame < silence.end)
        last = np.where(decides, frame, last)
        open_ = open_ & ~decides
        if not np.any(open_):
            break
    return last if np.ndim(last) and np.ptp(last) else int(np.max(last))


def _with_a_transcript(
    anatomy: Anatomy,
    silence: Silence,
    frame: np.ndarray | int,
    recognition: _Recognition,
    until: np.ndarray,
) -> np.ndarray:
    """Return the first frame of a silence with which a policy that waits for a transcript decides.

    `until` is the last frame of the turns that are decided already.
    """
    ears = anatomy.ears
    shown = min((word.shown for word in ears.words), default=len(ears.arrivals))
    longest = silence.first + int(np.searchsorted(ears.elapsed, anatomy.longest_wait or 0.0))
    without: np.ndarray = np.maximum(frame, longest)
    if shown >= silence.end:  # nothing is understood before it is over
        return without
    if shown not in recognition.at:
        recognition.through(np.minimum(np.minimum(until, without), shown))
    told = np.minimum(np.searchsorted(ears.arrivals, recognition.at[shown]), len(ears.arrivals) - 1)
    told = told + ~recognition.before(shown, told)
    first: np.ndarray = np.minimum(without, np.maximum(frame, told))
    return first


def _kept_bets(
    anatomy: Anatomy, source: Source, turns: int, last: np.ndarray | int, recognition: _Recognition
) -> Times:
    """Return when the bet was made that is kept: on the transcript as it is, in the silence that ends the turn."""
    ears, eager = anatomy.ears, anatomy.eager
    assert eager is not None
    wrong = np.zeros((len(ears.words), 1), dtype=bool)
    if anatomy.revision_rate:
        wrong = source.wrong_at_first(anatomy.revision_rate, len(ears.words), turns)
    changes = _changes(ears, wrong, last, recognition)
    attempts: Times = 0.0
    begun: Times = nan
    for silence in ears.silences:
        eligible = silence.first + int(np.searchsorted(ears.elapsed, eager.silence))
        if eligible >= silence.end or silence.speech > eager.max_speech:
            continue
        ends_here = last < silence.end
        count: Times = 0.0
        bet: Times = nan
        if changes:  # a bet needs a transcript
            first, is_there = changes[0]
            understood = is_there & recognition.before(first, eligible)
            bet = np.where(understood, ears.arrivals[eligible], nan)
            count = np.where(understood, 1.0, 0.0)
        for frame, changed in changes:
            inside = changed & ~recognition.before(frame, eligible)
            if silence.end < len(ears.arrivals):
                inside = inside & (ends_here | recognition.before(frame, silence.end))
            bet = np.where(inside, recognition.at[frame], bet)
            count = count + inside
        reached = last >= eligible
        attempts = attempts + np.where(reached, count, 0.0)
        begun = np.where(reached & ends_here & (silence.first <= last), bet, begun)
    right = attempts <= eager.max_attempts
    for word, came_wrong in zip(ears.words, wrong, strict=True):
        if word.tells_when_revised:
            right = right & ~(came_wrong & (word.shown <= last) & (word.revised > last))
    return np.where(right, begun, nan)


def _changes(
    ears: Ears, wrong: np.ndarray, last: np.ndarray | int, recognition: _Recognition
) -> list[tuple[int, np.ndarray]]:
    """Return the frames with which the partial transcript may get other words, and in which turns it does."""
    changes = []
    for frame in sorted(recognition.at):
        changed = np.array([any(word.shown == frame for word in ears.words)])
        for word, came_wrong in zip(ears.words, wrong, strict=True):
            if word.revised == frame > word.shown and word.tells_when_revised:
                changed = changed | came_wrong
        if changed.any():
            changes.append((frame, changed & (last >= frame)))
    return changes


@dataclass
class Spoken:
    """The second half of many turns.

    Attributes
    ----------
    first_token, first_piece, first_chunk, first_sound, audible : ndarray or float
        The first token; the first piece was handed to the voice; its first chunk; that chunk began at the
        user's ear; the first audible sample there.
    slowest_token, slowest_first_chunk, slowest_chunk : ndarray or float
        The longest that a token after the first, a first chunk of a piece, a later chunk took.
    underrun : ndarray or float
        How long the reply was silent because playback had run dry.
    """

    first_token: Times = nan
    first_piece: Times = nan
    first_chunk: Times = nan
    first_sound: Times = nan
    audible: Times = nan
    slowest_token: Times = nan
    slowest_first_chunk: Times = nan
    slowest_chunk: Times = nan
    underrun: Times = 0.0


@dataclass
class _Speaking:
    """What there is of the answer so far."""

    source: Source
    rows: Rows
    token: Times  # the newest
    voice: Times  # free from
    tokens: int = 0
    first_token: Times = nan
    chunks: dict[str, int] = field(default_factory=lambda: {"tts_first_chunk": 0, "tts_chunk_generation": 0})
    slowest: dict[str, Times] = field(default_factory=dict)

    def generate(self, tokens: int) -> None:
        """Generate until there are so many tokens."""
        for number in range(self.tokens, tokens):
            if number:
                self.token = self.token + self._take("llm_token_generation", number - 1)
            else:
                self.token = self.token + self._take("llm_first_token", 0)
                self.first_token = self.token
        self.tokens = max(self.tokens, tokens)

    def synthesise(self, first: bool) -> Times:
        """Make the next chunk; return when it is made."""
        stage = "tts_first_chunk" if first else "tts_chunk_generation"
        self.voice = self.voice + self._take(stage, self.chunks[stage])
        self.chunks[stage] += 1
        return self.voice

    def _take(self, stage: str, item: int) -> Latency:
        took = self.source.take(stage, item, self.rows)
        self.slowest[stage] = np.maximum(self.slowest.get(stage, 0.0), took)
        return took


def speak(
    anatomy: Anatomy, answer: Answer, source: Source, rows: Rows, heard: Heard, *, whole: bool
) -> Spoken:
    """Give the same answer in some turns, to the first audible sound or to its end.

    Parameters
    ----------
    anatomy : Anatomy
        Of the turns.
    answer : Answer
        To what was understood.
    source : Source
        Of the latencies.
    rows : ndarray of int or int
        Which turns of the block, or how many if it is all of them.
    heard : Heard
        Their first halves.
    whole : bool
        Whether to go on to the end of the reply.
    """
    ahead = anatomy.eager is not None and anatomy.eager.speak
    now = _Speaking(source, rows, heard.started, heard.started if ahead else heard.complete)
    spoken, ends = Spoken(), None
    if anatomy.overlap == "sequential":
        now.generate(answer.tokens)
    for piece in answer.pieces:
        if anatomy.overlap == "chained":
            now.token = now.voice
        now.generate(piece.tokens)
        now.voice = np.maximum(now.voice, now.token)
        if ends is None:
            spoken.first_piece = now.voice
        for number, (length, onset) in enumerate(piece.chunks):
            made = now.synthesise(not number)
            arrives = (np.maximum(made, heard.complete) if ahead else made) + anatomy.output_latency
            begins = arrives if ends is None else np.maximum(arrives, ends)
            if ends is None:
                spoken.first_chunk, spoken.first_sound = made, begins
            elif whole and not _never(spoken.audible):
                spoken.underrun = spoken.underrun + (begins - ends)
            if _never(spoken.audible) and not isnan(onset):
                spoken.audible = begins + onset
                if not whole:
                    return _measured(spoken, now, whole)
            ends = begins + length
    now.generate(answer.tokens)
    return _measured(spoken, now, whole=True)


def _never(at: Times) -> bool:
    """Return whether something happens in no turn."""
    return np.ndim(at) == 0 and bool(np.isnan(at))


def _measured(spoken: Spoken, now: _Speaking, whole: bool) -> Spoken:
    """Note the first token and, of a whole reply, the slowest items."""
    spoken.first_token = now.first_token
    if whole:
        spoken.slowest_token = now.slowest.get("llm_token_generation", nan)
        spoken.slowest_first_chunk = now.slowest.get("tts_first_chunk", nan)
        spoken.slowest_chunk = now.slowest.get("tts_chunk_generation", nan)
    return spoken


def in_groups(last: np.ndarray | int, transcript: Callable[[int], str]) -> dict[str, np.ndarray | None]:
    """Return which turns end with which transcript; None stands for all."""
    frames = np.unique(np.asarray(last)).tolist()
    said = {frame: transcript(frame) for frame in frames}
    if len(set(said.values())) == 1:
        return {said[frames[0]]: None}
    groups: dict[str, list[int]] = {}
    for frame, text in said.items():
        groups.setdefault(text, []).append(frame)
    return {text: np.flatnonzero(np.isin(last, its)) for text, its in groups.items()}
