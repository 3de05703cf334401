"""The two editions of the course, and the copies of them that people work in.

The notebooks are kept solved, with their outputs. In the *unsolved* edition each stretch between
``# BEGIN SOLUTION`` and ``# END SOLUTION`` is replaced by ``raise NotImplementedError``, and no cell has
an output, so that a prediction comes before its answer. A copy of either edition stands anywhere: the
source of the package lies beside its notebooks in ``source``, where their links lead.
"""

import copy
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path, PurePath

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

import voice_agent_lab
from voice_agent_lab.courseware.outputs import to_text
from voice_agent_lab.lessons.folder import course_folder
from voice_agent_lab.measure.writing import whole_folder, write_whole

_PACKAGE = Path(voice_agent_lab.__file__).parent
_KNOW_THE_ANSWERS = {PurePath("lessons/exercises")}
_SOLUTION = re.compile(r"^([ ]*)# BEGIN SOLUTION\n.*?^[ ]*# END SOLUTION$", re.MULTILINE | re.DOTALL)
_LINK_TO_SOURCE = re.compile(r"""(\]\(|(?:href|src)=["'])\.\./voice_agent_lab/""")
_IN_COLAB = """\
# In Colab: install the course, and let its explorers be shown. Elsewhere this cell does nothing.
import sys

if "google.colab" in sys.modules:
    %pip install -q "voice-agent-lab[course] @ {source}"
    from google.colab import output

    output.enable_custom_widget_manager()
"""
_OTHER_LINK_OUT = re.compile(r"\[([^\[\]]+)\]\(\.\./[^()\s]*\)")


def without_solutions(notebook: NotebookNode) -> NotebookNode:
    """Return a copy of `notebook` for learners: stubs for solutions, and no outputs."""
    stripped = copy.deepcopy(notebook)
    for cell in stripped.cells:
        if cell.cell_type == "code":
            cell.source = _SOLUTION.sub(r'\1raise NotImplementedError("your answer goes here")', cell.source)
            cell.outputs, cell.execution_count = [], None
    return stripped


def with_links_inside(text: str) -> str:
    """Return the markdown of a page of the course so that its links work in a copy.

    Those to the package's source lead to ``source``; of others that leave the course the words remain.
    """
    return _OTHER_LINK_OUT.sub(r"\1", _LINK_TO_SOURCE.sub(r"\1source/", text))


def with_colab_cell(notebook: NotebookNode, source: str) -> NotebookNode:
    """Return a copy of `notebook` whose first code cell installs the course in Google Colab, and only there.

    Parameters
    ----------
    notebook : NotebookNode
        The notebook.
    source : str
        From where pip installs the package, for example ``git+https://...``.
    """
    prepared = copy.deepcopy(notebook)
    first = next(n for n, cell in enumerate(prepared.cells) if cell.cell_type == "code")
    prepared.cells.insert(first, new_code_cell(_IN_COLAB.format(source=source).rstrip(), id="colab"))
    return prepared


def make_copy(target: Path, *, solved: bool = False, colab: str | None = None) -> list[Path]:
    """Write an edition of the course into a folder: all of it, or what is missing there.

    What is in the folder is never changed: a learner's work is not overwritten, and an exercise can be
    begun again by removing its notebook.

    Parameters
    ----------
    target : Path
        The folder.
    solved : bool
        Write the solved edition, with its outputs.
    colab : str, optional
        Let each notebook install the package from there in Google Colab; see `with_colab_cell`.

    Returns
    -------
    list of Path
        The notebooks written.

    Raises
    ------
    FileExistsError
        If there is something in `target` and it is no copy of the course.
    OSError
        If it cannot be written. A copy that was begun anew is not there then, nor half of a file.
    """
    begun = target.is_dir() and any(target.iterdir())
    if begun and not any(target.glob("[0-9][0-9]_*.ipynb")):
        raise FileExistsError(f"{target} is not empty, and no copy of the course; work in another folder")
    missing = [(name, path) for name, path in _files() if not (target / name).exists()]
    # Whoever stops this half-way must not find half a course in a new copy.
    with nullcontext(target) if begun else whole_folder(target) as folder:
        for name, path in missing:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            content = _content(path, solved, colab)
            write_whole(folder / name, content) if begun else (folder / name).write_bytes(content)
    return [target / name for name, path in missing if path.suffix == ".ipynb"]


def _files() -> Iterator[tuple[PurePath, Path]]:
    """Yield the files of a copy: the name of each there, and what it is made from."""
    course = course_folder()
    for path in sorted((*course.glob("*.*"), course / "LICENSE", *course.glob("sounds/*.*"))):
        if path.is_file() and not path.name.startswith("."):
            yield path.relative_to(course), path
    for path in sorted(_PACKAGE.rglob("*.py")):
        name = path.relative_to(_PACKAGE)
        if name.parent not in _KNOW_THE_ANSWERS:
            yield "source" / name, path


def _content(path: Path, solved: bool, colab: str | None) -> bytes:
    if path.suffix == ".ipynb":
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = with_links_inside(cell.source)
        if colab:
            notebook = with_colab_cell(notebook, colab)
        return to_text(notebook if solved else without_solutions(notebook)).encode()
    if path.suffix == ".md":
        return with_links_inside(path.read_text(encoding="utf-8")).encode()
    return path.read_bytes()
