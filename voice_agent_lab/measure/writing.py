"""Files that are written whole or not at all.

A disk fills up, a program is stopped: whatever happens, a file that was there before stays as it was,
and none is left half-written. So the new file is written aside, and then takes the place of the old in
one step.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_whole(path: str | Path, content: bytes | str) -> None:
    """Write a file, replacing one that exists only when all is written.

    Parameters
    ----------
    path : str or Path
        Where. A link is followed; a device or pipe is written to as it is.
    content : bytes or str
        What; text is written as UTF-8, its ends of lines as they are.

    Raises
    ------
    OSError
        If it cannot be written. Nothing has changed then.
    """
    path, data = Path(path).resolve(), content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():
        path.write_bytes(data)  # which refuses a folder
        return
    aside = path.with_name(f".{path.name[:100]}.{os.getpid()}.part")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # some file systems tell only now that there is no room
        if path.exists():
            shutil.copymode(path, aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def made_folder(path: str | Path) -> Iterator[Path]:
    """Make a folder and what it stands in, and unmake what was made if what follows fails.

    Parameters
    ----------
    path : str or Path
        The folder; it may exist.

    Raises
    ------
    OSError
        If it cannot be made. Nothing is there then that was not there before.
    """
    path, made = Path(path), []
    try:
        for folder in (*reversed(path.parents), path):
            if not folder.is_dir():
                folder.mkdir()
                made.append(folder)
        yield path
    except BaseException:
        for folder in reversed(made):
            with suppress(OSError):  # somebody else has put something in it
                folder.rmdir()
        raise


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yield a folder to be filled, which appears under its name when that is done, or not at all.

    Parameters
    ----------
    path : str or Path
        Its name. What exists under it must be an empty folder.

    Raises
    ------
    OSError
        If it cannot be written. Nothing is there then that was not there before.
    """
    path = Path(path).resolve()
    with (
        made_folder(path.parent),
        tempfile.TemporaryDirectory(prefix=f".{path.name[:100]}.", dir=path.parent) as aside,
    ):
        draft = Path(aside) / "draft"
        draft.mkdir()
        yield draft
        if path.exists():
            path.rmdir()  # which refuses one that is not empty
        draft.replace(path)
