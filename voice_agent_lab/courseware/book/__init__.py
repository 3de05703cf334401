"""The book: the solved course as static web pages, with a page for each module of the package.

Sphinx builds it, from a copy of the notebooks in which answers are folded, pictures have their
alternative text, and links that leave the course lead to the page of the module.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from voice_agent_lab.courseware.outputs import to_text
from voice_agent_lab.lessons.folder import course_folder
from voice_agent_lab.measure.writing import whole_folder

_HERE = Path(__file__).parent
_ANCHOR = re.compile(r'^<a id="([\w-]+)"></a>$', re.MULTILINE)
_LINK_TO_MODULE = re.compile(r"\]\(\.\./voice_agent_lab/([\w/]+?)(/__init__)?\.py\)")
_OTHER_LINK_OUT = re.compile(r"\[([^\[\]]+)\]\(\.\./[^()\s]*\)")
_LINK_TO_PAGE = re.compile(r"\[([^\[\]]+)\]\((\w+\.html)\)")


class BookError(Exception):
    """Sphinx warned of something, or failed."""


def build(folder: Path) -> Path:
    """Build the book.

    Parameters
    ----------
    folder : Path
        Where: a folder that is empty or does not exist.

    Returns
    -------
    Path
        Its first page.

    Raises
    ------
    BookError
        If Sphinx warns of anything: a broken link, a picture that is not there.
    OSError
        If the folder cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; move what is in it away, or name another folder")
    with whole_folder(folder) as begun, tempfile.TemporaryDirectory() as aside:
        pages = Path(aside) / "pages"
        write_pages(pages)
        command = ["-m", "sphinx", "--fail-on-warning", "--keep-going", "-q", "-b", "html"]
        run = subprocess.run(
            [sys.executable, *command, "-d", str(Path(aside) / "doctrees"), str(pages), str(begun)],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise BookError(run.stderr.replace(str(pages), "").strip())
        (begun / ".nojekyll").touch()  # or GitHub Pages leaves out what begins with an underscore
    return folder / "index.html"


def write_pages(folder: Path) -> None:
    """Write what Sphinx reads: its configuration, the notebooks and the pages of the course."""
    shutil.copytree(_HERE, folder, ignore=shutil.ignore_patterns("__init__.py", "__pycache__", "book.*"))
    course = course_folder()
    contents = []
    for path in sorted(course.glob("*.ipynb")):
        notebook = page_of(nbformat.read(path, as_version=4))
        (folder / path.name).write_text(to_text(notebook), encoding="utf-8")
        title = notebook.cells[0].source.splitlines()[0].removeprefix("# ").split(":")[0]
        contents.append(f"{path.stem[:2]} {title} <{path.stem}>")
    index = folder / "index.md"
    index.write_text(index.read_text("utf-8").replace("NOTEBOOKS", "\n".join(contents)), encoding="utf-8")
    for path in course.glob("*.md"):
        text = with_links_to_modules(path.read_text(encoding="utf-8"))
        (folder / path.name).write_text(text, encoding="utf-8")
    for name, files in (("static", _HERE.glob("book.*")), ("extra", course.glob("*.html"))):
        (folder / name).mkdir()
        for path in files:
            shutil.copy(path, folder / name / path.name)


def with_links_to_modules(text: str) -> str:
    """Return markdown of the course with links for the book: to modules' pages, and to named places."""

    def module(link: re.Match[str]) -> str:
        return f"](package/voice_agent_lab.{link[1].replace('/', '.')}.rst)"

    text = _LINK_TO_MODULE.sub(module, text)
    text = _OTHER_LINK_OUT.sub(r"\1", text)
    text = _LINK_TO_PAGE.sub(r'<a href="\2">\1</a>', text)
    return _ANCHOR.sub(r"(\1)=", text)


def page_of(notebook: NotebookNode) -> NotebookNode:
    """Return a solved notebook as a page of the book: answers folded, links that lead to pages of it.

    It is `notebook` itself that is changed.
    """
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = with_links_to_modules(cell.source)
            continue
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("solution"):
            _fold(cell, "input", "an answer")
        elif marks.get("grade"):
            _fold(cell, "output", "what the check says")
    return notebook


def _fold(cell: NotebookNode, part: str, what: str) -> None:
    cell.metadata["tags"] = [f"hide-{part}"]
    cell.metadata["mystnb"] = {"code_prompt_show": f"Show {what}", "code_prompt_hide": f"Hide {what}"}
