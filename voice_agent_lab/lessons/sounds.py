"""The sounds of the course, found wherever a notebook is opened: in a clone, or in an installed package."""

from pathlib import Path

import numpy as np
import soundfile

import voice_agent_lab


def read_sound(name: str) -> tuple[np.ndarray, int]:
    """Return one of the sounds that come with the notebooks, and its sample rate in Hz.

    Parameters
    ----------
    name : str
        Its file name, such as ``"02-hello.ogg"``.

    Returns
    -------
    tuple of (ndarray of float32, int)
        Shape ``(samples,)``, or ``(samples, 2)`` if it is stereo.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    package = Path(voice_agent_lab.__file__).parent
    folders = [folder / "notebooks" / "sounds" for folder in (package.parent, package)]
    for folder in folders:
        if (folder / name).is_file():
            samples, rate = soundfile.read(folder / name, dtype="float32")
            return samples, rate
    known = sorted({path.name for folder in folders for path in folder.glob("*.ogg")})
    raise ValueError(
        f"name is {name!r}, which is no sound of the course; there are {', '.join(known) or 'none'}"
    )
