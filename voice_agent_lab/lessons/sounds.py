"""The sounds of the course, found wherever a notebook is opened or executed."""

import numpy as np
import soundfile

from voice_agent_lab.lessons.folder import course_folder


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
    FileNotFoundError
        If the course itself is missing.
    """
    folder = course_folder() / "sounds"
    if not (folder / name).is_file():
        known = sorted(path.name for path in folder.glob("*.ogg"))
        raise ValueError(
            f"name is {name!r}, which is no sound of the course; there are {', '.join(known) or 'none'}"
        )
    samples, rate = soundfile.read(folder / name, dtype="float32")
    return samples, rate
