"""The teaching guide agrees with the notebooks, and what Binder reads is what it understands."""

import os
import re
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import nbformat
import yaml

from voice_agent_lab.courseware.written import teaching_guide, written_questions
from voice_agent_lab.lessons.folder import course_folder

ROOT = Path(__file__).parents[1]
GUIDE = teaching_guide().read_text(encoding="utf-8")
NOTEBOOKS = {
    path.name[:2]: nbformat.read(path, as_version=4) for path in sorted(course_folder().glob("*.ipynb"))
}


def test_the_minutes_of_the_guide_are_those_that_the_notebooks_state():
    stated = {}
    for number, notebook in NOTEBOOKS.items():
        found = re.search(
            r"Core path (\d+) minutes, with the optional sections (\d+)", notebook.cells[0].source
        )
        stated[number] = found.groups()
    rows = re.findall(r"^\| (\d\d) [^|]+ \| (\d+) \| (\d+) \|$", GUIDE, re.MULTILINE)
    assert {number: minutes for number, *minutes in rows} == {k: list(v) for k, v in stated.items()}


def test_the_day_adds_up():
    table = GUIDE.split("### One day")[1].split("### Five weeks")[0]
    rows = re.findall(r"^\| (\d\d):(\d\d) \| (\d*) \|", table, re.MULTILINE)
    times = [timedelta(hours=int(hour), minutes=int(minute)) for hour, minute, _ in rows]
    minutes = [timedelta(minutes=int(length)) for *_, length in rows[:-1]]
    assert [later - earlier for earlier, later in pairwise(times)] == minutes


def test_the_points_are_those_of_the_exercises_and_of_the_written_questions():
    exercises = sum(
        cell.metadata.nbgrader.points
        for notebook in NOTEBOOKS.values()
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade")
    )
    written = sum(question.points for question in written_questions(GUIDE).values())
    assert f"| exercises, by nbgrader | {exercises} |" in GUIDE
    assert f" of 4 points | {written} |" in GUIDE
    project = GUIDE.split("### Marks for the project")[1].split("## Marks")[0]
    total = sum(map(int, re.findall(r"^\| [a-z -]+ \((\d+)\)", project, re.MULTILINE)))
    assert f"| final project | {total} |" in GUIDE


def test_links_inside_the_guide_work():
    slugs = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", GUIDE, re.MULTILINE)
    }
    links = re.findall(r"\]\(#([^)]+)\)", GUIDE)
    assert links
    assert set(links) <= slugs
    for path in re.findall(r"`((?:voice_agent_lab|tests)/[\w/.]+\.\w+)`", GUIDE):
        assert (ROOT / path).exists(), path


def test_binder_finds_one_version_of_python_and_a_step_that_writes_the_learners_edition():
    assert not [
        name for name in ("binder", ".binder", "Dockerfile", "requirements.txt") if (ROOT / name).exists()
    ]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert [entry for entry in environment["dependencies"] if str(entry).startswith("python")] == [
        "python=3.12"
    ]
    step = ROOT / "postBuild"
    assert step.read_text(encoding="utf-8").startswith("#!/bin/bash\n")
    assert os.access(step, os.X_OK)
    folder = re.search(r"voice-agent-lab learners --out (\w+)", step.read_text(encoding="utf-8"))[1]
    assert f"urlpath=lab/tree/{folder}/00_start_here.ipynb" in GUIDE
