"""Where the course is: the notebooks of a clone, or those inside an installed package."""

from pathlib import Path

import voice_agent_lab


def course_folder() -> Path:
    """Return the folder of the notebooks, of their pages and sounds.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    package = Path(voice_agent_lab.__file__).parent
    for folder in (package.parent / "notebooks", package / "notebooks"):
        if (folder / "00_start_here.ipynb").exists():
            return folder
    raise FileNotFoundError("the notebooks are missing; install the package again, or work in a clone")
