"""The user's side of a conversation: a script of what is said when.

A script is a list of lines. A line waits until the agent does what the line says (listens, thinks or
speaks), then for a while, and is spoken, whatever the agent does by then: that is how users interrupt.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from voice_agent_lab.checks import check_kind, check_seconds
from voice_agent_lab.stages.speech import split_breaks, spoken_words
from voice_agent_lab.turns.states import AgentState


@dataclass(frozen=True)
class Say:
    """A line of the script.

    Parameters
    ----------
    text : str
        What the user says; ``<break time="0.8s"/>`` is a pause in it.
    after : float
        Seconds after the agent has begun to do what `during` says.
    during : AgentState or str
        What the agent is doing then: "listening" for a turn, "thinking" or "speaking" for an
        interruption, or for a "mm-hm" that is not meant as one.

    Examples
    --------
    >>> agent = StreamingVoiceAgent()
    >>> turns = simulate(agent.converse([
    ...     Say("Tell me the weather in London."),
    ...     Say("Stop, that is enough.", after=1.0, during="speaking"),
    ... ]))
    >>> agent.turns[0].heard
    'It is sunny right now,'
    """

    text: str
    after: float = 1.0
    during: AgentState | str = AgentState.LISTENING

    def __post_init__(self) -> None:
        check_kind("text", self.text, str)
        if not any(isinstance(part, str) for part in split_breaks(self.text)):
            raise ValueError("text is empty; a line of the script needs words")
        check_seconds("after", self.after)
        try:
            object.__setattr__(self, "during", AgentState(self.during))
        except ValueError:
            states = ", ".join(repr(state.value) for state in AgentState)
            raise ValueError(f"during is {self.during!r}; use one of {states}") from None


async def play(
    script: Sequence[Say], microphone: Any, reached: Callable[[AgentState], Awaitable[None]]
) -> None:
    """Speak the lines of a script into a microphone, each at its time.

    Parameters
    ----------
    script : sequence of Say
        The lines.
    microphone : object
        What to speak into: it has ``say``, ``chunk_size`` and ``sample_rate``, as `AudioInputStream`.
    reached : callable
        Given a state, waits until the agent is in it; raises TimeoutError if that will not be.
    """
    for line in script:
        try:
            await reached(AgentState(line.during))
        except TimeoutError as error:
            raise TimeoutError(
                f"{line.text!r} is to be said while the agent is {AgentState(line.during).value}, but {error}; "
                "give the line another `during`, or first a line that the agent answers"
            ) from error
        await asyncio.sleep(line.after)
        microphone.say(line.text)
        # Nobody begins the next line before the last is spoken.
        frame = microphone.chunk_size / microphone.sample_rate
        await asyncio.sleep(spoken_words(line.text)[1] + 2 * frame)
