"""What the exercises need: checks that tell an observation or a hint, and turns with the learner's own parts."""

from voice_agent_lab.clock import simulate
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.streams import StageError
from voice_agent_lab.turns.agent import StreamingVoiceAgent


def check(holds: bool, observation: str, hint: str) -> None:
    """Print what the answer shows, or say where to look.

    Parameters
    ----------
    holds : bool
        Whether the answer is right.
    observation : str
        What the right answer tells about voice agents.
    hint : str
        What is off, and where to look.

    Raises
    ------
    AssertionError
        With the hint, if the answer is not right.
    """
    if not holds:
        raise AssertionError(hint)
    print(observation)  # noqa: T201


def finished_turn(agent: StreamingVoiceAgent, prompt: str) -> Turn:
    """Run a turn in virtual time and return it.

    Raises
    ------
    Exception
        What a stage raised, as it was, without the name of the stage: in an exercise the stage is the
        learner's own function, and the error should be too.
    """
    try:
        simulate(agent.process_turn(prompt))
    except StageError as error:
        raise error.__cause__ from None
    return agent.turns[-1]
