"""The outputs of the notebooks: executed afresh, and free of noise.

The committed outputs are part of the lessons, so they are made by one command, the same for
everyone, and checked by it. Noise is what changes without a change in the lesson: widget state,
execution times, random ids, the version of Python.
"""

import copy
import json
import re
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from voice_agent_lab.measure.writing import write_whole

_SOUND = re.compile(r"data:audio/ogg;base64,[A-Za-z0-9+/=]*")
_PICTURE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]*")


def execute(notebook: NotebookNode, folder: Path, *, allowed: Iterable[str] = ()) -> NotebookNode:
    """Return a copy of `notebook`, executed from top to bottom in a new kernel.

    Parameters
    ----------
    notebook : NotebookNode
        What to run.
    folder : Path
        Where the kernel works.
    allowed : iterable of str
        The names of exceptions that a cell may raise.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises anything else.
    """
    executed = copy.deepcopy(notebook)
    client = NotebookClient(
        executed,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        allow_error_names=list(allowed),
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
    )
    client.execute()
    return executed


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Return a copy of `notebook` without the noise that an execution leaves."""
    clean = copy.deepcopy(notebook)
    clean.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
    )
    clean.nbformat, clean.nbformat_minor = 4, 5
    count = 0
    for number, cell in enumerate(clean.cells):
        cell["id"] = f"cell-{number:02d}"
        cell.metadata = NotebookNode({k: v for k, v in cell.metadata.items() if k in ("tags", "nbgrader")})
        if cell.cell_type != "code":
            continue
        if cell.source.strip() and cell.execution_count is not None:
            count += 1
            cell.execution_count = count
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = cell.execution_count
            if "data" in output:
                # Without its state a widget's view is a dead link; its text remains.
                output.data.pop("application/vnd.jupyter.widget-view+json", None)
                output.metadata = NotebookNode()
    return clean


def refresh(paths: Iterable[Path], *, check: bool = False) -> list[Path]:
    """Execute and normalise notebooks in place.

    Parameters
    ----------
    paths : iterable of Path
        The notebooks.
    check : bool
        Write nothing.

    Returns
    -------
    list of Path
        The notebooks that changed, or, with `check`, would change. The bytes of pictures and
        sounds do not count in a check: they differ with the versions of the drawing and encoding
        libraries, and everything that they show is also in compared text.
    """
    changed = []
    for path in paths:
        committed = path.read_text(encoding="utf-8")
        notebook = _parsed(committed)
        fresh = normalise(execute(notebook, path.parent))
        text = to_text(fresh)
        if check:
            as_written = committed == to_text(notebook)
            same = as_written and without_media(text) == without_media(committed)
        else:
            same = text == committed
        if not same:
            changed.append(path)
            if not check:
                write_whole(path, text)
    return changed


def _parsed(text: str) -> NotebookNode:
    """Return the notebook that a text holds; raise ValueError if it holds none."""
    try:
        notebook: NotebookNode = nbformat.reads(text, as_version=4)
    except (nbformat.ValidationError, AttributeError, TypeError) as error:  # JSON, but not a notebook's
        raise ValueError(str(error).partition("\n")[0]) from error
    return notebook


def to_text(notebook: NotebookNode) -> str:
    """Return the notebook file's text: JSON with one-space indents, as Jupyter writes it."""
    text: str = nbformat.writes(notebook)
    return text.rstrip("\n") + "\n"


def without_media(text: str) -> str:
    """Return a notebook file's text with the bytes of its pictures and sounds blanked out."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            for kind in ("image/png", "image/jpeg"):
                if kind in output.get("data", {}):
                    output["data"][kind] = ""
    return _PICTURE.sub("", _SOUND.sub("", json.dumps(notebook)))
