"""The learners' edition: every stub fails its check, every solution passes it, nothing else breaks."""

import nbformat
import pytest

from voice_agent_lab.cli import course_folder, main
from voice_agent_lab.courseware import execute, make_learners_edition, without_solutions

NOTEBOOKS = sorted(course_folder().glob("*.ipynb"))


def kind(cell):
    """Return "answer", "check" or nothing for a cell of an exercise."""
    marks = cell.metadata.get("nbgrader", {})
    return "answer" if marks.get("solution") else "check" if marks.get("grade") else None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_stubs_fail_their_checks_and_everything_else_runs(path):
    source = nbformat.read(path, as_version=4)
    learners = without_solutions(source)
    assert sum(kind(cell) == "answer" for cell in learners.cells) >= 2
    assert "SOLUTION" not in "".join(cell.source for cell in learners.cells)
    executed = execute(learners, path.parent, allowed=["NotImplementedError"])
    for cell in executed.cells:
        if cell.cell_type != "code":
            continue
        errors = [output.ename for output in cell.outputs if output.output_type == "error"]
        assert errors == (["NotImplementedError"] if kind(cell) == "check" else []), cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_solutions_pass_their_checks(path):
    # Strict nbval runs them; here: what it compares with is an observation, not an error.
    for cell in nbformat.read(path, as_version=4).cells:
        if kind(cell) == "check":
            assert [output.output_type for output in cell.outputs] == ["stream"], cell.source


def test_the_command_writes_the_course_and_never_over_a_learners_work(tmp_path, capsys):
    out = tmp_path / "class"
    assert main(["learners", "--out", str(out)]) == 0
    assert sorted(p.name for p in out.glob("*.ipynb")) == [p.name for p in NOTEBOOKS]
    assert main(["learners", "--out", str(out)]) == 1
    assert "is not empty" in capsys.readouterr().err
    with pytest.raises(FileExistsError):
        make_learners_edition(course_folder(), out)
