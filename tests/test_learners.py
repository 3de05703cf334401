"""The copies that people work in: what is in each edition, that it runs to its end, and overwrites nothing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from voice_agent_lab.cli import main
from voice_agent_lab.courseware.editions import make_copy, with_links_inside, without_solutions
from voice_agent_lab.courseware.outputs import execute, to_text
from voice_agent_lab.lessons.exercises import NOT_YET, RIGHT
from voice_agent_lab.lessons.folder import course_folder

NOTEBOOKS = sorted(course_folder().glob("*.ipynb"))

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def kind(cell):
    """Return "answer", "check" or nothing for a cell of an exercise."""
    marks = cell.metadata.get("nbgrader", {})
    return "answer" if marks.get("solution") else "check" if marks.get("grade") else None


def printed(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


@pytest.fixture(scope="module")
def unsolved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unsolved") / "copy"
    make_copy(folder)
    return folder


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("solved") / "copy"
    make_copy(folder, solved=True)
    return folder


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- The unsolved edition -------------------------------------------------------------------------


@each_notebook
def test_an_unsolved_notebook_has_no_solution_and_no_output(path, unsolved):
    notebook = nbformat.read(unsolved / path.name, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert "SOLUTION" not in "".join(cell.source for cell in notebook.cells)
    answers = [cell.source for cell in code if kind(cell) == "answer"]
    assert len(answers) >= 2
    for answer in answers:
        assert answer.count('raise NotImplementedError("your answer goes here")') == 1


@each_notebook
def test_an_unsolved_notebook_runs_to_its_end_and_its_checks_say_that_they_wait(path, unsolved):
    notebook = nbformat.read(unsolved / path.name, as_version=4)
    executed = execute(notebook, unsolved)  # an error in any cell would stop it
    checks = {cell.source: printed(cell) for cell in executed.cells if kind(cell) == "check"}
    assert checks
    assert {source for source, text in checks.items() if not text.startswith(NOT_YET)} == set()


@each_notebook
def test_all_else_is_as_in_the_solved_notebook(path):
    before = nbformat.read(path, as_version=4)
    after = without_solutions(before)
    assert [cell.metadata for cell in after.cells] == [cell.metadata for cell in before.cells]
    for cell, stripped in zip(before.cells, after.cells, strict=True):
        assert (stripped.source == cell.source) is (kind(cell) != "answer")
    assert to_text(before) == path.read_text(encoding="utf-8")  # its argument is left alone


@each_notebook
def test_the_solutions_pass_their_checks(path):
    # Strict nbval runs them; here: what it compares with is an observation, not an error.
    for cell in nbformat.read(path, as_version=4).cells:
        if kind(cell) == "check":
            assert [output.output_type for output in cell.outputs] == ["stream"], cell.source
            assert printed(cell).startswith(RIGHT), cell.source


# --- What is in a copy ----------------------------------------------------------------------------


@each_notebook
def test_a_solved_notebook_is_the_committed_one_but_for_its_links(path, solved):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = with_links_inside(cell.source)
    assert (solved / path.name).read_text(encoding="utf-8") == to_text(notebook)


def test_both_editions_have_the_pages_the_sounds_and_the_source(unsolved, solved):
    assert set(contents(unsolved)) == set(contents(solved))
    names = {str(name) for name in contents(unsolved)}
    assert {"glossary.md", "references.md", "LICENSE", "sounds/02-hello.ogg"} <= names
    assert "source/turns/agent.py" in names
    here = Path(__file__).parents[1] / "voice_agent_lab" / "turns" / "agent.py"
    assert (unsolved / "source" / "turns" / "agent.py").read_bytes() == here.read_bytes()


def test_the_checks_which_know_the_answers_are_not_beside_the_exercises(unsolved):
    assert (unsolved / "source" / "lessons" / "start_here.py").exists()
    assert not (unsolved / "source" / "lessons" / "exercises").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[`agent.py`](../voice_agent_lab/turns/agent.py)", "[`agent.py`](source/turns/agent.py)"),
        ('<a href="../voice_agent_lab/tiny.py">page</a>', '<a href="source/tiny.py">page</a>'),
        ("The [README](../README.md) shows how.", "The README shows how."),
        (
            "[00](00_start_here.ipynb), [wait](glossary.md#gap)",
            "[00](00_start_here.ipynb), [wait](glossary.md#gap)",
        ),
        (
            "[RFC 768](https://www.rfc-editor.org/rfc/rfc768)",
            "[RFC 768](https://www.rfc-editor.org/rfc/rfc768)",
        ),
    ],
)
def test_a_link_that_leaves_the_course_leads_to_the_source_in_the_copy_or_is_words(before, after):
    assert with_links_inside(before) == after


# --- A learner's work is never overwritten --------------------------------------------------------


def test_a_copy_that_is_complete_is_left_as_it_is(unsolved, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(unsolved, copy)
    (copy / NOTEBOOKS[0].name).write_text("my work")
    (copy / "notes.md").write_text("my notes")
    before = contents(copy)
    assert make_copy(copy) == []
    assert contents(copy) == before


def test_what_is_missing_in_a_copy_is_added(unsolved, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(unsolved, copy)
    (copy / NOTEBOOKS[0].name).write_text("my work")
    (copy / NOTEBOOKS[3].name).unlink()
    shutil.rmtree(copy / "source")
    assert make_copy(copy) == [copy / NOTEBOOKS[3].name]
    expected = contents(unsolved) | {Path(NOTEBOOKS[0].name): b"my work"}
    assert contents(copy) == expected


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.md").write_text("mine")
    with pytest.raises(FileExistsError, match="is not empty, and no copy of the course"):
        make_copy(tmp_path)
    assert set(contents(tmp_path)) == {Path("thesis.md")}


def test_an_empty_folder_is_filled(unsolved, tmp_path):
    assert [path.name for path in make_copy(tmp_path)] == [path.name for path in NOTEBOOKS]
    assert contents(tmp_path) == contents(unsolved)


def test_the_command_writes_the_unsolved_edition_and_never_over_a_learners_work(unsolved, tmp_path, capsys):
    out = tmp_path / "class"
    assert main(["learners", "--out", str(out)]) == 0
    assert contents(out) == contents(unsolved)
    (out / NOTEBOOKS[0].name).unlink()
    assert main(["learners", "--out", str(out)]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert not (out / NOTEBOOKS[0].name).exists()


# --- In Google Colab ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def for_colab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colab") / "copy"
    assert main(["learners", "--out", str(folder), "--colab", "git+https://example.org/course"]) == 0
    return folder


@each_notebook
def test_an_edition_for_colab_only_has_one_cell_more(path, unsolved, for_colab):
    with_cell, without = (nbformat.read(folder / path.name, as_version=4) for folder in (for_colab, unsolved))
    nbformat.validate(with_cell)
    first = next(n for n, cell in enumerate(with_cell.cells) if cell.cell_type == "code")
    assert '"voice-agent-lab[course] @ git+https://example.org/course"' in with_cell.cells.pop(first).source
    assert with_cell == without


def test_the_cell_for_colab_installs_there_and_does_nothing_elsewhere(for_colab):
    notebook = nbformat.read(for_colab / NOTEBOOKS[0].name, as_version=4)
    (cell,) = [cell for cell in notebook.cells if "google.colab" in cell.source]
    before = "before = set(globals()), set(__import__('sys').modules)"
    after = "print(set(globals()) - before[0] - {'before', 'sys'}, set(sys.modules) - before[1])"
    pretence = """
import sys, types
from IPython.core.magic import register_line_magic
colab = types.SimpleNamespace(output=types.SimpleNamespace(enable_custom_widget_manager=lambda: print("widgets")))
sys.modules["google"], sys.modules["google.colab"] = types.SimpleNamespace(colab=colab), colab
@register_line_magic
def pip(line): print("pip", line)
"""
    sources = (before, cell.source, after, pretence, cell.source)
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    _, elsewhere, nothing_new, _, there = execute(notebook, for_colab).cells
    assert elsewhere.outputs == []
    assert printed(nothing_new).count("set()") >= 1
    assert (
        printed(there)
        == 'pip install -q "voice-agent-lab[course] @ git+https://example.org/course"\nwidgets\n'
    )


# --- A notebook by itself, in any folder ----------------------------------------------------------


@pytest.mark.parametrize("name", ["02_streaming_audio", "05_streaming_tts"])  # those that play a sound file
def test_a_notebook_alone_in_another_folder_is_executed_by_nbconvert(name, solved, tmp_path):
    moved = tmp_path / "far" / "away.ipynb"
    moved.parent.mkdir()
    shutil.copy(solved / f"{name}.ipynb", moved)
    run = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--execute", "--to=notebook", "--output=done", str(moved)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    cells = json.loads((moved.parent / "done.ipynb").read_text(encoding="utf-8"))["cells"]
    assert any("data:audio" in json.dumps(cell["outputs"]) for cell in cells if cell["cell_type"] == "code")


@pytest.mark.teach
def test_a_notebook_alone_in_another_folder_is_executed_by_papermill(solved, tmp_path):
    papermill = pytest.importorskip("papermill", reason="needs the extra teach")
    done = tmp_path / "far" / "done.ipynb"
    done.parent.mkdir()
    papermill.execute_notebook(
        solved / NOTEBOOKS[0].name, done, cwd=tmp_path, kernel_name="python3", progress_bar=False
    )
    cells = nbformat.read(done, as_version=4).cells
    checks = [cell for cell in cells if kind(cell) == "check"]
    assert checks
    assert all(printed(cell).startswith(RIGHT) for cell in checks)
