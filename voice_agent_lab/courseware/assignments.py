"""The nbgrader edition: a course's ``source`` folder, one assignment a notebook.

An assignment is a solved notebook in a folder of its own, with the pages, the sounds and the source
files to which it links. Each exercise's locked cell imports its check itself, so that one assigned
beforehand does not count, and ends with hidden tests: a further case, and the check once more, as it
is on disk. At the end of the notebook stands a written question, which a person marks.
"""

import inspect
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

import voice_agent_lab
from voice_agent_lab.courseware import further_cases
from voice_agent_lab.courseware.editions import with_links_inside
from voice_agent_lab.courseware.outputs import to_text
from voice_agent_lab.courseware.written import WrittenQuestion, teaching_guide, written_questions
from voice_agent_lab.lessons.folder import course_folder
from voice_agent_lab.measure.writing import whole_folder

_CHECK = re.compile(r"^(?P<check>check_\w+)\((?P<answer>\w+)\)$")
_LINK_TO_NOTEBOOK = re.compile(r"\]\((\d\d_\w+)\.ipynb")
_LINK_TO_SOURCE = re.compile(r"\]\(source/([\w/.]+)")

_SETTINGS = '''\
"""The settings of this course for nbgrader."""

c = get_config()
c.CourseDirectory.course_id = "voice-agent-lab"
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("your answer goes here")'}
c.Execute.timeout = 120
# A check counts only if it ran to its end; comes after the execution.
c.Autograde.autograde_preprocessors.insert(1, "voice_agent_lab.courseware.grading.RanToItsEnd")
'''


def write_course(folder: Path) -> list[Path]:
    """Write the nbgrader edition.

    Parameters
    ----------
    folder : Path
        The course's folder, which is made. It is given ``nbgrader_config.py`` and ``source``.

    Returns
    -------
    list of Path
        The notebooks written.

    Raises
    ------
    FileExistsError
        If `folder` is not empty.
    OSError
        If it cannot be written.
    """
    questions = written_questions(teaching_guide().read_text(encoding="utf-8"))
    if folder.is_dir() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; move what is in it away, or name another folder")
    written = []
    with whole_folder(folder) as begun:
        (begun / "nbgrader_config.py").write_text(_SETTINGS, encoding="utf-8")
        for path in sorted(course_folder().glob("*.ipynb")):
            target = Path("source", path.stem, path.name)
            notebook = assignment(nbformat.read(path, as_version=4), questions.get(path.name[:2]))
            _write(begun / target, notebook)
            written.append(folder / target)
    return written


def assignment(notebook: NotebookNode, question: WrittenQuestion | None) -> NotebookNode:
    """Return a solved notebook as an assignment: checks with hidden tests, a written question, no outputs.

    It is `notebook` itself that is changed.
    """
    imports = _imports_of_checks(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if cell.metadata.get("nbgrader", {}).get("grade"):
                cell.source = _sealed(cell, imports)
        else:
            cell.source = _with_links_of_an_assignment(cell.source)
    if question:
        notebook.cells += _asked(question)
    return notebook


def _imports_of_checks(notebook: NotebookNode) -> dict[str, str]:
    """Return the module of each check that a notebook imports."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    found = re.findall(
        r"^from (voice_agent_lab\.lessons\.exercises\.\w+) import ([\w, ]+)$", code, re.MULTILINE
    )
    return {name: module for module, names in found for name in names.split(", ")}


def _sealed(cell: NotebookNode, imports: dict[str, str]) -> str:
    """Return the source of a check's cell that imports the check itself and has hidden tests."""
    called = _CHECK.match(cell.source)
    if called is None:
        raise ValueError(f"the cell of a check is one call of it with the answer, not {cell.source!r}")
    check, answer = called["check"], called["answer"]
    module = imports[check]
    further = further_case(cell.metadata.nbgrader.grade_id)
    functions: list[Callable[..., object]] = [
        further_cases.is_near_to,
        further_cases.plain_text,
        further_cases.examined_afresh,
    ]
    calls = [f'examined_afresh("{module}", "{check}", {answer})']
    if further:
        functions.append(further)
        calls.insert(0, f"{further.__name__}({answer})")
    return "\n".join(
        [
            f"from {module} import {check}\n\n{cell.source}",
            "### BEGIN HIDDEN TESTS",
            "\n".join(inspect.getsource(function) for function in functions),
            *calls,
            # What a check that ran to its end says; see grading.py.
            f'"{secrets.token_hex(8)}"',
            "### END HIDDEN TESTS",
        ]
    )


def further_case(grade_id: str) -> Callable[[object], None] | None:
    """Return the further case of the exercise whose check has this id in nbgrader, or None."""
    name = re.sub(r"^\d\d-", "", grade_id).removesuffix("-check").replace("-", "_")
    found: Callable[[object], None] | None = getattr(further_cases, f"further_{name}", None)
    return found


def _asked(question: WrittenQuestion) -> list[NotebookNode]:
    marks = {"grade": False, "solution": False, "locked": True, "task": True, "schema_version": 3}
    scheme = f"=== BEGIN MARK SCHEME ===\n\n{question.answer}\n\n=== END MARK SCHEME ==="
    asked = new_markdown_cell(
        f"## Written question\n\n*{question.points} points. Write your answer into the cell below.*\n\n"
        f"{question.question}\n\n{scheme}",
        id="written-question",
        metadata={"nbgrader": {**marks, "grade_id": "written-question", "points": question.points}},
    )
    return [asked, new_markdown_cell("*Your answer goes here.*", id="written-answer")]


def _with_links_of_an_assignment(text: str) -> str:
    """Return markdown whose links to other notebooks lead to the assignments beside this one."""
    return _LINK_TO_NOTEBOOK.sub(r"](../\1/\1.ipynb", with_links_inside(text))


def _write(path: Path, notebook: NotebookNode) -> None:
    """Write an assignment, with what its links need."""
    folder, course = path.parent, course_folder()
    folder.mkdir(parents=True)
    path.write_text(to_text(notebook), encoding="utf-8")
    shutil.copytree(course / "sounds", folder / "sounds")
    for name in ("LICENSE", "cheat_sheet.html"):
        shutil.copy(course / name, folder / name)
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    for page in course.glob("*.md"):
        texts.append(_with_links_of_an_assignment(page.read_text(encoding="utf-8")))
        (folder / page.name).write_text(texts[-1], encoding="utf-8")
    for name in set(_LINK_TO_SOURCE.findall("\n".join(texts))):
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(voice_agent_lab.__file__).parent / name, folder / "source" / name)
