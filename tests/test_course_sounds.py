"""The sounds of the course are found from any folder, in a clone and in an installed package."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import voice_agent_lab
from voice_agent_lab.lessons.sounds import read_sound

PACKAGE = Path(voice_agent_lab.__file__).parent
NOTEBOOKS = PACKAGE.parent / "notebooks"
A_PATH = r"""["'](?:[\w.-]+/)*[\w-]+\.(?:ogg|wav|flac|csv|json|md|png|py|txt|npy)["']"""


def test_a_sound_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(read_sound("02-hello.ogg")[0]) > 0


def test_an_unknown_sound_is_named_with_those_that_there_are():
    with pytest.raises(
        ValueError, match=r"name is 'x\.ogg', which is no sound of the course; .*02-hello\.ogg"
    ):
        read_sound("x.ogg")


def test_a_sound_is_found_where_only_the_package_is_installed(tmp_path):
    installed = tmp_path / "site" / "voice_agent_lab"
    shutil.copytree(PACKAGE, installed, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(NOTEBOOKS, installed / "notebooks")
    program = "from voice_agent_lab.lessons.sounds import read_sound as r; print(len(r('02-hello.ogg')[0]))"
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout) == len(read_sound("02-hello.ogg")[0])


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_opens_no_file_by_a_path_from_its_own_folder(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    sounds = re.findall(r'read_sound\("([^"]+)"\)', sources)
    assert [name for name in sounds if len(read_sound(name)[0]) == 0] == []
    assert [name[1:-1] for name in re.findall(A_PATH, sources)] == sounds
    assert not re.search(r"\b(?:open|Path|chdir|getcwd|__file__)\b", sources)
