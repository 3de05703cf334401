"""What a learner has answered, read from the saved notebooks.

A check is a cell that nbgrader would grade. What it printed when the notebook was last saved tells how
far its exercise is; a check that was never run has printed nothing, and its exercise is not answered yet.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voice_agent_lab.lessons.exercises import ANSWERED, RIGHT, UNANSWERED, WRONG


class NoExercisesError(Exception):
    """A folder has no notebooks with exercises."""


@dataclass(frozen=True)
class NotebookProgress:
    """How far the exercises of one notebook are.

    Parameters
    ----------
    name : str
        The name of its file, without ``.ipynb``.
    exercises : dict of str to str
        The name of each exercise, in words, and how far it is: ``"answered"``, ``"wrong"`` or ``"not yet"``.
    trouble : str
        Why it cannot be read, if it cannot.
    """

    name: str
    exercises: dict[str, str] = field(default_factory=dict)
    trouble: str = ""


def progress_of(folder: Path) -> list[NotebookProgress]:
    """Return how far each notebook of a copy of the course is.

    Parameters
    ----------
    folder : Path
        The copy.

    Raises
    ------
    NoExercisesError
        If it has no notebooks with exercises, or does not exist.
    """
    notebooks = [_read(path) for path in sorted(folder.glob("*.ipynb"))]
    found = [notebook for notebook in notebooks if notebook.exercises or notebook.trouble]
    if not found:
        raise NoExercisesError(
            f"there is no copy of the course in {folder}; voice-agent-lab course makes one, "
            "or name the folder of yours"
        )
    return found


def _read(path: Path) -> NotebookProgress:
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        checks = [cell for cell in cells if cell.get("metadata", {}).get("nbgrader", {}).get("grade")]
        return NotebookProgress(path.stem, {_in_words(check): _how_far(check) for check in checks})
    except OSError as error:
        return NotebookProgress(path.stem, trouble=f"cannot be read ({error.strerror})")
    except (ValueError, KeyError, TypeError, AttributeError):
        return NotebookProgress(path.stem, trouble="cannot be read: it is no notebook, or a broken one")


def _in_words(check: dict[str, Any]) -> str:
    """Return the name of an exercise: "hidden wait" for the check "hidden-wait-check"."""
    name: str = check["metadata"]["nbgrader"]["grade_id"]
    return re.sub(r"^\d\d-", "", name).removesuffix("-check").replace("-", " ")


def _how_far(check: dict[str, Any]) -> str:
    errors = [output["ename"] for output in check["outputs"] if output["output_type"] == "error"]
    if errors:
        return UNANSWERED if errors == ["NotImplementedError"] else WRONG
    printed = "".join(
        line for output in check["outputs"] if output["output_type"] == "stream" for line in output["text"]
    )
    # Other lines may be what the learner's own function prints.
    return ANSWERED if any(line.startswith(RIGHT) for line in printed.splitlines()) else UNANSWERED


def table(notebooks: list[NotebookProgress]) -> str:
    """Return the progress in lines for a terminal: an exercise a line, and the totals under them."""
    rows, far = [], Counter[str]()
    for notebook in notebooks:
        exercises = notebook.exercises or {notebook.trouble: ""}
        names = [notebook.name, *[""] * (len(exercises) - 1)]
        rows += [(name, *exercise) for name, exercise in zip(names, exercises.items(), strict=True)]
        far.update(notebook.exercises.values())
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"{name:<{first}}  {exercise:<{second}}  {how}".rstrip() for name, exercise, how in rows]
    total = (
        f"{far[ANSWERED]} of {far.total()} exercises answered, {far[WRONG]} wrong, {far[UNANSWERED]} not yet."
    )
    return "\n".join([*lines, "", total, "As the notebooks were last saved."])
