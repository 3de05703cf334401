"""The command ``voice-agent-lab``: the demonstration, the course, and the care of its notebooks."""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from voice_agent_lab import __version__, demo
from voice_agent_lab.demo import CommandError, say
from voice_agent_lab.measure.writing import whole_folder
from voice_agent_lab.turns.answering import OVERLAPS


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
        "--out", type=_folder, metavar="FOLDER", help="where to write (default: the next free demo-N)"
    )
    command.set_defaults(run=_demo)

    command = commands.add_parser("course", help="open the notebooks in JupyterLab")
    command.set_defaults(run=_course)

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
    command.set_defaults(run=_learners)
    return parser


def _demo(options: argparse.Namespace) -> int:
    demo.run(
        recordings=options.wav or [],
        simulated=options.simulate,
        real_time=options.real_time,
        overlap=options.overlap,
        folder=options.out,
    )
    return 0


def course_folder() -> Path:
    """Return the folder of the notebooks: that of a clone, or the copy inside an installed package."""
    package = Path(__file__).parent
    for folder in (package.parent / "notebooks", package / "notebooks"):
        if (folder / "00_start_here.ipynb").exists():
            return folder
    raise CommandError("the notebooks are missing; install the package again, or work in a clone")


def _need_the_course(*packages: str) -> None:
    """Say what to install if a package of the extra `course` is missing."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise CommandError(f'the course needs {package}; pip install "voice-agent-lab[course]" brings it')


def _course(options: argparse.Namespace) -> int:
    _need_the_course("jupyterlab", "ipywidgets")
    folder = course_folder()
    if folder.parent == Path(__file__).parent:  # installed, not cloned: a copy to work in
        copy = Path("voice-agent-lab-course")
        if not copy.exists():
            try:
                with whole_folder(copy) as draft:
                    shutil.copytree(folder, draft, dirs_exist_ok=True)
            except OSError as error:
                raise CommandError(
                    f"cannot write to {copy} ({error.strerror}); work in another folder"
                ) from error
        folder = copy
    return subprocess.call([sys.executable, "-m", "jupyterlab", str(folder / "00_start_here.ipynb")])


def _notebooks(options: argparse.Namespace) -> int:
    _need_the_course("nbclient", "nbformat", "ipywidgets")
    from nbclient.exceptions import CellExecutionError  # takes a while to import

    from voice_agent_lab.courseware import refresh

    changed = []
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
    from voice_agent_lab.courseware import make_learners_edition

    try:
        written = make_learners_edition(course_folder(), options.out)
    except OSError as error:
        raise CommandError(
            f"cannot write to {options.out} ({error.strerror}); choose another --out"
            if error.strerror
            else str(error)
        ) from error
    say(f"{len(written)} notebooks without solutions in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
