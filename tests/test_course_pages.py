"""The pages of the course: links lead somewhere, notebooks have their skeleton, files are small and clean."""

import base64
import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from voice_agent_lab.courseware.editions import make_copy

ROOT = Path(__file__).parent.parent
COURSE = ROOT / "notebooks"
NOTEBOOKS = sorted(COURSE.glob("*.ipynb"))
PAGES = [*NOTEBOOKS, *sorted(COURSE.glob("*.md")), ROOT / "README.md"]

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)


def cells(path, kind=None):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if kind in (None, cell["cell_type"])]


def source(cell):
    return "".join(cell["source"])


def prose(path):
    """Return the markdown of a page, without its code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n\n".join(source(cell) for cell in cells(path, "markdown"))
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def links(path):
    return re.findall(r"\]\(([^()\s]+)\)", prose(path)) + re.findall(r'(?:href|src)="([^"]+)"', prose(path))


# --- Links ----------------------------------------------------------------------------------------


def relative_links(path):
    return [urlsplit(link) for link in links(path) if not urlsplit(link).scheme]


@each_page
def test_relative_links_lead_to_files(path):
    missing = {link.path for link in relative_links(path) if not (path.parent / unquote(link.path)).exists()}
    assert missing == set()


@pytest.mark.parametrize("solved", [False, True], ids=["unsolved", "solved"])
def test_in_a_copy_every_relative_link_leads_to_a_file_of_the_copy(solved, tmp_path):
    copy = tmp_path / "copy"
    make_copy(copy, solved=solved)
    pages = [*copy.glob("*.ipynb"), *copy.glob("*.md")]
    assert len(pages) == len(PAGES) - 1  # all but the README
    found = [(page, link) for page in pages for link in relative_links(page)]
    assert any(link.path.startswith("source/") for _, link in found)
    for page, link in found:
        target = (page.parent / unquote(link.path)).resolve() if link.path else page
        assert target.is_file(), f"{page.name}: {link.geturl()}"
        assert target.is_relative_to(copy), f"{page.name}: {link.geturl()} leaves what JupyterLab can open"
        assert not link.fragment or link.fragment in anchors(target), f"{page.name}: {link.geturl()}"


@each_page
def test_links_leave_the_repository_by_https_only(path):
    schemes = {urlsplit(link).scheme for link in links(path)}
    assert schemes <= {"", "https"}


def anchors(path):
    """Return the anchors of a markdown page that work in JupyterLab and on GitHub alike.

    Both follow an explicit ``id``. A heading's own anchor is its text with hyphens for spaces;
    JupyterLab keeps the case and GitHub lowers it, so only lower-case headings without punctuation count.
    """
    text = path.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ ([a-z0-9 -]+)$", text, flags=re.MULTILINE)
    return set(re.findall(r'<a id="([^"]+)"></a>', text)) | {h.replace(" ", "-") for h in headings}


@each_page
def test_anchors_exist(path):
    wanted = {}
    for link in links(path):
        target = urlsplit(link)
        if not target.scheme and target.fragment:
            page = (path.parent / target.path) if target.path else path
            assert page.suffix == ".md", f"{link}: only markdown pages have anchors that work everywhere"
            wanted.setdefault(page, set()).add(target.fragment)
    assert {page.name: names - anchors(page) for page, names in wanted.items() if names - anchors(page)} == {}


@pytest.mark.parametrize("name", ["glossary.md", "references.md"])
def test_no_anchor_occurs_twice(name):
    ids = re.findall(r'<a id="([^"]+)"></a>', (COURSE / name).read_text(encoding="utf-8"))
    assert ids
    assert sorted(ids) == sorted(set(ids))


def test_the_glossary_is_alphabetical_and_each_term_has_an_anchor():
    text = (COURSE / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    letters = [re.sub("[^a-z]", "", term.lower()) for term in terms]
    assert letters == sorted(letters)
    ids = re.findall(r'<a id="([^"]+)"></a>\n\n## ', text)
    assert ids == [term.lower().replace(" ", "-") for term in terms]


# --- The skeleton of a notebook -------------------------------------------------------------------


@each_notebook
def test_a_notebook_opens_with_its_title_its_minutes_and_what_it_is_for(path):
    opening = source(cells(path)[0])
    assert opening.startswith("# ")
    assert re.search(
        r"^\*(Reading \d+ minutes, exercises \d+ minutes|Core path \d+ minutes, with the optional sections \d+)\.\*$",
        opening,
        flags=re.MULTILINE,
    )
    for promise in ("**You will do:**", "**You will learn:**", "**You need:**"):
        assert promise in opening


@each_notebook
def test_the_minutes_of_a_notebook_are_those_of_its_sections(path):
    told = re.search(r"Core path (\d+) minutes, with the optional sections (\d+)", prose(path))
    if told is None:
        pytest.skip("its sections are not marked")
    core, optional = (
        sum(map(int, re.findall(rf"^\*{kind}, (\d+) minutes?\b", prose(path), flags=re.MULTILINE)))
        for kind in ("Core", "Optional")
    )
    assert (core, core + optional) == tuple(map(int, told.groups()))


@each_notebook
def test_a_notebook_asks_for_a_prediction_and_returns_to_it(path):
    text = prose(path)
    headings = re.findall(r"^## .+$", text, flags=re.MULTILINE)
    asked = next(k for k, heading in enumerate(headings) if heading.startswith("## Predict"))
    compared = [k for k, heading in enumerate(headings) if "predicted" in heading]
    assert compared, "no section compares the prediction"
    assert asked < compared[0]
    assert any(heading.startswith("## Recap") for heading in headings)
    assert "**Key terms:**" in text
    assert "glossary.md#" in text.split("**Key terms:**")[1]


@each_notebook
def test_a_notebook_leads_to_its_neighbours(path):
    here, closing = NOTEBOOKS.index(path), source(cells(path, "markdown")[-1])
    if here > 0:
        assert f"]({NOTEBOOKS[here - 1].name})" in closing.partition("Previous:")[2]
    if here + 1 < len(NOTEBOOKS):
        assert f"]({NOTEBOOKS[here + 1].name})" in closing.partition("Next:")[2]


@each_notebook
def test_a_notebook_has_an_explorer_and_at_least_two_checked_exercises(path):
    graded = [cell["metadata"].get("nbgrader", {}) for cell in cells(path, "code")]
    assert sum(mark.get("solution", False) for mark in graded) >= 2
    assert sum(mark.get("grade", False) for mark in graded) >= 2
    assert "voice_agent_lab.lessons" in "\n".join(source(cell) for cell in cells(path, "code"))


# --- Code cells -----------------------------------------------------------------------------------


def is_solution(cell):
    return cell["metadata"].get("nbgrader", {}).get("solution", False)


@each_notebook
def test_code_cells_are_short(path):
    long = [
        f"cell {k}: {len(source(cell).splitlines())} lines"
        for k, cell in enumerate(cells(path))
        if cell["cell_type"] == "code" and not is_solution(cell) and len(source(cell).splitlines()) > 15
    ]
    assert long == []


@each_notebook
def test_no_cell_is_empty_and_none_ends_with_a_semicolon(path):
    wrong = [
        k
        for k, cell in enumerate(cells(path))
        if not source(cell).strip() or (cell["cell_type"] == "code" and source(cell).rstrip().endswith(";"))
    ]
    assert wrong == []


@each_notebook
def test_a_solution_is_the_body_of_a_documented_function(path):
    for cell in cells(path, "code"):
        if is_solution(cell):
            text = source(cell)
            assert text.count("# BEGIN SOLUTION") == text.count("# END SOLUTION") == 1
            assert re.search(
                r'def \w+\(.*?\).*?:\n( +)""".*?"""\n\1# BEGIN SOLUTION\n', text, flags=re.DOTALL
            )


def test_nbgrader_finds_valid_and_unique_exercises():
    seen = []
    for path in NOTEBOOKS:
        for cell in cells(path):
            mark = cell["metadata"].get("nbgrader")
            if mark is None:
                assert "BEGIN SOLUTION" not in source(cell), f"{path.name}: a solution without metadata"
                continue
            where = f"{path.name}: {mark.get('grade_id')}"
            assert mark["schema_version"] == 3, where
            assert re.fullmatch(r"[a-z0-9-]+", mark["grade_id"]), where
            assert mark["solution"] is not mark["grade"], where
            assert mark["locked"] is mark["grade"], where
            assert mark["task"] is False, where
            assert ("points" in mark) is mark["grade"], where
            assert mark.get("points", 1) > 0, where
            seen.append(mark["grade_id"])
    assert sorted(seen) == sorted(set(seen))


# --- What is committed ----------------------------------------------------------------------------


@each_notebook
def test_every_cell_was_run_once_from_the_top(path):
    counts = [cell["execution_count"] for cell in cells(path, "code")]
    assert counts == list(range(1, len(counts) + 1))


@each_notebook
def test_outputs_have_no_errors_no_warnings_and_no_widget_state(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert "widgets" not in notebook["metadata"]
    for cell in cells(path, "code"):
        expected = {"raises-exception"} & set(cell["metadata"].get("tags", ()))
        for output in cell["outputs"]:
            assert output["output_type"] != "error" or expected, source(cell)
            assert output.get("name") != "stderr", source(cell)
            assert not [kind for kind in output.get("data", {}) if "jupyter.widget" in kind]


@each_notebook
def test_every_picture_has_its_sentence(path):
    for cell in cells(path, "code"):
        for output in cell["outputs"]:
            if "image/png" in output.get("data", {}):
                text = "".join(output["data"]["text/plain"])
                assert len(text) > 20, source(cell)
                assert "<Figure" not in text, source(cell)
            html = "".join(output.get("data", {}).get("text/html", ""))
            for image in re.findall("<img [^>]*>", html):
                assert re.search('alt="[^"]{20}', image), source(cell)


def test_files_and_sounds_are_small():
    files = [path for path in (*COURSE.rglob("*"), ROOT / "README.md") if path.is_file()]
    files = [path for path in files if ".ipynb_checkpoints" not in path.parts]
    assert {path.name: path.stat().st_size for path in files if path.stat().st_size >= 900_000} == {}
    sounds = {path.name: path.stat().st_size for path in files if path.suffix in (".ogg", ".wav", ".flac")}
    for path in NOTEBOOKS:
        embedded = re.findall(r"data:audio/\w+;base64,([A-Za-z0-9+/=]*)", path.read_text(encoding="utf-8"))
        sounds |= {f"{path.name} {k}": len(base64.b64decode(data)) for k, data in enumerate(embedded)}
    assert {name: size for name, size in sounds.items() if size >= 60_000} == {}


def test_no_page_tells_where_it_was_made():
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?<![\w.])/(?:home|Users|root|tmp|work)/", text), path.name
