"""The agent's states, the changes between them that can happen, and who waits for them."""

import asyncio
from enum import Enum

from voice_agent_lab.measure.log import record


class AgentState(Enum):
    """What the agent is doing, as far as the user can tell.

    Examples
    --------
    >>> agent = StreamingVoiceAgent()
    >>> agent.state
    <AgentState.LISTENING: 'listening'>
    >>> metrics = simulate(agent.process_turn("What time is it?"))
    >>> [event.detail["state"] for event in agent.turns[0].log.all("agent", "state")]
    ['processing_speech', 'thinking', 'speaking', 'listening']
    """

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


class StateMachine:
    """The agent's state: it changes along `LEGAL` only, and every change is recorded and can be waited for.

    Attributes
    ----------
    state : AgentState
        What the agent is doing.
    """

    def __init__(self) -> None:
        self.state = AgentState.LISTENING
        self._changed = asyncio.Event()

    def begin(self) -> None:
        """Get ready for a turn in the running loop; raise RuntimeError if there is one under way."""
        if self.state is not AgentState.LISTENING:
            raise RuntimeError(
                f"the agent is {self.state.value}; wait for the turn that is running before starting another"
            )
        self._changed = asyncio.Event()  # an event belongs to the loop that it is used in

    def become(self, state: AgentState) -> None:
        """Change to `state`; raise RuntimeError if that cannot follow."""
        if state not in LEGAL[self.state]:
            raise RuntimeError(f"the agent cannot go from {self.state.value} to {state.value}")
        self.state = state
        record("agent", "state", state=state.value)
        self._changed.set()

    async def reached(self, state: AgentState, patience: float) -> None:
        """Return when the agent is in `state`; raise TimeoutError if it only listens for `patience` seconds.

        An agent that listens does nothing by itself. What it does otherwise comes to an end.
        """
        while self.state is not state:
            self._changed.clear()
            try:
                async with asyncio.timeout(patience if self.state is AgentState.LISTENING else None):
                    await self._changed.wait()
            except TimeoutError:
                raise TimeoutError(f"the agent has only listened for {patience:g} s") from None
