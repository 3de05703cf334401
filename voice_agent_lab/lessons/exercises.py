"""Checks for the exercises: an observation if it holds, a hint if not."""


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
