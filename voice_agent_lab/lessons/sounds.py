"""The sounds of the course, found wherever a notebook is opened: in a clone, or in an installed package."""

from pathlib import Path

import voice_agent_lab


def sound_file(name: str) -> Path:
    """Return the path of one of the sounds that come with the notebooks.

    Parameters
    ----------
    name : str
        Its file name, such as ``"02-hello.ogg"``.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    package = Path(voice_agent_lab.__file__).parent
    folders = [folder / "notebooks" / "sounds" for folder in (package.parent, package)]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    known = sorted({path.name for folder in folders for path in folder.glob("*.ogg")})
    raise ValueError(
        f"name is {name!r}, which is no sound of the course; there are {', '.join(known) or 'none'}"
    )
