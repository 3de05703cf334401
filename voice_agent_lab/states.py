"""The agent's states, and the changes between them that can happen."""

from enum import Enum


class AgentState(Enum):
    """What the agent is doing, as far as the user can tell."""

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
