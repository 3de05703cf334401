"""The command ``voice-agent-lab``: the demonstration, the course, and the care of its notebooks."""

import argparse
import importlib.util
import os
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from voice_agent_lab import __version__, demo
from voice_agent_lab.demo import CommandError, say
from voice_agent_lab.lessons.folder import course_folder
from voice_agent_lab.measure.writing import write_whole
from voice_agent_lab.traces.trouble import TraceWarning
from voice_agent_lab.turns.answering import OVERLAPS

UNSOLVED, SOLVED = "voice-agent-lab-course", "voice-agent-lab-course-solved"
"""The folders of the copies of the course that the command makes."""

FIRST = "00_start_here.ipynb"
"""The notebook that opens."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        return status
    except CommandError as error:
        _say_at_last(f"voice-agent-lab: {error}")
        return 1
    except BrokenPipeError:  # whoever reads the output has seen enough
        _discard_output()
        return 0
    except KeyboardInterrupt:
        _say_at_last("voice-agent-lab: stopped")
        return 130


def _say_at_last(sentence: str) -> None:
    """Write a sentence to standard error, and give up what standard output cannot take."""
    with suppress(OSError):
        print(sentence, file=sys.stderr)  # noqa: T201
    try:
        sys.stdout.flush()
    except OSError:
        _discard_output()


def _discard_output() -> None:
    """Let nothing more be written to standard output, where Python would try to at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="voice-agent-lab", description="Take a voice agent apart, millisecond by millisecond."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("demo", help="three spoken questions, heard, answered and measured")
    command.add_argument(
        "--wav", nargs="+", metavar="FILE", help="your own recordings instead, a turn each (WAV, FLAC, OGG)"
    )
    command.add_argument("--simulate", action="store_true", help="simulated parts only; needs no extra")
    command.add_argument(
        "--real-time", action="store_true", help="run on the wall clock, not in virtual time"
    )
    command.add_argument(
        "--overlap", choices=OVERLAPS, default="concurrent", help="who waits for whom (default: concurrent)"
    )
    command.add_argument(
        "--mind",
        metavar="WHERE",
        help="a real language model: 'local' for a small one on this machine, or the URL of a server that "
        "speaks as OpenAI's does (key in OPENAI_API_KEY); runs on the wall clock",
    )
    command.add_argument("--model", metavar="NAME", help="what the server of --mind calls its model")
    command.add_argument(
        "--out", type=_folder, metavar="FOLDER", help="where to write (default: the next free demo-N)"
    )
    command.set_defaults(run=_demo)

    command = commands.add_parser(
        "course", help="open the course in JupyterLab, in a copy of your own in the current folder"
    )
    command.add_argument(
        "--solved", action="store_true", help="the edition with solutions and outputs, in another copy"
    )
    command.set_defaults(run=_course)

    command = commands.add_parser("check", help="hold an agent or your own trace against promises; for CI")
    command.add_argument("budgets", type=Path, metavar="BUDGETS.toml", help="what is promised, and of what")
    command.add_argument(
        "--trace", type=Path, metavar="FILE", help="judge this trace, whatever the file names"
    )
    command.add_argument("--junit", type=Path, metavar="FILE", help="write the verdicts as JUnit's XML")
    command.set_defaults(run=_check)

    command = commands.add_parser("progress", help="tell which exercises are answered in your copy")
    command.add_argument(
        "folder", nargs="?", type=_folder, metavar="FOLDER", help=f"the copy (default: {UNSOLVED})"
    )
    command.set_defaults(run=_progress)

    command = commands.add_parser("notebooks", help="execute the notebooks afresh and normalise their files")
    command.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="which (default: the whole course)"
    )
    command.add_argument("--check", action="store_true", help="change nothing; fail if anything would change")
    command.set_defaults(run=_notebooks)

    command = commands.add_parser("learners", help="write the notebooks without their solutions")
    command.add_argument(
        "--out", type=_folder, metavar="FOLDER", default=Path("learners"), help="where (default: learners)"
    )
    command.add_argument(
        "--colab", metavar="SOURCE", help="let each notebook install the package from there, in Google Colab"
    )
    command.add_argument(
        "--nbgrader",
        type=_folder,
        metavar="FOLDER",
        help="instead, write the course's source for nbgrader there: an assignment a notebook, with hidden tests",
    )
    command.set_defaults(run=_learners)

    command = commands.add_parser("book", help="build the course as web pages, with a page for each module")
    command.add_argument(
        "folder",
        nargs="?",
        type=_folder,
        metavar="FOLDER",
        default=Path("book"),
        help="where (default: book)",
    )
    command.set_defaults(run=_book)
    return parser


def _demo(options: argparse.Namespace) -> int:
    demo.run(
        recordings=options.wav or [],
        simulated=options.simulate,
        real_time=options.real_time,
        overlap=options.overlap,
        mind=options.mind,
        model=options.model,
        folder=options.out,
    )
    return 0


def _check(options: argparse.Namespace) -> int:
    from voice_agent_lab.gate import read_gate

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", TraceWarning)
            judgement = read_gate(options.budgets, options.trace).judge()
    except OSError as error:
        raise CommandError(f"cannot read {error.filename or options.budgets} ({error.strerror})") from error
    except ValueError as error:
        raise CommandError(str(error)) from error
    for warning in caught:
        print(f"voice-agent-lab: {warning.message}", file=sys.stderr)  # noqa: T201
    say(str(judgement))
    if options.junit:
        try:
            write_whole(options.junit, judgement.junit())
        except OSError as error:
            raise CommandError(f"cannot write {options.junit} ({error.strerror})") from error
    return 0 if judgement.passed else 1


def _need_the_course(*packages: str) -> None:
    """Say what to install if a package of the extra `course` is missing."""
    _need("course", *packages)


def _need(extra: str, *packages: str) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise CommandError(
                f'the {extra} needs {package}; pip install "voice-agent-lab[{extra}]" brings it'
            )


def _course(options: argparse.Namespace) -> int:
    _need_the_course("jupyterlab", "anywidget")
    from voice_agent_lab.courseware.editions import make_copy

    folder = _copy(SOLVED if options.solved else UNSOLVED)
    there = folder.is_dir() and any(folder.iterdir())
    try:
        written = make_copy(folder, solved=options.solved)
    except OSError as error:
        raise _cannot_copy(folder, error, "work in another folder") from error
    if not there:
        say(f"Your copy of the course is in {folder}.")
    else:
        added = f", with what was missing: {', '.join(path.name for path in written)}" if written else ""
        say(f"Your copy of the course in {folder} is opened as it is{added}.")
    return _open(folder / FIRST)


def _copy(name: str) -> Path:
    """Return the folder of a copy: that of the name here, or here, in a terminal that JupyterLab opened."""
    here = Path.cwd()
    return here if here.name == name and (here / FIRST).exists() else Path(name)


def _cannot_copy(folder: Path, error: OSError, remedy: str) -> CommandError:
    return CommandError(
        f"cannot write to {folder} ({error.strerror}); {remedy}" if error.strerror else str(error)
    )


def _open(notebook: Path) -> int:
    """Open a notebook in JupyterLab, with its folder as root; return the exit status when that has ended."""
    root = f"--ServerApp.root_dir={notebook.parent.resolve()}"
    with subprocess.Popen([sys.executable, "-m", "jupyterlab", root, str(notebook)]) as lab:
        while True:
            try:
                return lab.wait()
            except KeyboardInterrupt:  # JupyterLab has it too, and asks whether to shut down
                continue


def _progress(options: argparse.Namespace) -> int:
    from voice_agent_lab.courseware.progress import NoExercisesError, progress_of, table

    folder = options.folder or _copy(UNSOLVED)
    try:
        notebooks = progress_of(folder)
    except NoExercisesError as error:
        raise CommandError(str(error)) from error
    say(table(notebooks))
    return 1 if any(notebook.trouble for notebook in notebooks) else 0


def _notebooks(options: argparse.Namespace) -> int:
    _need_the_course("nbclient", "nbformat", "anywidget")
    from nbclient.exceptions import CellExecutionError  # takes a while to import

    from voice_agent_lab.courseware import cheat_sheet
    from voice_agent_lab.courseware.outputs import refresh

    changed = [] if options.files else cheat_sheet.refresh(check=options.check)
    for path in tqdm(options.files or sorted(course_folder().glob("*.ipynb")), unit="notebook"):
        try:
            path.open("rb").close()
        except OSError as error:
            raise CommandError(f"cannot read the notebook {path} ({error.strerror})") from error
        try:
            changed += refresh([path], check=options.check)
        except CellExecutionError as error:
            raise CommandError(f"a cell of {path} failed:\n{error}") from error
        except ValueError as error:  # nbformat's errors are values' errors
            raise CommandError(f"cannot read the notebook {path}: {error}") from error
        except OSError as error:
            raise CommandError(
                f"cannot execute or write the notebook {path} ({error.strerror}); it is as it was"
            ) from error
    for path in changed:
        say(f"{path}: {'would change' if options.check else 'written'}")
    return 1 if options.check and changed else 0


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("it is empty; give a folder")
    return Path(text)


def _learners(options: argparse.Namespace) -> int:
    _need_the_course("nbclient", "nbformat")
    from voice_agent_lab.courseware.editions import make_copy

    if options.nbgrader:
        return _assignments(options.nbgrader)
    try:
        if options.out.is_dir() and any(options.out.iterdir()):
            raise FileExistsError(
                f"{options.out} is not empty; move what is in it away, or choose another --out"
            )
        written = make_copy(options.out, colab=options.colab)
    except OSError as error:
        raise _cannot_copy(options.out, error, "choose another --out") from error
    say(f"{len(written)} notebooks without solutions in {options.out}")
    return 0


def _assignments(folder: Path) -> int:
    from voice_agent_lab.courseware.assignments import write_course

    try:
        written = write_course(folder)
    except OSError as error:
        raise _cannot_copy(folder, error, "name another folder") from error
    say(f"{len(written)} assignments in {folder / 'source'}; TEACHING.md tells how to grade with them")
    return 0


def _book(options: argparse.Namespace) -> int:
    _need("book", "nbformat", "sphinx", "myst_nb", "sphinx_book_theme", "numpydoc")
    from voice_agent_lab.courseware.book import BookError, build

    try:
        first = build(options.folder)
    except BookError as error:
        raise CommandError(f"the book was not built:\n{error}") from error
    except OSError as error:
        raise _cannot_copy(options.folder, error, "name another folder") from error
    say(f"The book begins with {first}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
