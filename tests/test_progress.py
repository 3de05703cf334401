"""What `voice-agent-lab progress` reads from saved notebooks, and says."""

import json
import shutil

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from voice_agent_lab.cli import main
from voice_agent_lab.courseware.editions import make_copy
from voice_agent_lab.courseware.outputs import execute, to_text
from voice_agent_lab.courseware.progress import NoExercisesError, progress_of
from voice_agent_lab.lessons.folder import course_folder

CHECK = {"grade": True, "solution": False, "locked": True, "points": 1, "schema_version": 3, "task": False}
RIGHT = new_output("stream", name="stdout", text="Right. It is 0.9 s.\n")
NOT_YET = new_output("stream", name="stdout", text="Not answered yet: hidden wait.\n")


def error(name):
    return new_output("error", ename=name, evalue="no", traceback=["no"])


def check(name, *outputs):
    return new_code_cell(
        "check(it)", metadata={"nbgrader": CHECK | {"grade_id": name}}, outputs=list(outputs)
    )


def save(folder, name, *cells):
    (folder / f"{name}.ipynb").write_text(to_text(new_notebook(cells=list(cells))), encoding="utf-8")


@pytest.mark.parametrize(
    ("outputs", "how_far"),
    [
        ([], "not yet"),
        ([RIGHT], "answered"),
        ([NOT_YET], "not yet"),
        ([error("WrongAnswer")], "wrong"),
        ([error("TypeError")], "wrong"),  # the learner's function fails
        ([error("NotImplementedError")], "not yet"),
        ([new_output("stream", name="stdout", text="my own print\n"), error("WrongAnswer")], "wrong"),
        ([new_output("stream", name="stdout", text="my own print\nRight. It is 0.9 s.\n")], "answered"),
        ([new_output("stream", name="stderr", text="a warning\n"), RIGHT], "answered"),
        ([new_output("stream", name="stdout", text="nothing of ours\n")], "not yet"),
    ],
)
def test_what_a_check_printed_tells_how_far_its_exercise_is(outputs, how_far, tmp_path):
    save(tmp_path, "00_start_here", check("hidden-wait-check", *outputs))
    (notebook,) = progress_of(tmp_path)
    assert notebook.exercises == {"hidden wait": how_far}


def test_the_output_is_read_as_jupyter_saves_it_in_lines_or_whole(tmp_path):
    for text in (["Right. It is\n", "0.9 s.\n"], "Right. It is\n0.9 s.\n"):
        notebook = json.loads(to_text(new_notebook(cells=[check("a-check", RIGHT)])))
        notebook["cells"][0]["outputs"][0]["text"] = text
        (tmp_path / "00_x.ipynb").write_text(json.dumps(notebook))
        assert progress_of(tmp_path)[0].exercises == {"a": "answered"}


def test_the_table_has_a_line_for_each_exercise_and_the_totals(tmp_path, capsys):
    save(
        tmp_path, "00_start_here", check("hidden-wait-check", RIGHT), check("within-a-second-check", NOT_YET)
    )
    save(tmp_path, "01_more", new_code_cell("1"), check("01-three-answers-check", error("WrongAnswer")))
    save(tmp_path, "my_own_notes", new_code_cell("1"))
    assert main(["progress", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "00_start_here  hidden wait      answered",
        "               within a second  not yet",
        "01_more        three answers    wrong",
        "",
        "1 of 3 exercises answered, 1 wrong, 1 not yet.",
        "As the notebooks were last saved.",
    ]


@pytest.mark.parametrize(
    "content",
    ["", "not a notebook", "[]", "{}", '{"cells": 1}', '{"cells": [1]}', b"\xff\xfe", None]
    + [f'{{"cells": [{{"metadata": {{"nbgrader": {nbgrader}}}}}]}}' for nbgrader in ("1", '{"grade": 1}')],
)
def test_a_broken_notebook_is_named_and_the_rest_goes_on(content, tmp_path, capsys):
    save(tmp_path, "01_more", check("hidden-wait-check", RIGHT))
    path = tmp_path / "00_broken.ipynb"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["progress", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    broken, whole, *_, total, _ = out.splitlines()
    assert broken.startswith("00_broken  cannot be read")
    assert whole.split() == ["01_more", "hidden", "wait", "answered"]
    assert total == "1 of 1 exercises answered, 0 wrong, 0 not yet."
    assert err == ""


@pytest.mark.parametrize("folder", [[], ["absent"], ["."], [__file__]])
def test_without_a_copy_one_sentence_says_what_to_do(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["progress", *folder]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"voice-agent-lab: there is no copy of the course in {(folder or ['voice-agent-lab-course'])[0]}; "
        "voice-agent-lab course makes one, or name the folder of yours\n"
    )


def test_the_copy_is_found_from_beside_it_and_from_inside_it(tmp_path, capsys, monkeypatch):
    make_copy(tmp_path / "voice-agent-lab-course")
    for folder in (tmp_path, tmp_path / "voice-agent-lab-course"):
        monkeypatch.chdir(folder)
        assert main(["progress"]) == 0
        assert "0 of" in capsys.readouterr().out


def test_every_check_of_the_course_is_found_under_its_own_name(tmp_path):
    make_copy(tmp_path / "copy")
    notebooks = progress_of(tmp_path / "copy")
    assert [notebook.name for notebook in notebooks] == sorted(
        p.stem for p in course_folder().glob("*.ipynb")
    )
    assert all(len(notebook.exercises) >= 2 for notebook in notebooks)
    assert {how for notebook in notebooks for how in notebook.exercises.values()} == {"not yet"}


def test_an_answer_that_is_written_run_and_saved_is_counted(tmp_path):
    copy = tmp_path / "copy"
    make_copy(copy)
    solved = course_folder() / "00_start_here.ipynb"
    shutil.copy(solved, copy)  # answered as its authors do, with the outputs of a run
    here = progress_of(copy)[0]
    assert set(here.exercises.values()) == {"answered"}


def test_a_wrong_answer_is_shown_as_such_by_the_checks_themselves(tmp_path):
    cells = [
        new_code_cell("from voice_agent_lab.lessons.exercises.start_here import check_hidden_wait"),
        check("hidden-wait-check"),
        check("other-check"),
    ]
    cells[1].source = "check_hidden_wait(lambda metrics: 0.9)"
    cells[
        2
    ].source = "def hidden_wait(metrics):\n    raise NotImplementedError\n\ncheck_hidden_wait(hidden_wait)"
    executed = execute(new_notebook(cells=cells), tmp_path, allowed=["WrongAnswer"])
    save(tmp_path, "00_start_here", *executed.cells)
    assert progress_of(tmp_path)[0].exercises == {"hidden wait": "wrong", "other": "not yet"}


def test_a_folder_without_exercises_is_refused(tmp_path):
    save(tmp_path, "my_own_notes", new_code_cell("1"))
    with pytest.raises(NoExercisesError, match="there is no copy of the course in"):
        progress_of(tmp_path)
