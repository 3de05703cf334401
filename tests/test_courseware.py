"""The care of notebooks: what is noise goes, what is a lesson stays, and a changed lesson is seen."""

import base64
import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from voice_agent_lab.courseware import outputs as courseware
from voice_agent_lab.courseware.outputs import execute, normalise, refresh, to_text, without_media

SOUND = '<audio src="data:audio/ogg;base64,{}"></audio>'


def display(**data):
    return new_output("display_data", {kind.replace("_", "/"): value for kind, value in data.items()})


def noisy():
    """Return a notebook as JupyterLab leaves it."""
    result = new_output(
        "execute_result",
        {"text/plain": "4", "application/vnd.jupyter.widget-view+json": {"model_id": "4f0a"}},
        execution_count=17,
        metadata={"isolated": True},
    )
    return new_notebook(
        metadata={
            "kernelspec": {"display_name": "my venv", "language": "python", "name": "venv"},
            "language_info": {"name": "python", "version": "3.13.1"},
            "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}}},
        },
        cells=[
            new_markdown_cell("# Title", id="a1b2c3", metadata={"editable": False, "tags": ["intro"]}),
            new_code_cell(
                "2 + 2",
                id="d4e5f6",
                execution_count=17,
                outputs=[result],
                metadata={"execution": {"iopub.execute_input": "2026-08-22T10:00:00Z"}, "trusted": True},
            ),
            new_code_cell("", id="empty"),
            new_code_cell(
                "print('x')", execution_count=40, outputs=[new_output("stream", text="x\n", name="stdout")]
            ),
        ],
    )


# --- normalise ------------------------------------------------------------------------------------


def test_noise_is_removed_and_the_lesson_stays():
    clean = normalise(noisy())
    nbformat.validate(clean)
    assert json.loads(to_text(clean)) == {
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
        "cells": [
            {
                "cell_type": "markdown",
                "id": "cell-00",
                "metadata": {"tags": ["intro"]},
                "source": ["# Title"],
            },
            {
                "cell_type": "code",
                "id": "cell-01",
                "metadata": {},
                "execution_count": 1,
                "source": ["2 + 2"],
                "outputs": [
                    {
                        "output_type": "execute_result",
                        "execution_count": 1,
                        "metadata": {},
                        "data": {"text/plain": ["4"]},
                    }
                ],
            },
            {
                "cell_type": "code",
                "id": "cell-02",
                "metadata": {},
                "execution_count": None,
                "source": [],
                "outputs": [],
            },
            {
                "cell_type": "code",
                "id": "cell-03",
                "metadata": {},
                "execution_count": 2,
                "source": ["print('x')"],
                "outputs": [{"output_type": "stream", "name": "stdout", "text": ["x\n"]}],
            },
        ],
    }


def test_normalising_twice_changes_nothing_more():
    once = normalise(noisy())
    assert to_text(normalise(once)) == to_text(once)


def test_normalising_leaves_its_argument_alone():
    notebook = noisy()
    before = copy.deepcopy(notebook)
    normalise(notebook)
    assert notebook == before


def test_a_notebook_file_ends_with_one_newline_and_reads_back():
    text = to_text(normalise(noisy()))
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")
    assert to_text(nbformat.reads(text, as_version=4)) == text


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg"])
def test_pictures_and_sounds_are_blanked_out_and_words_are_not(kind):
    def text(picture, sound, words):
        html = f'<img src="data:image/png;base64,{picture}">{SOUND.format(sound)}{words}'
        data = {kind: picture, "text/html": html, "text/plain": words}
        return to_text(
            new_notebook(cells=[new_code_cell("x", id="a", outputs=[new_output("display_data", data)])])
        )

    assert without_media(text("AAAA", "BBBB", "1.0 s")) == without_media(text("CC+/CA==", "DD==", "1.0 s"))
    assert without_media(text("AAAA", "BBBB", "1.0 s")) != without_media(text("AAAA", "BBBB", "1.1 s"))


# --- execute and refresh, in a real kernel --------------------------------------------------------


def test_a_notebook_is_executed_and_written_and_then_stays_as_it_is(tmp_path):
    (tmp_path / "value.txt").write_text("42")
    cells = [
        new_markdown_cell("# Tiny"),
        new_code_cell("x = int(open('value.txt').read())"),
        new_code_cell("print('one', flush=True)\nx"),
        new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]}),
    ]
    path = tmp_path / "tiny.ipynb"
    path.write_text(to_text(new_notebook(cells=cells)))
    assert refresh([path], check=True) == [path]
    assert 'execution_count": 1' not in path.read_text()  # a check writes nothing
    assert refresh([path]) == [path]
    written = path.read_text()
    notebook = nbformat.reads(written, as_version=4)
    assert [c.get("execution_count") for c in notebook.cells] == [None, 1, 2, 3]
    assert notebook.cells[2].outputs[0].text == "one\n"
    assert notebook.cells[2].outputs[1].data == {"text/plain": "42"}
    assert notebook.cells[3].outputs[0].ename == "ZeroDivisionError"
    assert refresh([path], check=True) == []

    (tmp_path / "value.txt").write_text("43")
    assert refresh([path], check=True) == [path]
    assert path.read_text() == written


def test_an_error_that_is_not_allowed_stops_the_execution(tmp_path):
    notebook = new_notebook(cells=[new_code_cell("raise NotImplementedError('yours')")])
    with pytest.raises(CellExecutionError, match="yours"):
        execute(notebook, tmp_path)
    executed = execute(notebook, tmp_path, allowed=["NotImplementedError"])
    assert executed.cells[0].outputs[0].ename == "NotImplementedError"
    assert notebook.cells[0].outputs == []


def test_what_a_cell_prints_is_one_output_however_it_was_flushed(tmp_path):
    source = "import time\nprint('a', flush=True)\ntime.sleep(0.5)\nprint('b')"
    executed = normalise(execute(new_notebook(cells=[new_code_cell(source)]), tmp_path))
    assert [output.text for output in executed.cells[0].outputs] == ["a\nb\n"]


# --- refresh, with the execution replaced ---------------------------------------------------------


@pytest.fixture
def committed(tmp_path, monkeypatch):
    """Return a function that commits a notebook's outputs and says what a new execution would give."""

    def commit(before, after):
        path = tmp_path / "n.ipynb"

        def notebook(outputs):
            return new_notebook(cells=[new_code_cell("x", execution_count=1, outputs=copy.deepcopy(outputs))])

        path.write_text(to_text(normalise(notebook(before))))
        monkeypatch.setattr(courseware, "execute", lambda old, folder: notebook(after))
        return path

    return commit


def png(content):
    return base64.b64encode(content).decode()


def test_a_check_sees_a_changed_output(committed):
    path = committed([display(text_plain="0.30 s")], [display(text_plain="0.31 s")])
    before = path.read_text()
    assert refresh([path], check=True) == [path]
    assert path.read_text() == before
    assert refresh([path]) == [path]
    assert refresh([path]) == refresh([path], check=True) == []


@pytest.mark.parametrize("after", [[], [display(text_plain="a"), display(text_plain="a")]])
def test_a_check_sees_an_output_that_came_or_went(committed, after):
    assert len(refresh([committed([display(text_plain="a")], after)], check=True)) == 1


def test_a_check_ignores_the_bytes_of_pictures_and_a_refresh_writes_them(committed):
    path = committed([display(image_png=png(b"old"))], [display(image_png=png(b"new"))])
    assert refresh([path], check=True) == []
    assert refresh([path]) == [path]
    assert png(b"new") in path.read_text()


def test_a_check_sees_a_picture_that_is_missing(committed):
    both = [display(image_png=png(b"old"), text_plain="<Figure>")]
    assert len(refresh([committed(both, [display(text_plain="<Figure>")])], check=True)) == 1


def test_a_check_ignores_the_bytes_of_sounds_and_a_refresh_writes_them(committed):
    path = committed([display(text_html=SOUND.format("AAAA"))], [display(text_html=SOUND.format("CCCC"))])
    assert refresh([path], check=True) == []
    assert refresh([path]) == [path]
    assert "CCCC" in path.read_text()


def test_only_the_notebooks_that_changed_are_reported(committed, tmp_path):
    path = committed([display(text_plain="a")], [display(text_plain="a")])
    other = tmp_path / "other.ipynb"
    other.write_text(path.read_text().replace('"a"', '"b"'))
    assert refresh([path, other], check=True) == [other]


def test_a_check_sees_a_file_that_is_written_in_another_way(committed):
    path = committed([display(text_plain="a")], [display(text_plain="a")])
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4))
    assert refresh([path], check=True) == [path]


def test_notebooks_are_compared_from_any_folder_as_from_the_courses_own(tmp_path):
    notebook = Path(__file__).parents[1] / "notebooks" / "00_start_here.ipynb"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(notebook)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert re.search(r"\d+ passed", run.stdout)
