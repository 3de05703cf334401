"""The best real parts that are installed, and why a better one was not taken.

A natural voice and a recogniser that knows any words have no wheels for every machine. Where one is
missing, the older part behind the same protocol takes its place: eSpeak NG for Piper, PocketSphinx
for Moonshine. Numbers measured with different parts differ, so whoever takes them says which they were.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from voice_agent_lab.engines.espeak import ESpeakTTS, ESpeakUser
from voice_agent_lab.engines.moonshine import MoonshineASR
from voice_agent_lab.engines.piper import PiperTTS, PiperUser
from voice_agent_lab.engines.sphinx import PocketSphinxASR


class Part(NamedTuple):
    """A part, what it is, and why it stands in for a better one; empty if it does not."""

    part: Any
    name: str
    instead: str = ""


def recogniser() -> Part:
    """Return Moonshine, or PocketSphinx with its grammar.

    Raises
    ------
    MissingExtra
        If neither is installed.
    """
    return _first(
        (MoonshineASR, "Moonshine, which knows any English words"),
        (PocketSphinxASR, "PocketSphinx, which knows the sentences of its grammar"),
    )


def voice() -> Part:
    """Return Piper's voice, or that of eSpeak NG.

    Raises
    ------
    MissingExtra
        If neither is installed.
    """
    return _first((PiperTTS, "Piper"), (ESpeakTTS, "eSpeak NG"))


def user(listener: Any) -> Part:
    """Return a user who speaks with the voice that a recogniser understands best.

    Parameters
    ----------
    listener : recogniser
        Who will hear the user.

    Raises
    ------
    MissingExtra
        If no voice is installed.
    """
    users = [(PiperUser, "Piper"), (ESpeakUser, "eSpeak NG")]
    if isinstance(listener, PocketSphinxASR):  # it was tried with the other one
        return _first(*reversed(users))._replace(instead="")
    return _first(*users)


def _first(better: tuple[Callable[[], Any], str], other: tuple[Callable[[], Any], str]) -> Part:
    """Return the better of two parts, or the other if it is not installed or cannot be loaded."""
    make, name = better
    try:
        return Part(make(), name)
    except (ImportError, OSError) as error:
        make, name = other
        return Part(make(), name, str(error))
