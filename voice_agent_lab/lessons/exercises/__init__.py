"""The exercises: each has a check, which tries an answer on several cases and compares it with the model.

A module a notebook, a function an exercise. A check takes the learner's function, works out what is
true for some cases that the notebook shows and for some that it does not, and either returns what
the right answer shows about voice agents, or refuses with the rule that was broken and the case that
broke it::

    @exercise("00")
    def check_hidden_wait(hidden_wait):
        for turn in (as_shown, unseen):
            found = hidden_wait(turn.metrics)
            expect_number("hidden_wait(metrics)", found, true=..., rule="Count from the end of speech.")
        return "0.9 s of 1.62 s are over before ..."

In a notebook, ``check_hidden_wait(hidden_wait)`` is the whole cell. An exercise that is not answered
yet stops nothing: the rest of the notebook does not need it.
"""

from collections.abc import AsyncIterator, Callable
from functools import wraps
from inspect import iscoroutine
from math import isfinite
from numbers import Real

from voice_agent_lab.clock import simulate
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.streams import StageError
from voice_agent_lab.turns.agent import StreamingVoiceAgent

#: How a check's output begins, by which a saved notebook's progress can be read.
RIGHT, NOT_YET = "Right.", "Not answered yet"

#: How far an exercise can be.
ANSWERED, WRONG, UNANSWERED = "answered", "wrong", "not yet"

_progress: dict[str, dict[str, str]] = {}  # how far each exercise is, by notebook and name


class WrongAnswer(AssertionError):  # noqa: N818  # an answer, not an error
    """An answer breaks a rule of its exercise; the message names the rule and the case."""

    def _render_traceback_(self) -> list[str]:
        # What Jupyter shows: where the check found the fault helps nobody.
        return [f"Not right yet. {self}"]


def exercise(notebook: str) -> Callable[[Callable[..., str]], Callable[..., None]]:
    """Make a check out of a function that examines an answer.

    Parameters
    ----------
    notebook : str
        The two digits of its notebook.

    Notes
    -----
    The function takes what the learner wrote, raises `WrongAnswer`, and returns what the right
    answer shows. The check prints that, or that there is no answer yet: what raises
    `NotImplementedError` is none.
    """

    def declare(examine: Callable[..., str]) -> Callable[..., None]:
        name = examine.__name__.removeprefix("check_").removeprefix(f"{notebook}_").replace("_", " ")
        exercises = _progress.setdefault(notebook, {})
        exercises[name] = UNANSWERED

        @wraps(examine)
        def check(answer: object) -> None:
            exercises[name] = WRONG
            expect(
                callable(answer), f"Give {examine.__name__} the name that you defined alone, not {answer!r}."
            )
            try:
                observation = examine(answer)
            except NotImplementedError:
                exercises[name] = UNANSWERED
                print(f"{NOT_YET}: {name}.")  # noqa: T201
            else:
                exercises[name] = ANSWERED
                print(f"{RIGHT} {observation}")  # noqa: T201

        return check

    return declare


def progress(notebook: str) -> None:
    """Print which exercises of a notebook are answered.

    Parameters
    ----------
    notebook : str
        Its two digits. Its checks must have been imported.
    """
    exercises = _progress[notebook]
    answered = sum(state == ANSWERED for state in exercises.values())
    states = ", ".join(f"{name}: {state}" for name, state in exercises.items())
    print(f"{answered} of {len(exercises)} exercises answered ({states}).")  # noqa: T201


def expect(holds: object, refusal: str) -> None:
    """Refuse an answer unless something holds.

    Parameters
    ----------
    holds : object
        What must be true.
    refusal : str
        The rule that is broken otherwise, and the case that broke it.

    Raises
    ------
    WrongAnswer
        With the refusal.
    """
    if not holds:
        raise WrongAnswer(refusal)


def expect_something(call: str, found: object) -> None:
    """Refuse an answer that returned nothing.

    Parameters
    ----------
    call : str
        What was called, as the learner would write it.
    found : object
        What it returned.

    Raises
    ------
    WrongAnswer
        If that is None.
    """
    expect(found is not None, f"{call} returned None. Does every way through it end with a return?")


def expect_number(call: str, found: object, true: float, rule: str, *, digits: int = 2) -> None:
    """Refuse an answer that is no number, or not the true one.

    Parameters
    ----------
    call : str
        What was called, as the learner would write it.
    found : object
        What it returned.
    true : float
        What the model gives.
    rule : str
        What a wrong answer overlooks: a sentence.
    digits : int
        How many decimals must agree; an answer rounded to so many is right.

    Raises
    ------
    WrongAnswer
        If it is not.
    """
    expect_something(call, found)
    is_number = isinstance(found, Real) and not isinstance(found, bool)
    expect(is_number, f"{call} returned {found!r}, which is not a number.")
    near = abs(found - true) <= 0.5 * 10**-digits + 1e-9  # type: ignore[operator]  # a number, as said
    shown = f"{found:.{digits}f}" if isfinite(found) and not near else f"{found:g}"  # type: ignore[arg-type]
    expect(near, f"{call} returned {shown}, and the model gives {true:.{digits}f}. {rule}")


def expect_stream(name: str, generator: Callable[..., object], *arguments: object) -> AsyncIterator:
    """Return what an async generator function gives, or refuse it if that is no stream.

    Parameters
    ----------
    name : str
        Of the learner's function.
    generator : callable
        The function.
    *arguments
        What it is called with.

    Raises
    ------
    WrongAnswer
        If it is no async generator function.
    """
    stream = generator(*arguments)
    if iscoroutine(stream):
        stream.close()
    expect(
        hasattr(stream, "__aiter__"),
        f"{name} returned {stream!r}, and is not an async generator function: it needs async def, and a yield.",
    )
    return stream


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
