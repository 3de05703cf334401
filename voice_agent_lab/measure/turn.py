"""A turn, read off its event log: stamps, spans, and the parts of the wait with their owners.

Everything here is a pure function of the log. Nothing is measured twice, and what is not in the log
was not measured.

Conventions
-----------
The parts of the wait are contiguous: each begins where the one before ends, the first at the true
end of speech, the last ends at the first audible sample. So they sum to voice-to-voice exactly.
Where stages overlap, a stage owns only what it adds after the stage before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isnan, nan

import pandas as pd

from voice_agent_lab.measure.answer import (
    Row,
    answer,
    answer_text,
    first_text,
    first_tokens,
    rows_of_tools,
    tool_rounds,
)
from voice_agent_lab.measure.heard import passages, said, text_heard
from voice_agent_lab.measure.latency import LatencyMetrics, _Shown, format_seconds, interval
from voice_agent_lab.measure.log import Event, EventLog


@dataclass(frozen=True)
class Span:
    """A stretch of time in which a stage was busy with something, in seconds."""

    stage: str
    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Part:
    """One contiguous part of the wait: what it is, who owns it, and when (seconds).

    `owner` is one of "service", "setting", "pipeline", "network", "device" and "tool": whom to ask for the
    milliseconds back.
    """

    name: str
    stage: str
    owner: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it lasted, in seconds."""
        return interval(self.start, self.end, self.name)


# Each part of the wait: its name, its stage, its owner, and the event that ends it. What tools add stands
# before the first token.
_PARTS = (
    ("last frame", "microphone", "setting", ("microphone", "speech_captured")),
    ("input transport", "microphone", "network", ("microphone", "speech_delivered")),
    ("endpointing", "endpointing", "setting", ("endpointing", "end_of_turn")),
    ("voice activity", "vad", "service", ("endpointing", "end_of_turn")),
    ("end-of-turn model", "endpointing", "service", ("endpointing", "end_of_turn")),
    ("backlog", "agent", "pipeline", ("endpointing", "end_of_turn")),
    ("recognition", "asr", "service", ("asr", "frame")),
    ("finalisation", "asr", "service", ("asr", "complete")),
    ("hand-over", "agent", "pipeline", ("llm", "started")),
    ("first token", "llm", "service", ("llm", "token")),
    ("text aggregation", "aggregation", "setting", ("tts", "piece")),
    ("first chunk", "tts", "service", ("tts", "chunk")),
    ("output transport", "playback", "network", ("playback", "chunk")),
    ("leading silence", "tts", "service", ("playback", "started")),
)

OWNERS = {name: owner for name, _, owner, _ in _PARTS}
"""Each part of the wait, in order, and who owns it."""


_BEFORE_TEXT = next(k for k, part in enumerate(_PARTS) if part[0] == "first token")
_ORDER = (
    *(part[0] for part in _PARTS[:_BEFORE_TEXT]),
    *("tool call", "filler delay", "tool", "failure"),
    *(part[0] for part in _PARTS[_BEFORE_TEXT:-2]),
    "filler",
    *(part[0] for part in _PARTS[-2:]),
)
"""The names of the parts in the order of a turn."""


@dataclass(repr=False)
class Turn(_Shown):
    """One turn of a conversation, read off its event log.

    Parameters
    ----------
    log : EventLog
        What happened.

    Examples
    --------
    >>> agent = StreamingVoiceAgent()
    >>> metrics = simulate(agent.process_turn("What time is it?"))
    >>> turn = agent.turns[0]
    >>> for part in turn.parts:
    ...     print(f"{part.seconds:.2f} s {part.name} ({part.owner})")
    0.50 s endpointing (setting)
    0.10 s recognition (service)
    0.30 s finalisation (service)
    0.50 s first token (service)
    0.14 s text aggregation (setting)
    0.20 s first chunk (service)
    >>> turn.reply
    'It is half past two in the afternoon. Your next meeting starts at three.'
    """

    log: EventLog

    @property
    def counted(self) -> EventLog:
        """The log without the eager answers that were withdrawn: what metrics are about."""
        withdrawn = {e.detail["attempt"] for e in self.log.all("llm", "withdrawn")}
        if not withdrawn:
            return self.log
        kept = (e for e in self.log if e.detail.get("attempt") not in withdrawn)
        return EventLog(self.log.origin, tuple(kept))

    @property
    def transcript(self) -> str:
        """What the recogniser finally understood; empty if it did not come to that."""
        return next((e.detail["text"] for e in self.log.all("asr", "complete")), "")

    @property
    def partials(self) -> list[tuple[float, str]]:
        """Each partial transcript with its time in seconds."""
        return [(e.time, e.detail["text"]) for e in self.log.all("asr", "partial")]

    @property
    def reply(self) -> str:
        """What was to be said: what the language model generated, and a filler or an apology where there was one."""
        return said(self.counted).strip()

    @property
    def heard(self) -> str:
        """The reply up to the last word that was heard to its end, by the position of playback; see `heard`."""
        return text_heard(self.counted)

    @property
    def barge_in_to_silence(self) -> float:
        """Seconds from the beginning of an interruption to silence at the user's ear.

        ``nan`` without an interruption, or if there was no sound to stop yet.
        """
        if isnan(self.metrics.playback_started):
            return nan
        began, stopped = self.log.first("agent", "barge_in"), self.log.first("playback", "stopped")
        return interval(min(began, stopped), stopped, "barge-in to silence") if began < inf else nan

    @property
    def wasted_tokens(self) -> int:
        """How many tokens belong to eager answers that were withdrawn."""
        withdrawn = {e.detail["attempt"] for e in self.log.all("llm", "withdrawn")}
        return sum(e.detail.get("attempt") in withdrawn for e in self.log.all("llm", "token"))

    @property
    def lead(self) -> float:
        """Seconds by which an eager answer that was kept had begun before its turn; ``nan`` without one."""
        return next((e.detail["lead"] for e in self.log.all("llm", "kept")), nan)

    @property
    def metrics(self) -> LatencyMetrics:
        """The stamps of this turn."""
        log = self.counted
        first = log.first
        return LatencyMetrics(
            audio_chunk_received=first("microphone", "frame"),
            asr_started=first("asr", "started"),
            asr_partial=first("asr", "partial"),
            asr_complete=first("asr", "complete"),
            llm_started=first("llm", "started"),
            llm_first_token=first("llm", "token"),
            llm_complete=first("llm", "complete"),
            tts_started=first("tts", "piece"),
            tts_first_chunk=first("tts", "chunk"),
            tts_complete=first("tts", "complete"),
            speech_ended=self._speech_ended,
            end_of_turn=first("endpointing", "end_of_turn"),
            playback_started=first("playback", "started"),
            playback_ended=min(first("playback", "ended"), first("playback", "stopped"), key=_nan_last),
            llm_first_chunk=min(first("llm", "empty_chunk"), first("llm", "token"), key=_nan_last),
            answer_started=answer(log).audible,
        )

    @property
    def _speech_ended(self) -> float:
        """The true end of the speech that is answered or, if nobody knows it, of the last frame with speech."""
        # What ends after the turn was decided is an interruption, or belongs to the next turn; unless the
        # user was cut off, and finished before the transcript did.
        final = self.log.first("asr", "complete")
        for end in (_decision(self.log).get("endpointing", final), final):
            for stage in ("user", "vad"):
                times = [e.time for e in self.log.all(stage, "speech_ended") if not e.time > end]
                if times:
                    return max(times)
        return nan

    @property
    def latencies(self) -> dict[str, list[float]]:
        """For each budget's name the seconds that each of its items took; empty if not measured."""
        metrics, log = self.metrics, self.counted
        tokens, spoken = log.all("llm", "token"), passages(log)
        firsts = [pair for passage in spoken for pair in passage.first_chunks()]
        later = [chunk for passage in spoken for chunk in passage.chunks[1:]]
        recognised = log.last("asr", "frame")
        if isnan(recognised):  # a trace that has no frames: what was left of it when the turn was decided
            recognised = min(metrics.end_of_turn, metrics.asr_complete)
        once = {
            "asr_finalization": interval(recognised, metrics.asr_complete, "asr finalisation"),
            "time_to_first_audio": metrics.get_time_to_first_audio(),
            "voice_to_voice": metrics.voice_to_voice,
        }
        thought = {id(event) for event in first_tokens(log)}
        asked = [
            e.detail["took"]
            for e in (*log.all("llm", "call"), *tokens)
            if e.name == "call" or id(e) in thought
        ]
        first = metrics.time_to_first_token
        if not tool_rounds(log):  # asked once
            asked = [] if isnan(first) else [first]
        return {
            "asr_processing": [e.detail["took"] for e in log.all("asr", "frame")],
            "llm_first_token": asked,
            "llm_token_generation": [e.detail["took"] for e in tokens if id(e) not in thought],
            "tts_first_chunk": [interval(p.time, c.time) for p, c in firsts if c.time >= p.time],
            "tts_chunk_generation": [e.detail["took"] for e in later],
            **{name: [] if isnan(seconds) else [seconds] for name, seconds in once.items()},
        }

    @property
    def underruns(self) -> list[Span]:
        """The silences inside the reply: playback had run dry because synthesis was late."""
        audible = self.log.first("playback", "started")
        events = [event for event in self.log.all("playback", "underrun") if event.time > audible]
        return [Span("playback", "underrun", interval(e.detail["seconds"], e.time), e.time) for e in events]

    @property
    def parts(self) -> tuple[Part, ...]:
        """The contiguous parts of voice-to-voice, in order; empty if it was not measured.

        An event that is missing from the log (a recogniser without endpointing, say) leaves its
        part to the next one. Parts of no length are left out.
        """
        log = self.counted
        return self._parts(self.metrics.playback_started, _rows(log, first_text(log)))

    @property
    def parts_to_answer(self) -> tuple[Part, ...]:
        """The contiguous parts of time to answer, in order; empty if it was not measured.

        They are those of voice-to-voice, unless something was said before the answer: a part "filler"
        is the time for which the answer was ready and had to wait, because that was made or said first.
        """
        log, metrics = self.counted, self.metrics
        if metrics.answer_started == metrics.playback_started:
            return self.parts
        return self._parts(metrics.answer_started, _rows_to_answer(log))

    def _parts(self, end: float, rows: Sequence[Row]) -> tuple[Part, ...]:
        """Return the parts of the wait up to a moment: each begins where the one before ends."""
        start = self.metrics.speech_ended
        if isnan(start) or isnan(end):
            return ()
        parts: list[Part] = []
        reached = start
        for name, stage, owner, time in rows:
            time = min(time, end)
            if time > reached:
                if parts and parts[-1].name == name:  # of tools that work at once, or one after another
                    reached = parts.pop().start
                parts.append(Part(name, stage, owner, reached, time))
                reached = time
        return tuple(parts)

    @property
    def spans(self) -> list[Span]:
        """When each stage was busy, for a timeline: finished spans only."""
        m, log = self.metrics, self.counted
        frames_done = log.last("asr", "frame")
        firsts = {id(event) for event in first_tokens(log)}
        candidates = [
            Span("user", "speech", log.first("user", "speech_started"), m.speech_ended),
            Span("endpointing", "waiting for silence", m.speech_ended, m.end_of_turn),
            Span("asr", "recognition", m.audio_chunk_received, frames_done),
            Span("asr", "finalisation", frames_done, m.asr_complete),
            *_thinking(log),
            *_busy("llm", "tokens", [e for e in log.all("llm", "token") if id(e) not in firsts]),
            Span("tts", "first chunk", m.tts_started, m.tts_first_chunk),
            *_busy("tts", "chunks", log.all("tts", "chunk")[1:]),
        ]
        edges = [m.playback_started, *(t for u in self.underruns for t in (u.start, u.end)), m.playback_ended]
        candidates += [
            Span("playback", "speech", a, b) for a, b in list(pairwise(edges))[::2]
        ] + self.underruns
        return [span for span in candidates if span.end > span.start]

    @property
    def user_input(self) -> str:
        """What the user was to say, as given to the agent."""
        return next((e.detail["text"] for e in self.log.all("user", "input")), "")

    def table(self) -> pd.DataFrame:
        """Return the parts of the wait with their owners; the last row is their sum, voice-to-voice.

        Where something was said before the answer, a second column has the parts of the wait for that, and
        their sum stands in a row of its own: time to answer.
        """
        parts, metrics = self.parts, self.metrics
        rows = [(part.name, part.owner, format_seconds(part.seconds)) for part in parts]
        rows.append(("voice-to-voice", "", format_seconds(metrics.voice_to_voice)))
        table = pd.DataFrame(rows, columns=["part", "owner", "seconds"]).set_index("part")
        said_before = metrics.answer_started != metrics.playback_started and not isnan(
            metrics.playback_started
        )
        return self._beside_the_answer() if said_before else table

    def _beside_the_answer(self) -> pd.DataFrame:
        """Return the parts of voice-to-voice and those of time to answer side by side."""
        columns = (_sums(self.parts), _sums(self.parts_to_answer))
        owners = {part.name: part.owner for part in (*self.parts, *self.parts_to_answer)}
        order = sorted(owners, key=lambda name: _ORDER.index(name))
        cells = [[format_seconds(c[name]) if name in c else "" for c in columns] for name in order]
        rows = [(name, owners[name], *cell) for name, cell in zip(order, cells, strict=True)]
        rows.append(("voice-to-voice", "", format_seconds(self.metrics.voice_to_voice), ""))
        rows.append(("time to answer", "", "", format_seconds(self.metrics.time_to_answer)))
        return pd.DataFrame(rows, columns=["part", "owner", "seconds", "to the answer"]).set_index("part")


def _rows(log: EventLog, text: Event | None) -> list[Row]:
    """Return the parts of the wait for the sound of a text: a token, or what the agent says of its own."""
    decided, rows = _decision(log), list[Row]()
    for name, stage, owner, event in _PARTS:
        # Frames and pieces repeat: recognition ends with its last frame, all else with its first.
        time = decided.get(name, log.last(*event) if event == ("asr", "frame") else log.first(*event))
        if event != ("llm", "token"):
            rows.append((name, stage, owner, time))
            continue
        if text is not None:
            rows += rows_of_tools(log, until=text)
            rows.append(_thought_of(text))
    return rows


def _thought_of(text: Event) -> Row:
    """Return the part of the wait that ends with a token, or with what the agent says of its own."""
    if text.stage == "llm":
        return "first token", "llm", "service", text.time
    if text.detail["why"] == "apology":
        return "failure", "llm", "service", text.time
    return "filler delay", "agent", "setting", text.time


def _rows_to_answer(log: EventLog) -> list[Row]:
    """Return the parts of the wait for the first sound of the answer, where something is said before it."""
    came, text = answer(log), answer_text(log)
    ends = {
        "text aggregation": came.ready,
        "first chunk": came.chunk,
        "output transport": came.sounds,
        "leading silence": came.audible,
    }
    rows = [(name, stage, owner, ends.get(name, time)) for name, stage, owner, time in _rows(log, text)]
    for before, free in (
        ("first chunk", came.piece),
        ("output transport", came.free),
    ):  # the voice; the loudspeaker
        place = next(k for k, row in enumerate(rows) if row[0] == before)
        rows.insert(place, ("filler", "agent", "setting", free))
    return rows


def _decision(log: EventLog) -> dict[str, float]:
    """Return when the parts end that lie around the decision that the user has finished, in seconds.

    Endpointing ends when the frame arrives that completes the silence. What voice activity detection
    and the policy then compute is theirs. What is late beyond that is a backlog of frames that nobody
    asked for, because the agent was still busy with the turn before, say. It is the pipeline's, and so
    is what recognition has to catch up because of it.
    """
    events = log.all("endpointing", "end_of_turn")
    if not events:
        return {}
    vad_took, policy_took, waited = (
        events[0].detail.get(key, 0.0) for key in ("vad_took", "policy_took", "waited")
    )
    on_time = round(events[0].time - waited, 9)
    judged = round(on_time - policy_took, 9)
    return {
        "endpointing": round(judged - vad_took, 9),
        "voice activity": judged,
        "end-of-turn model": on_time,
        "backlog": round(on_time + max(waited, _catching_up(log)), 9) if waited else on_time,
    }


def _catching_up(log: EventLog) -> float:
    """Return by how much recognition ended later than if it had been given each frame on time."""
    done = 0.0
    for frame, recognised in zip(log.all("microphone", "frame"), log.all("asr", "frame"), strict=False):
        given = frame.time + frame.detail.get("vad_took", 0.0) + frame.detail.get("policy_took", 0.0)
        done = max(done, given) + recognised.detail["took"]
    return max(0.0, round(log.last("asr", "frame") - done, 9)) if done else 0.0


def _sums(parts: Sequence[Part]) -> dict[str, float]:
    """Return the seconds of the parts by their names: after two rounds of tools there are two of a name."""
    sums: dict[str, float] = {}
    for part in parts:
        sums[part.name] = round(sums.get(part.name, 0.0) + part.seconds, 9)
    return sums


def _nan_last(value: float) -> float:
    return inf if isnan(value) else value


def _thinking(log: EventLog) -> list[Span]:
    """Return when the language model was asked until it gave something, and when tools worked."""
    spans: list[Span] = []
    asked = log.first("llm", "started")
    opened: list[Event] = []
    for event in log:
        kind = event.stage, event.name
        if kind == ("llm", "call"):
            spans.append(Span("llm", "tool call", interval(event.detail["took"], event.time), event.time))
        elif kind == ("tool", "called"):
            opened.append(event)
        elif event.stage == "tool" and opened:
            began = next((e for e in opened if e.detail["tool"] == event.detail.get("tool")), opened[0])
            opened.remove(began)
            spans.append(Span("tool", began.detail["tool"], began.time, event.time))
            asked = event.time
        elif kind == ("llm", "token") and not isnan(asked):
            spans.append(Span("llm", "first token", asked, event.time))
            asked = nan
    return spans


def _busy(stage: str, name: str, items: Sequence[Event]) -> list[Span]:
    """Return when a stage worked on items, not when it waited; pauses below a millisecond do not count."""
    spans: list[Span] = []
    for item in items:
        start = interval(item.detail["took"], item.time)
        if spans and start - spans[-1].end < 0.001:
            start = spans.pop().start
        spans.append(Span(stage, name, start, item.time))
    return spans


def turns_table(turns: list[Turn]) -> pd.DataFrame:
    """Return one row for each turn and one column for each metric and part, in seconds.

    What was not measured is ``nan``.

    Examples
    --------
    >>> agent = StreamingVoiceAgent()
    >>> for question in ("What time is it?", "Play some music."):
    ...     metrics = simulate(agent.process_turn(question))
    >>> turns_table(agent.turns)["voice-to-voice"].tolist()
    [1.74, 1.72]
    """
    rows = []
    for turn in turns:
        metrics = turn.metrics
        rows.append(
            {
                "voice-to-voice": metrics.voice_to_voice,
                "time to first token": metrics.time_to_first_token,
                "time to first audio": metrics.get_time_to_first_audio(),
                "total latency": metrics.get_total_latency(),
                "underrun": nan
                if isnan(metrics.playback_started)
                else round(sum(u.end - u.start for u in turn.underruns), 9),
                **_sums(turn.parts),
            }
        )
    table = pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="turn"))
    # As Python's own: Arrow's strings, which pandas takes if it can, hold no file name that is not UTF-8.
    said = {
        "user": [turn.user_input or turn.transcript for turn in turns],
        "transcript": [t.transcript for t in turns],
    }
    for place, (name, texts) in enumerate(said.items()):
        table.insert(place, name, pd.Series(texts, table.index, dtype=object))
    return table
