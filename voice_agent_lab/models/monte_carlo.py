"""Monte Carlo: many turns of an agent at once, on arrays instead of an event loop.

The event simulation runs the agent itself, and can do everything that an agent can. It takes milliseconds
for each turn, and a 99th percentile needs thousands of them. `monte_carlo` finds out once what chance does
not change in a turn (`anatomy`), then draws the latencies of a block of turns (`draws`) and works out when
everything happens (`recurrences`). Given the same latencies it gives the same nanoseconds as the event simulation.

The blocks are small enough for the processor's cache, where the arithmetic costs next to nothing beside the drawing.
"""

from collections.abc import Callable, Mapping, Sequence
from math import nan
from typing import Any, Protocol

import numpy as np

from voice_agent_lab.checks import check_count, check_kind, shown
from voice_agent_lab.measure.turn import OWNERS
from voice_agent_lab.measure.waits import BUDGETED, Waits
from voice_agent_lab.models.anatomy import Anatomy, take_apart
from voice_agent_lab.models.draws import NANOSECONDS, Seeded, Source
from voice_agent_lab.models.recurrences import Heard, Spoken, Times, hear, in_groups, speak
from voice_agent_lab.stages.distributions import Distribution
from voice_agent_lab.turns.agent import StreamingVoiceAgent

BLOCK = 16_384
"""Turns in a block: the few arrays that a step needs fit the cache of a core."""

QUESTION = "What's the weather like?"
"""What the user says if nothing else is asked for."""


class MakesAgents(Protocol):
    """A preset, or anything else that makes agents."""

    def agent(self, **overrides: Any) -> StreamingVoiceAgent:
        """Return a new agent."""
        ...


def monte_carlo(
    agent: StreamingVoiceAgent | MakesAgents,
    n: int,
    *,
    said: str | Sequence[str] = QUESTION,
    seed: int = 0,
    reply: bool = False,
    chances: Callable[[Mapping[str, Distribution], int], Source] = Seeded,
) -> Waits:
    """Simulate many turns of an agent at once, without an event loop.

    Parameters
    ----------
    agent : StreamingVoiceAgent or preset
        What it takes from the agent are its settings and its latencies; it leaves the agent as it was.
    n : int
        How many turns.
    said : str or sequence of str
        What the user says, with pauses as SSML's breaks; of several texts each gets as many turns.
    seed : int
        Of all chances. Two agents with the same seed meet the same turns.
    reply : bool
        Whether to go on to the end of each reply, for its underruns and its slowest items. That takes
        two to three times as long.
    chances : callable
        Given the latencies of the stages and the seed, returns where the chances come from. By default
        each latency is drawn by itself; a fit's `whole_turns` keeps together what was measured together.

    Returns
    -------
    Waits
        Voice-to-voice with its parts, and the items of budgets.

    Raises
    ------
    NotModelled
        If the agent has a component of its own; the sentence says which. `sample` can do that.
    ValueError
        If there is no turn to simulate, or nothing is said.

    Examples
    --------
    >>> agent = StreamingVoiceAgent(latencies=StageLatencies(llm_first_token=LogNormal(0.5, 0.4)))
    >>> waits = monte_carlo(agent, 10_000)
    >>> np.percentile(waits.voice_to_voice, [50, 95, 99]).round(2)
    array([1.76, 2.22, 2.52])
    """
    anatomies = [take_apart(as_agent(agent), text) for text in texts(said)]
    sources = [chances(anatomy.latencies, seed) for anatomy in anatomies]
    same = ("arrays", n, texts(said), seed, chances)
    return simulated(anatomies, sources, n, reply=reply, chances=same)


def simulated(
    anatomies: Sequence[Anatomy], sources: Sequence[Source], n: int, *, reply: bool, chances: object = None
) -> Waits:
    """Return the waits of `n` turns, divided among some anatomies, each with its source of chances."""
    check_count("n", n, "turns")
    columns, done = _Columns(n, _ALSO_PARTS if all(anatomy.is_plain for anatomy in anatomies) else {}), 0
    for number, (anatomy, source) in enumerate(zip(anatomies, sources, strict=True)):
        turns = n // len(anatomies) + (number < n % len(anatomies))
        for block, begin in enumerate(range(0, turns, BLOCK)):
            size = min(BLOCK, turns - begin)
            source.begin(block * len(anatomies) + number, size)
            columns.put(done, size, one_block(anatomy, source, size, reply=reply))
            done += size
    return columns.waits(chances)


def one_block(anatomy: Anatomy, source: Source, turns: int, *, reply: bool) -> dict[str, Times]:
    """Return what `Waits` keeps of a block of turns, under its names, in nanoseconds."""
    heard = hear(anatomy, source, turns)
    spoken: dict[str, Times] = {}
    for transcript, rows in in_groups(heard.last, anatomy.ears.transcript).items():
        if not transcript:
            continue
        of, which = (heard, turns) if rows is None else (heard.of(rows), rows)
        group = speak(anatomy, anatomy.answer(transcript), source, which, of, whole=reply)
        for name, value in vars(group).items():
            if rows is None:
                spoken[name] = value
            else:
                column = spoken.setdefault(name, np.full(turns, nan))
                column[rows] = value  # type: ignore[index]
    return _measured(anatomy, heard, Spoken(**spoken), reply)


def _measured(anatomy: Anatomy, heard: Heard, spoken: Spoken, reply: bool) -> dict[str, Times]:
    """Read the waits off the stamps, as `measure.turn` reads them off a log."""
    ears, started = anatomy.ears, heard.started
    # A user who was cut off has not ended, as far as the turn knows.
    ended_in_time = np.asarray(heard.last >= ears.ended_in)
    speech_ended: Times = ears.ended if ended_in_time.all() else np.where(ended_in_time, ears.ended, nan)
    if np.isnan(spoken.audible).any():
        speech_ended = np.where(np.isnan(spoken.audible), nan, speech_ended)
    moments = {
        "last frame": ears.captured,
        "input transport": ears.delivered,
        "endpointing": ears.arrivals[heard.last],
        "recognition": heard.recognised,
        "finalisation": heard.complete,
        "first token": spoken.first_token,
        "text aggregation": spoken.first_piece,
        "first chunk": spoken.first_chunk,
        "output transport": spoken.first_sound,
        "leading silence": spoken.audible,
    }
    parts: dict[str, Times] = {}
    reached: Times = speech_ended
    for name, at in moments.items():
        reached_next = np.maximum(reached, at)  # where stages overlap, a stage owns only what it adds
        parts[name], reached = reached_next - reached, reached_next
    early = (started < heard.complete) & (spoken.first_chunk < heard.complete)
    measured = {
        **parts,
        "asr_processing": heard.slowest_frame,
        "asr_finalization": heard.complete - heard.recognised,
        "llm_first_token": spoken.first_token - started,
        "time_to_first_audio": np.where(early, 0.0, spoken.first_chunk - heard.complete),
        "voice_to_voice": spoken.audible - speech_ended,
    }
    if reply:
        measured |= {
            "llm_token_generation": spoken.slowest_token,
            "tts_first_chunk": spoken.slowest_first_chunk,
            "tts_chunk_generation": spoken.slowest_chunk,
            "underruns": spoken.underrun + 0 * spoken.audible,  # nan where nothing is heard
        }
    return measured


_ALSO_PARTS = {"asr_finalization": "finalisation", "llm_first_token": "first token"}
"""Items that are parts of the wait in a plain turn."""

_SINGLE = {"time_to_first_audio", "underruns"}
"""What is kept in single precision, so that a million turns stay small."""


def _happens(part: np.ndarray) -> bool:
    """Return whether a part of the wait has any length in any turn."""
    return bool((part[:1] if part.strides == (0,) else part > 0).any())


class _Columns:
    """Gathers the blocks of each column; one that is the same in all turns takes no memory."""

    def __init__(self, n: int, aliases: Mapping[str, str]) -> None:
        self._n, self._aliases = n, aliases
        self._columns: dict[str, np.ndarray] = {}
        self._same: dict[str, Times] = {}

    def put(self, begin: int, size: int, block: Mapping[str, Times]) -> None:
        """Take the values of some turns, in nanoseconds."""
        for name, value in block.items():
            if name in self._aliases:
                continue
            if np.ndim(value) and (value == value[0]).all():  # type: ignore[index]
                value = float(value[0])  # type: ignore[index]
            if name not in self._columns:
                if np.ndim(value) == 0 and (
                    not begin or np.array_equal(value, self._same[name], equal_nan=True)
                ):
                    self._same[name] = value
                    continue
                single = name in _SINGLE or np.result_type(value) == np.float32  # as it was drawn
                self._columns[name] = np.empty(self._n, np.float32 if single else np.float64)
                self._columns[name][:begin] = np.divide(self._same.get(name, nan), NANOSECONDS)
            column = self._columns[name][begin : begin + size]
            np.divide(value, NANOSECONDS, out=column, dtype=np.float64, casting="same_kind")

    def waits(self, chances: object) -> Waits:
        """Return all turns."""
        same = {name: np.broadcast_to(value / NANOSECONDS, self._n) for name, value in self._same.items()}
        columns = {**same, **self._columns}
        columns |= {item: columns[part] for item, part in self._aliases.items()}
        return Waits(
            columns["voice_to_voice"],
            {name: columns[name] for name in OWNERS if name in columns and _happens(columns[name])},
            {name: column for name, column in columns.items() if name in BUDGETED},
            columns.get("underruns", np.zeros(0)),
            "simulated on arrays",
            chances,
        )


def texts(said: str | Sequence[str]) -> tuple[str, ...]:
    """Return what the user says as a tuple, if that is one text or several."""
    several = (said,) if isinstance(said, str) else tuple(said)
    if not several:
        raise ValueError('said is empty; give at least one text, such as "What time is it?"')
    return tuple(check_kind("said", text, str) for text in several)


def as_agent(agent: Any) -> StreamingVoiceAgent:
    """Return the agent itself, or a new one of a preset's.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if hasattr(agent, "agent") and not isinstance(agent, type):
        agent = agent.agent()
    if not isinstance(agent, StreamingVoiceAgent):
        raise TypeError(
            f"agent is {shown(agent)}; give a StreamingVoiceAgent or a preset, such as preset('article')"
        )
    return agent
