"""Many turns of the agent itself, one after the other or on many machines.

What the array model refuses, the event simulation can run: components of the user's own, any policy. Each
turn has chances of its own, which depend on the seed and the turn's number only. So it makes no difference
where a turn runs and in which order.
"""

from collections.abc import Sequence
from concurrent.futures import Executor, Future, as_completed
from typing import Any

import numpy as np

from voice_agent_lab.checks import check_count
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.measure.waits import Waits, of_turn
from voice_agent_lab.models.monte_carlo import QUESTION, MakesAgents, as_agent, texts
from voice_agent_lab.turns.agent import StreamingVoiceAgent

TOGETHER = 25
"""Turns that one task of an executor runs."""

_WITH_CHANCES = ("audio", "vad", "endpointing", "asr", "llm", "tts", "playback")
_Chunk = list[tuple[dict[str, float], Turn | None]]


def sample(
    agent: StreamingVoiceAgent | MakesAgents,
    n: int,
    *,
    said: str | Sequence[str] = QUESTION,
    seed: int = 0,
    executor: Executor | None = None,
    keep_turns: bool = False,
    progress: bool = True,
) -> Waits:
    """Run many turns of an agent in virtual time, and keep what their users waited.

    Parameters
    ----------
    agent : StreamingVoiceAgent or preset
        Copies of it run; it stays as it was. A component of your own is copied for each 25 turns; if it
        draws from a generator, let that be its attribute `rng`, so that each turn has its own chances.
    n : int
        How many turns.
    said : str or sequence of str
        What the user says; several texts take turns.
    seed : int
        Of all chances. Two agents with the same seed meet the same turns.
    executor : concurrent.futures.Executor, optional
        Where to run them: a process pool, say. The agent must be able to travel there.
    keep_turns : bool
        Whether to keep each turn with its log, some hundred kilobytes.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    StageError
        If a stage fails; a note says in which turn.

    Examples
    --------
    >>> agent = StreamingVoiceAgent(latencies=StageLatencies(llm_first_token=LogNormal(0.5, 0.4)))
    >>> print(sample(agent, 30, progress=False).summary().percentile(50))  # seconds
    1.83 (1.71 to 1.87), n = 30
    """
    check_count("n", n, "turns")
    original = as_agent(agent).afresh(keep_turns=1, keep_recording=False)
    spoken = texts(said)
    chunks = [
        (original, spoken, seed, range(first, min(first + TOGETHER, n)), keep_turns)
        for first in range(0, n, TOGETHER)
    ]
    done: list[_Chunk] = [[] for _ in chunks]
    from tqdm import tqdm  # the rest of the package does without it

    with tqdm(total=n, unit="turn", disable=not progress, leave=False) as bar:
        if executor is None:
            for number, chunk in enumerate(chunks):
                done[number] = _run(*chunk)
                bar.update(len(done[number]))
        else:
            tasks: dict[Future[_Chunk], int] = {
                executor.submit(_run, *chunk): k for k, chunk in enumerate(chunks)
            }
            try:
                for task in as_completed(tasks):
                    done[tasks[task]] = task.result()
                    bar.update(len(done[tasks[task]]))
            finally:
                for task in tasks:
                    task.cancel()
    rows = [row for chunk in done for row, _ in chunk]
    turns = [turn for chunk in done for _, turn in chunk if turn is not None]
    return Waits.of_rows(rows, "simulated event by event", ("events", n, spoken, seed), turns)


def _run(
    agent: StreamingVoiceAgent, spoken: Sequence[str], seed: int, numbers: range, keep_turns: bool
) -> _Chunk:
    """Run some turns, each with its own chances."""
    agent, found = agent.afresh(keep_turns=1, keep_recording=False), []
    for number in numbers:
        _reseed(agent, seed, number)
        try:
            simulate(agent.process_turn(spoken[number % len(spoken)]))
        except Exception as error:
            error.add_note(f"in turn {number} of sample(..., seed={seed})")
            raise
        found.append((of_turn(agent.turns[0]), agent.turns[0] if keep_turns else None))
    return found


def _reseed(agent: StreamingVoiceAgent, seed: int, turn: int) -> None:
    """Give every component that draws the chances of one turn."""
    for number, name in enumerate(_WITH_CHANCES):
        component: Any = getattr(agent, name)
        rng = getattr(getattr(component, "policy", component), "rng", None)
        if isinstance(rng, np.random.Generator):
            fresh = type(rng.bit_generator)(np.random.SeedSequence((seed, turn, number)))
            rng.bit_generator.state = fresh.state
