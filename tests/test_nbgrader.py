"""The nbgrader edition: its assignments, and nbgrader itself from the source to the feedback, forgers included.

The second half needs the extra `teach`, and runs with ``-m teach``.
"""

import getpass
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from voice_agent_lab.cli import main
from voice_agent_lab.courseware import further_cases
from voice_agent_lab.courseware.assignments import further_case, write_course
from voice_agent_lab.courseware.written import teaching_guide, written_questions
from voice_agent_lab.lessons.folder import course_folder

NOTEBOOKS = sorted(course_folder().glob("*.ipynb"))

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nbgrader") / "course"
    assert main(["learners", "--nbgrader", str(folder)]) == 0
    return folder


def source(course, path):
    return nbformat.read(course / "source" / path.stem / path.name, as_version=4)


def checks(notebook):
    return [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]


# --- The assignments ------------------------------------------------------------------------------


@each_notebook
def test_each_check_is_imported_in_its_own_cell_and_has_a_further_case(path, course):
    assert checks(source(course, path))
    for cell in checks(source(course, path)):
        shown, hidden = cell.source.split("### BEGIN HIDDEN TESTS\n")
        assert re.fullmatch(r"from voice_agent_lab\S+ import (check_\w+)\n\n\1\(\w+\)\n", shown)
        assert hidden.endswith("\n### END HIDDEN TESTS")
        case = further_case(cell.metadata.nbgrader.grade_id)
        assert case is not None, f"further_cases.py has none for {cell.metadata.nbgrader.grade_id}"
        assert f"\n{case.__name__}(" in hidden


@each_notebook
def test_each_assignment_ends_with_a_written_question_and_its_marks(path, course):
    *_, asked, answer = source(course, path).cells
    marks = asked.metadata.nbgrader
    assert marks.task and marks.points >= 2
    assert "=== BEGIN MARK SCHEME ===" in asked.source
    assert "nbgrader" not in answer.metadata


@each_notebook
def test_links_of_an_assignment_work(path, course):
    folder = course / "source" / path.stem
    pages = [cell.source for cell in source(course, path).cells if cell.cell_type == "markdown"]
    pages += [page.read_text(encoding="utf-8") for page in folder.glob("*.md")]
    links = {link for page in pages for link in re.findall(r"\]\(([^)#\s]+)", page)}
    inside = {link for link in links if not link.startswith("http")}
    assert {"glossary.md", "references.md"} & inside
    assert {link for link in inside if not (folder / link).exists()} == set()


@each_notebook
def test_an_assignment_has_no_outputs_and_is_a_valid_notebook(path, course):
    notebook = source(course, path)
    nbformat.validate(notebook)
    assert [cell for cell in notebook.cells if cell.get("outputs")] == []


def test_a_course_is_never_written_over(course, capsys):
    before = (course / "nbgrader_config.py").read_bytes()
    assert main(["learners", "--nbgrader", str(course)]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert (course / "nbgrader_config.py").read_bytes() == before


def test_two_courses_have_different_last_words(course, tmp_path):
    write_course(tmp_path / "other")
    assert checks(source(course, NOTEBOOKS[0]))[0] != checks(source(tmp_path / "other", NOTEBOOKS[0]))[0]


def test_every_written_question_of_the_guide_belongs_to_a_notebook():
    asked = written_questions(teaching_guide().read_text(encoding="utf-8"))
    assert sorted(asked) == [path.name[:2] for path in NOTEBOOKS]


# --- The further cases ----------------------------------------------------------------------------


def notebook_of(exercise):
    """Return the namespace of a notebook's imports and solutions, and the answer to an exercise of it."""
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        for cell in cells:
            marks = cell.metadata.get("nbgrader", {})
            if marks.get("grade") and further_case(marks.grade_id) is getattr(further_cases, exercise):
                answer = re.fullmatch(r"check_\w+\((\w+)\)", cell.source)[1]
                code = [c.source for c in cells if c.cell_type == "code"]
                return [code[0], next(c for c in code if re.search(rf"(def|class) {answer}\b", c))], answer
    raise LookupError(exercise)


EXERCISES = [name for name in vars(further_cases) if name.startswith("further_")]


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_further_case_stands_alone_and_the_solution_passes_it(exercise):
    code, answer = notebook_of(exercise)
    namespace = {}
    for source_of_cell in code:
        exec(source_of_cell, namespace)
    getattr(further_cases, exercise)(namespace[answer])


class EqualToEverything(float):
    """A number that claims to be any number, and is 7."""

    def __new__(cls, *_):
        return super().__new__(cls, 7)

    def __eq__(self, other):
        return True

    def __sub__(self, other):
        return self

    __rsub__ = __add__ = __radd__ = __abs__ = __neg__ = lambda self, *_: self
    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __hash__ = float.__hash__


@pytest.mark.parametrize("exercise", EXERCISES)
def test_what_claims_to_equal_everything_passes_no_further_case(exercise):
    with pytest.raises((AssertionError, TypeError, AttributeError, ValueError)):
        getattr(further_cases, exercise)(lambda *_, **__: EqualToEverything())


# --- nbgrader, from end to end --------------------------------------------------------------------

RIGHT = "def hidden_wait(metrics):\n    return metrics.asr_complete - metrics.speech_ended"
WRONG = "def hidden_wait(metrics):\n    return 0.9"
FORGERS = {
    "replaces the check": "check_hidden_wait = lambda *_: print('Right.')",
    "replaces the check in its module": (
        "import voice_agent_lab.lessons.exercises.start_here as there\n"
        "there.check_hidden_wait = lambda *_: print('Right.')"
    ),
    "replaces what the check expects with": (
        "import voice_agent_lab.lessons.exercises.start_here as there\n"
        "there.expect_number = there.expect = lambda *_, **__: None"
    ),
    "replaces the decorator and imports again": (
        "import importlib, voice_agent_lab.lessons.exercises as base\n"
        "import voice_agent_lab.lessons.exercises.start_here as there\n"
        "base.exercise = lambda _: lambda examine: lambda *_: print('Right.')\n"
        "importlib.reload(there)"
    ),
    "puts another module in its place": (
        "import sys, types\n"
        "sys.modules['voice_agent_lab.lessons.exercises.start_here'] = types.SimpleNamespace(\n"
        "    check_hidden_wait=lambda *_: None, check_within_a_second=lambda *_: None)"
    ),
    "leaves": "def hidden_wait(metrics):\n    raise SystemExit",
    "prints that it is right": "def hidden_wait(metrics):\n    print('Right.'); raise SystemExit(0)",
    "shadows print": "def print(*_): pass\ndef hidden_wait(metrics): return 0.9",
    "shadows what compares": "abs = lambda _: 0\nfloat = isinstance = lambda *_: True\n" + WRONG,
    "replaces what compares in builtins": "import builtins\nbuiltins.abs = lambda _: 0\n" + WRONG,
    "equals everything": (
        "class Any(float):\n"
        "    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = lambda self, other: True\n"
        "    __sub__ = __rsub__ = __abs__ = __add__ = lambda self, *_: self\n"
        "def hidden_wait(metrics): return Any(7)"
    ),
    "hides the error": "get_ipython().showtraceback = lambda *_, **__: None\n" + WRONG,
    "handles the error": "get_ipython().set_custom_exc((BaseException,), lambda *_, **__: None)\n" + WRONG,
    "gives itself the mark": "def hidden_wait(metrics):\n    get_ipython().displayhook(1); return 0.9",
    "turns cells into nothing": "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass\\n'])",
    "takes asserts out of cells": (
        "import ast\n"
        "class NoAsserts(ast.NodeTransformer):\n"
        "    def visit_Assert(self, node): return ast.Pass()\n"
        "    def visit_Expr(self, node): return ast.Pass()\n"
        "get_ipython().ast_transformers.append(NoAsserts())\n" + WRONG
    ),
}


def nbgrader(folder, *command):
    # nbgrader starts alembic, which is beside Python when the environment is active.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    run = subprocess.run(
        [sys.executable, "-m", "nbgrader", *command],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run


def answer(path, answers, *, shortened=False):
    """Replace the source of some answers in a released notebook; leave the lesson out to be quick."""
    notebook = nbformat.read(path, as_version=4)
    if shortened:
        notebook.cells = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    for cell in notebook.cells:
        if (grade_id := cell.metadata.get("nbgrader", {}).get("grade_id")) in answers:
            cell.source = answers[grade_id]
    nbformat.write(notebook, path)


def hand_in(course, student, assignment, answers):
    """Put a released assignment with answers where those are that were collected."""
    submitted = course / "submitted" / student / assignment
    shutil.copytree(course / "release" / assignment, submitted)
    answer(submitted / f"{assignment}.ipynb", answers, shortened=True)


def marks(course, student, assignment):
    """Return what the gradebook has for each check of a submission."""
    script = (
        "import json, sys\n"
        "from nbgrader.api import Gradebook\n"
        "with Gradebook('sqlite:///gradebook.db') as book:\n"
        "    notebook = book.find_submission_notebook(sys.argv[2], sys.argv[2], sys.argv[1])\n"
        "    print(json.dumps({grade.name: grade.score for grade in notebook.grades}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, student, assignment],
        cwd=course,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    pytest.importorskip("nbgrader", reason="needs the extra teach")
    folder = tmp_path_factory.mktemp("nbgrader") / "course"
    assert main(["learners", "--nbgrader", str(folder)]) == 0
    for assignment in ("00_start_here", "02_streaming_audio"):
        nbgrader(folder, "generate_assignment", assignment)
    return folder


@pytest.mark.teach
def test_the_released_assignment_shows_no_solution_no_hidden_test_and_no_mark_scheme(released):
    text = (released / "release" / "02_streaming_audio" / "02_streaming_audio.ipynb").read_text("utf-8")
    for secret in ("HIDDEN TESTS", "SOLUTION", "MARK SCHEME", "examined_afresh", "320 / kbit"):
        assert secret not in text
    assert "Written question" in text and "your answer goes here" in text


@pytest.mark.teach
def test_right_wrong_and_missing_answers_get_their_marks(released, tmp_path):
    exchange, home, assignment = tmp_path / "exchange", tmp_path / "home", "02_streaming_audio"
    exchange.mkdir()
    exchange.chmod(0o777)  # as the exchange wants it: every student writes there
    home.mkdir()
    shared = (f"--Exchange.root={exchange}", "--CourseDirectory.course_id=voice-agent-lab")
    nbgrader(released, "release_assignment", assignment, *shared)
    nbgrader(home, "fetch_assignment", assignment, *shared)
    answers = {
        "shortest-frame": "def shortest_frame(kbit_per_second):\n    return 320 / kbit_per_second",
        "last-frame": "def last_frame_late(frames_spoken, seconds, processing):\n    return processing",
    }
    answer(home / assignment / f"{assignment}.ipynb", answers)  # right, wrong, and the third is missing
    nbgrader(home, "submit", assignment, *shared)
    nbgrader(released, "collect", assignment, *shared)
    nbgrader(released, "autograde", assignment)
    student = getpass.getuser()  # as the exchange names whoever submits
    assert marks(released, student, assignment) == {
        "shortest-frame-check": 1.0,
        "last-frame-check": 0.0,
        "absolute-deadline-check": 0.0,
        "written-question": 0.0,
    }
    nbgrader(released, "generate_feedback", assignment)
    feedback = released / "feedback" / student / assignment / f"{assignment}.html"
    assert "Not right yet." in feedback.read_text("utf-8")


@pytest.mark.teach
def test_no_forger_gets_a_mark(released):
    hand_in(released, "honest", "00_start_here", {"hidden-wait": RIGHT})
    for number, forgery in enumerate(FORGERS.values()):
        hand_in(released, f"forger{number:02d}", "00_start_here", {"hidden-wait": forgery})
    nbgrader(released, "autograde", "00_start_here")
    earned = {
        name: sum(marks(released, f"forger{number:02d}", "00_start_here").values())
        for number, name in enumerate(FORGERS)
    }
    assert earned == dict.fromkeys(FORGERS, 0.0)
    assert marks(released, "honest", "00_start_here")["hidden-wait-check"] == 1.0
