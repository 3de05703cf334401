"""The book: it builds without a warning, nothing in it leads nowhere, and it can be read, searched and heard.

Needs Chromium and the extras `book` and `browser`, and runs with ``-m teach``. The screenshots go to the
folder named by the environment variable ``SCREENSHOTS``, if it is set.
"""

import os
import shutil
import threading
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import nbformat
import pytest

from voice_agent_lab.cli import main
from voice_agent_lab.courseware.book import page_of, with_links_to_modules
from voice_agent_lab.lessons.folder import course_folder

NOTEBOOKS = sorted(course_folder().glob("*.ipynb"))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
PAGES = ["index", "00_start_here", "05_streaming_tts", "08_turn_taking", "glossary", "references", "package"]
PAGES += ["package/voice_agent_lab.measure.latency", "search"]


class Page(HTMLParser):
    """What a page links to, shows and names."""

    def __init__(self, text):
        super().__init__()
        self.links, self.names, self.pictures, self.sounds, self.folded = [], set(), [], 0, 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.names |= {found[key] for key in ("id", "name") if found.get(key)}
        self.links += [found[key] for key in ("href", "src") if found.get(key)]
        self.pictures += [found.get("alt", "")] if tag == "img" else []
        self.sounds += tag == "audio"
        self.folded += tag == "details"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[a](../voice_agent_lab/turns/agent.py)", "[a](package/voice_agent_lab.turns.agent.rst)"),
        ("[a](../voice_agent_lab/plots/__init__.py)", "[a](package/voice_agent_lab.plots.rst)"),
        ("[The README](../README.md)", "The README"),
        ("the [cheat sheet](cheat_sheet.html)", 'the <a href="cheat_sheet.html">cheat sheet</a>'),
        ('<a id="itu-g114"></a>', "(itu-g114)="),
        (
            "[00](00_start_here.ipynb), [gap](glossary.md#gap)",
            "[00](00_start_here.ipynb), [gap](glossary.md#gap)",
        ),
    ],
)
def test_links_of_the_course_become_links_of_the_book(before, after):
    assert with_links_to_modules(before) == after


def outputs_of(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_a_page_folds_answers_and_gives_pictures_their_alternative_text():
    notebook = page_of(nbformat.read(NOTEBOOKS[0], as_version=4))
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        assert ("hide-input" in cell.metadata.get("tags", [])) is bool(marks.get("solution"))
    pictures = [output.data.get("text/html", "") for output in outputs_of(notebook) if "data" in output]
    assert any(picture.startswith('<img alt="Timeline of a turn') for picture in pictures)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book") / "book"
    assert main(["book", str(folder)]) == 0  # which fails at any warning
    return folder


@pytest.fixture(scope="module")
def pages(book):
    found = [path for path in sorted(book.rglob("*.html")) if "_static" not in path.parts]
    return {path: Page(path.read_text(encoding="utf-8")) for path in found}


@pytest.mark.teach
def test_every_link_inside_the_book_leads_somewhere(book, pages):
    broken = []
    for path, page in pages.items():
        for link in page.links:
            address, place = urldefrag(link)
            if urlsplit(address).scheme or link.startswith("//"):
                continue
            target = (path.parent / unquote(urlsplit(address).path)).resolve() if address else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists() or (
                place and target in pages and unquote(place) not in pages[target].names
            ):
                broken.append((str(path.relative_to(book)), link))
    assert broken == []


@pytest.mark.teach
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_figure_and_sound_of_a_notebook_is_there_and_answers_are_folded(path, book, pages):
    cells = nbformat.read(path, as_version=4).cells
    data = [output.data for cell in cells for output in cell.get("outputs", []) if "data" in output]
    page = pages[book / f"{path.stem}.html"]
    figures = [one["text/plain"] for one in data if "image/png" in one]
    assert set(figures) <= {" ".join(alt.split()) for alt in page.pictures}
    assert page.sounds == sum("".join(one.get("text/html", "")).count("<audio") for one in data)
    exercises = [cell for cell in cells if "nbgrader" in cell.metadata]
    assert page.folded >= len(exercises)


@pytest.mark.teach
def test_there_is_a_page_for_every_module(book):
    import voice_agent_lab

    package = Path(voice_agent_lab.__file__).parent
    for path in package.rglob("*.py"):
        name = ".".join(("voice_agent_lab", *path.relative_to(package).with_suffix("").parts))
        name = name.removesuffix(".__init__")
        if "book.conf" not in name:
            assert (book / "package" / f"{name}.html").exists(), name


# --- In a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(book):
    handler = partial(SimpleHTTPRequestHandler, directory=str(book))
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(params=[(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")], ids=str)
def window(request, browser):
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page.route("**/*", lambda route: route.continue_() if "127.0.0.1" in route.request.url else route.abort())
    yield page
    page.close()


@pytest.mark.teach
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_its_window_and_an_audit_finds_nothing_serious(name, window, address, request):
    from axe_playwright_python.sync_playwright import Axe

    window.goto(f"{address}/{name}.html", wait_until="load")
    window.wait_for_timeout(300)
    if folder := os.environ.get("SCREENSHOTS"):
        case = request.node.callspec.id.replace("/", "-").replace("(", "").replace(")", "").replace(", ", "-")
        window.screenshot(path=Path(folder) / f"{case.replace(chr(39), '')}.png")
    assert window.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    found = Axe().run(window).response["violations"]
    serious = [
        (violation["id"], [node["target"] for node in violation["nodes"]][:5])
        for violation in found
        if violation["impact"] in ("critical", "serious")
    ]
    assert serious == []


@pytest.mark.teach
def test_the_search_finds_a_word_of_the_glossary(browser, address):
    page = browser.new_page()
    page.goto(f"{address}/search.html?q=backchannel")
    page.wait_for_selector("#search-results li a")
    found = page.eval_on_selector_all("#search-results li a", "links => links.map(link => link.href)")
    assert any("/glossary.html" in link for link in found)
    page.close()
