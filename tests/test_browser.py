"""The course in a real browser: notebooks run, pictures follow the hand, and nobody is shut out.

Needs Chromium and Playwright: ``pip install -e ".[browser]"`` and ``pytest -m browser``. The screenshots
go to the folder named by the environment variable ``SCREENSHOTS``, if it is set. How many pictures a second
come while a slider moves is printed and not judged here: it depends on what else the machine does.
"""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

from tests.benchmarks.explorers_report import found
from voice_agent_lab.lessons.folder import course_folder

pytestmark = pytest.mark.browser

EVERY_NOTEBOOK = sorted(path.stem for path in course_folder().glob("[0-9][0-9]_*.ipynb"))
NOTEBOOKS = ["00_start_here", "01_latency_and_budgets", "06_the_orchestrator", "07_the_article_reproduced"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
OURS = ".jp-OutputArea-output, .jp-MarkdownOutput"
ERRORS = ", ".join(f'[data-mime-type="application/vnd.jupyter.{kind}"]' for kind in ("error", "stderr"))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Give a copy of the course, with a notebook of all explorers beside it."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(course_folder(), folder, dirs_exist_ok=True)
    calls = [f"from voice_agent_lab.lessons.{name.replace('.', ' import ')}" for name in found()]
    calls = [f"{line}\n{name.split('.')[1]}()" for line, name in zip(calls, found(), strict=True)]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(call) for call in calls])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "explorers.ipynb")
    return folder


@pytest.fixture(scope="module")
def lab(root, tmp_path_factory):
    """Give the address of a JupyterLab that serves the course."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = tmp_path_factory.mktemp("settings") / "@jupyterlab"
    # Attach every cell's output, seen or not; the default attaches those in the window only.
    write_settings(settings / "notebook-extension" / "tracker", windowingMode="none")
    write_settings(settings / "apputils-extension" / "notification", fetchNews="false")
    options = [
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        "--ip=127.0.0.1",
        "--IdentityProvider.token=",
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={root}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"JUPYTERLAB_SETTINGS_DIR": str(settings.parent)},
    )
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api").close()
                break
            except OSError:
                time.sleep(0.25)
        else:
            pytest.fail("JupyterLab did not start within a minute")
        yield f"http://127.0.0.1:{port}/lab"
    finally:
        server.terminate()
        server.wait(timeout=30)


def write_settings(path, **settings):
    path.parent.mkdir(parents=True)
    path.with_suffix(".jupyterlab-settings").write_text(json.dumps(settings))


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def opened(browser, lab, name, width=1300):
    """Return the page of a notebook whose kernel is ready."""
    page = browser.new_page(viewport={"width": width, "height": 1000})
    page.goto(f"{lab}/tree/{name}.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=90_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)
    return page


def run_all(page):
    choose(page, "Run", "Run All Cells")
    # Only a live kernel shows controls: they were not in the file.
    page.locator(".jp-Notebook .explorer input").first.wait_for(timeout=120_000, state="attached")
    page.wait_for_function(
        """() => [...document.querySelectorAll(".jp-Notebook .jp-CodeCell .jp-InputArea-prompt")]
            .every(prompt => /\\[\\d+\\]/.test(prompt.innerText))""",
        timeout=240_000,
    )
    assert page.locator(ERRORS).count() == 0


def choose(page, *path):
    """Choose a command of the menu."""
    for name in path:
        page.get_by_role("menuitem", name=name, exact=True).click()


def assert_pictures_have_alternative_text(page):
    """Every picture of a figure is loaded and says what it shows, and there are some."""
    pictures = page.locator(".jp-OutputArea-output img").evaluate_all(
        "images => images.map(image => [image.naturalWidth, image.alt])"
    )
    assert pictures
    assert all(width > 100 and len(alt) > 20 for width, alt in pictures)


def assert_nobody_is_shut_out(page, *, but=()):
    """Axe-core finds nothing critical or serious in the text and the outputs, but for some of its rules."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    options = {"resultTypes": ["violations"], "rules": {rule: {"enabled": False} for rule in but}}
    violations = axe.run(page, OURS, options).response["violations"]
    grave = [each for each in violations if each["impact"] in ("critical", "serious")]
    assert not grave, [(each["id"], each["nodes"][0]["html"][:300], len(each["nodes"])) for each in grave]


def screenshot(page, name):
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_and_its_slider_moves_the_picture(lab, browser, name):
    page = opened(browser, lab, name)
    assert_pictures_have_alternative_text(page)  # those in the file
    run_all(page)
    assert_pictures_have_alternative_text(page)
    assert_nobody_is_shut_out(page)

    explorer = page.locator(".explorer").first
    explorer.scroll_into_view_if_needed()
    before = explorer.locator("img").get_attribute("src"), explorer.locator("p").inner_text()
    slider = explorer.locator("input[type=range]").first
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 70, box["y"] + box["height"] / 2, steps=8)
    # It follows the hand: the mouse is still down.
    page.wait_for_function(
        """([explorer, [picture, sentence]]) => {
            const image = explorer.querySelector("img"), text = explorer.querySelector("p")
            return image.src !== picture && text.innerText !== sentence && image.alt === text.innerText
        }""",
        arg=[explorer.element_handle(), before],
        timeout=20_000,
    )
    page.mouse.up()
    screenshot(page, f"{name}-explorer")
    page.locator(".jp-Cell").first.scroll_into_view_if_needed()
    screenshot(page, f"{name}-top")
    page.close()


# Moves a slider to and fro, as a hand would, until some pictures have come; notes when, and where they were.
SWEEP = """async ([explorer, pictures]) => {
    const image = explorer.querySelector("img"), slider = explorer.querySelector("input[type=range]")
    const times = [], tops = new Set(), began = performance.now()
    const watch = new MutationObserver(() => times.push(performance.now()))
    watch.observe(image, {attributeFilter: ["src"]})
    while (times.length < pictures && performance.now() - began < 60000) {
        const now = await new Promise(requestAnimationFrame)
        const share = (1 - Math.cos(2 * Math.PI * (now - began) / 3000)) / 2
        slider.value = +slider.min + share * (slider.max - slider.min)
        slider.dispatchEvent(new Event("input"))
        tops.add(image.getBoundingClientRect().top)
    }
    watch.disconnect()
    return {times, tops: tops.size, fits: image.clientWidth <= explorer.clientWidth}
}"""


def test_every_explorer_follows_the_hand_and_keeps_its_place(lab, browser, root, capsys):
    page = opened(browser, lab, "explorers", width=900)
    run_all(page)
    explorers = page.locator(".explorer")
    assert explorers.count() == len(found())
    rates = {}
    for name, explorer in zip(found(), explorers.all(), strict=True):
        explorer.scroll_into_view_if_needed()
        page.wait_for_timeout(1000)  # until the one before is at rest
        moved = page.evaluate(SWEEP, [explorer.element_handle(), 12])
        assert len(moved["times"]) >= 12, name
        assert moved["tops"] == 1, name
        assert moved["fits"], name
        gaps = [after - before for before, after in zip(moved["times"], moved["times"][1:], strict=False)]
        rates[name] = 1000 / statistics.median(gaps)
        screenshot(page, f"{name}-900")
    with capsys.disabled():
        print("\nPictures a second while a slider moves, in the median:")
        print("\n".join(f"{rate:6.1f}  {name}" for name, rate in rates.items()))

    assert_nobody_is_shut_out(page)
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.locator(".lm-Menu-itemLabel", has_text="Theme").first.hover()
    choose(page, "JupyterLab Dark")
    page.locator('body[data-jp-theme-light="false"]').wait_for(state="attached")
    assert_nobody_is_shut_out(page)
    screenshot(page, "explorers-dark")

    # The file keeps the last picture, which is there when it is opened again without the widgets.
    texts = [text.inner_text() for text in page.locator(".explorer p").all()]
    page.locator(".jp-Notebook .jp-CodeCell").first.press("Control+s")
    page.wait_for_timeout(5000)
    page.close()
    outputs = [cell.outputs for cell in nbformat.read(root / "explorers.ipynb", 4).cells]
    assert [still.data["text/plain"] for still, _ in outputs] == texts
    page = opened(browser, lab, "explorers")
    assert_pictures_have_alternative_text(page)
    page.close()


def test_a_combination_that_is_impossible_warns_and_keeps_the_picture(lab, browser):
    page = opened(browser, lab, "explorers", width=1400)
    run_all(page)
    explorer = page.locator(".explorer", has=page.get_by_label("endpointing: silence timeout (s)"))
    explorer.get_by_label("endpointing: silence timeout (s)").focus()
    page.keyboard.press("Home")
    warning = explorer.locator(".explorer-warning")
    warning.wait_for()
    assert "cuts the user off" in warning.inner_text()
    assert explorer.locator("img").is_visible()
    screenshot(page, "impossible")
    page.keyboard.press("End")
    warning.wait_for(state="hidden")
    page.close()


@pytest.mark.parametrize("name", EVERY_NOTEBOOK)
def test_an_exported_notebook_shows_every_picture_with_its_alternative_text(browser, tmp_path, name):
    nbconvert = pytest.importorskip("nbconvert")
    html, _ = nbconvert.HTMLExporter().from_filename(str(course_folder() / f"{name}.ipynb"))
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    page = browser.new_page(viewport={"width": 900, "height": 1000})
    page.route("http*://**", lambda route: route.abort())  # its formulas and scripts are elsewhere
    page.goto((tmp_path / "page.html").as_uri())
    assert_pictures_have_alternative_text(page)
    assert_nobody_is_shut_out(page, but=["link-in-text-block"])  # nbconvert underlines no link
    screenshot(page, f"{name}-exported")
    page.close()
