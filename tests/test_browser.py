"""JupyterLab in a real browser: the notebooks run, and a dragged slider changes its picture.

Needs Chromium and Playwright: ``pip install -e ".[browser]"`` and ``pytest -m browser``. The screenshots
go to the folder named by the environment variable ``SCREENSHOTS``, if it is set.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from voice_agent_lab.lessons.folder import course_folder

pytestmark = pytest.mark.browser

NOTEBOOKS = ["00_start_here", "01_latency_and_budgets", "06_the_orchestrator", "07_the_article_reproduced"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Give the address of a JupyterLab that serves a copy of the course."""
    root = tmp_path_factory.mktemp("course")
    shutil.copytree(course_folder(), root, dirs_exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}/lab"
    settings = tmp_path_factory.mktemp("settings") / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # Attach every cell's output, seen or not; the default attaches those in the window only.
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    environment = os.environ | {"JUPYTERLAB_SETTINGS_DIR": str(settings.parent.parent)}
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
        env=environment,
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
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_and_its_slider_moves_the_picture(lab, browser, name):
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.goto(f"{lab}/tree/{name}.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=90_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    # Widgets show only what a live kernel drew: they were not in the file.
    page.locator(".jp-Notebook .noUi-handle").first.wait_for(timeout=120_000, state="attached")
    page.wait_for_function(
        """() => [...document.querySelectorAll(".jp-Notebook .jp-CodeCell .jp-InputArea-prompt")]
            .every(prompt => /\\[\\d+\\]/.test(prompt.innerText))""",
        timeout=120_000,
    )
    assert page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]').count() == 0
    assert page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0

    explorer = page.locator(".widget-vbox", has=page.locator("img")).first
    explorer.scroll_into_view_if_needed()
    before = explorer.locator("img").first.get_attribute("src"), explorer.locator("p").last.inner_text()
    handle = explorer.locator(".noUi-handle").first
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 70, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    # The picture and its sentence come in two messages: wait until both have changed and agree.
    page.wait_for_function(
        """([explorer, [picture, sentence]]) => {
            const image = explorer.querySelector("img"), text = [...explorer.querySelectorAll("p")].at(-1)
            return image.src !== picture && text.innerText !== sentence && image.alt === text.innerText
        }""",
        arg=[explorer.element_handle(), before],
        timeout=20_000,
    )
    _screenshots(page, name)
    page.close()


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_the_cheat_sheet_prints_on_one_sheet_of_paper(browser, paper):
    page = browser.new_page()
    page.goto((course_folder() / "cheat_sheet.html").as_uri())
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=paper))) == 1
    page.close()


def _screenshots(page, name):
    folder = os.environ.get("SCREENSHOTS")
    if not folder:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    page.screenshot(path=f"{folder}/{name}-explorer.png")
    page.locator(".jp-Cell").first.scroll_into_view_if_needed()
    page.screenshot(path=f"{folder}/{name}-top.png")
