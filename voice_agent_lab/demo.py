"""The demonstration: three spoken questions, heard, answered, spoken back, and measured.

A synthetic user (Piper) speaks, Silero hears when, Moonshine what; the language model is simulated;
Piper speaks the answer. Where a part is not installed another one stands in, and the demonstration
says so. In virtual time the real parts run as fast as they can, and what each computation took is
charged to the virtual clock. So a conversation of half a minute is timed in some ten seconds.
"""

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from math import isnan
from pathlib import Path
from typing import NamedTuple, NoReturn

from tqdm import tqdm

from voice_agent_lab.as_published import DEMO_BUDGETS
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.engines import VoiceFileError
from voice_agent_lab.measure.latency import format_seconds
from voice_agent_lab.measure.turn import Turn, turns_table
from voice_agent_lab.measure.writing import made_folder
from voice_agent_lab.published.article import PROMPTS
from voice_agent_lab.streams import StageError
from voice_agent_lab.traces.perfetto import chrome_trace
from voice_agent_lab.turns.agent import StreamingVoiceAgent

BETWEEN_TURNS = 1.0
"""Seconds between the end of an answer and the next question, as in the article's demonstration."""

FRAME_MS = 32  # 512 samples at 16 kHz, the window of the Silero detector

_TELEPHONE = """\
            (the recording holds nothing above 4 kHz, as over a telephone, and the recogniser was trained on
            wideband sound; record it at 16 kHz or more)"""


class CommandError(Exception):
    """What went wrong, in one sentence for the person at the terminal."""


def run(
    *,
    recordings: Sequence[str] = (),
    simulated: bool = False,
    real_time: bool = False,
    overlap: str = "concurrent",
    folder: Path | None = None,
) -> list[Turn]:
    """Hold the conversation, print what happened, and write it to a folder.

    Parameters
    ----------
    recordings : sequence of str
        Sound files of the user's own, a turn each; the article's three prompts if there are none.
    simulated : bool
        Use simulated parts only.
    real_time : bool
        Run on the wall clock instead of in virtual time.
    overlap : str
        The degree of overlap; see `StreamingVoiceAgent`.
    folder : Path, optional
        Where to write; the next free ``demo-N`` if not given.

    Raises
    ------
    CommandError
        If an extra is missing, a recording cannot be used or the folder cannot be written. Nothing
        is written then. Or if the output cannot be written.
    """
    if recordings and simulated:
        raise CommandError("--wav needs a real recogniser; leave out --simulate")
    if not all(recordings):
        raise CommandError("--wav has an empty file name; give a recording as WAV, FLAC or OGG")
    with _reserved(folder) as folder:
        if _earlier(folder):
            say(f"The files of an earlier run in {folder} will be replaced.")
        try:
            if simulated:
                agent, parts = _simulated_agent(overlap), ["Every part is simulated."]
            else:
                agent, parts = _real_agent(overlap, bool(recordings))
            notes = [_look_at(agent, recording) for recording in recordings]
            conversation = _converse(agent, recordings or PROMPTS, show_progress=real_time)
            asyncio.run(conversation) if real_time else simulate(conversation)
        except VoiceFileError as error:
            raise CommandError(str(error)) from error
        except ImportError as error:
            raise CommandError(f"{error}. Or try --simulate, which needs no extra") from error
        except StageError as error:
            raise CommandError(str(error.__cause__ if error.stage == "microphone" else error)) from error
        _write(agent, folder)
    for number, turn in enumerate(agent.turns, start=1):
        _print_turn(number, turn, notes[number - 1] if recordings else None)
    _print_all(agent.turns, parts, simulated, real_time, folder)
    return agent.turns


# --- The agents -----------------------------------------------------------------------------------


def _simulated_agent(overlap: str) -> StreamingVoiceAgent:
    return StreamingVoiceAgent(DEMO_BUDGETS, overlap=overlap)


def _real_agent(overlap: str, recorded: bool) -> tuple[StreamingVoiceAgent, list[str]]:
    """Return an agent of real parts, and the sentences that tell which they are."""
    from voice_agent_lab.engines import installed
    from voice_agent_lab.engines.files import RecordedUser
    from voice_agent_lab.engines.silero import SileroVAD

    vad = SileroVAD()
    asr, tts = installed.recogniser(), installed.voice()
    user = installed.Part(RecordedUser(), "recorded") if recorded else installed.user(asr.part)
    agent = StreamingVoiceAgent(
        DEMO_BUDGETS,
        overlap=overlap,
        audio=user.part,
        vad=vad,
        asr=asr.part,
        tts=tts.part,
        max_listening=90.0,  # longer than the longest recording
    )
    speaks = "is recorded" if recorded else f"speaks with {user.name}"
    told = [
        f"Real: the user {speaks}; Silero hears when, and {asr.name}, hears what; {tts.name} speaks the answer.",
        "Simulated: the language model, whose answers are samples.",
    ]
    reasons = dict.fromkeys(part.instead for part in (asr, tts, user) if part.instead)
    return agent, told + [f"Not the best parts: {reason}." for reason in reasons]


class _Notes(NamedTuple):
    """What there is to say of a recording: between which seconds of it speech ends, and a hint."""

    ends_between: tuple[float, float]
    ends: float
    hint: str


def _look_at(agent: StreamingVoiceAgent, recording: str) -> _Notes:
    """Find out what is wrong with a recording now, and not after the turns with the others."""
    from voice_agent_lab.engines.files import AudioFileError
    from voice_agent_lab.engines.sphinx import PocketSphinxASR, is_narrowband

    try:
        speech, samples = agent.audio.speech_for(recording), agent.audio.samples_for(recording)
    except AudioFileError as error:
        raise CommandError(str(error)) from error
    over_a_telephone = isinstance(agent.asr, PocketSphinxASR) and is_narrowband(samples)
    return _Notes(speech.ends_between, speech.ends, _TELEPHONE if over_a_telephone else "")


async def _converse(agent: StreamingVoiceAgent, inputs: Sequence[str], show_progress: bool) -> None:
    with tqdm(
        total=len(inputs), unit="turn", disable=not show_progress, bar_format="{desc} {bar} {n}/{total} turns"
    ) as bar:
        ticker = asyncio.create_task(_tick(bar, agent)) if show_progress else None
        for number, user_input in enumerate(inputs):
            if number:
                await asyncio.sleep(BETWEEN_TURNS)
            await agent.process_turn(user_input)
            bar.update()
        if ticker:
            ticker.cancel()


async def _tick(bar: "tqdm[NoReturn]", agent: StreamingVoiceAgent) -> None:
    """Show what the agent is doing and for how long, ten times a second."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        bar.set_description_str(f"{loop.time() - began:5.1f} s  {agent.state.value:<17}")
        await asyncio.sleep(0.1)


# --- What is written ------------------------------------------------------------------------------


@contextmanager
def _reserved(folder: Path | None) -> Iterator[Path]:
    """Make the folder, or the next free ``demo-N``, before a long conversation; unmake it if that fails."""
    with ExitStack() as stack:
        try:
            if folder and folder.exists() and not folder.is_dir():
                raise CommandError(f"{folder} is a file, not a folder; choose another --out")
            folder = stack.enter_context(made_folder(folder) if folder else _next_free())
            with tempfile.TemporaryFile(dir=folder):  # it may be there, and not for us
                pass
        except OSError as error:
            raise _cannot_write(folder or Path(error.filename or os.curdir), error) from error
        yield folder


@contextmanager
def _next_free() -> Iterator[Path]:
    """Make a folder ``demo-N`` that no other run has found free at the same moment; unmake it likewise."""
    for number in count(1):
        folder = Path(f"demo-{number}")
        try:
            folder.mkdir()
            break
        except FileExistsError:  # of an earlier run, or of one that runs now
            continue
    try:
        yield folder
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


def _cannot_write(folder: Path, error: OSError) -> CommandError:
    return CommandError(f"cannot write to {folder} ({error.strerror}); choose another --out")


def _earlier(folder: Path) -> list[Path]:
    """Return what an earlier run has written to a folder."""
    ours = re.compile(r"timeline-\d+\.png|events-\d+\.json|trace\.json|conversation\.wav")
    return [path for path in folder.glob("*.*") if ours.fullmatch(path.name) and path.is_file()]


def _write(agent: StreamingVoiceAgent, folder: Path) -> None:
    """Write everything to a draft in the folder first, so that nothing half-written is left if that fails."""
    try:
        with tempfile.TemporaryDirectory(prefix=".draft-", dir=folder) as draft:
            _draft(agent, Path(draft))
            earlier = _earlier(folder)
            written = [path.replace(folder / path.name) for path in sorted(Path(draft).iterdir())]
            for path in set(earlier) - set(written):  # it had more turns
                path.unlink()
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _draft(agent: StreamingVoiceAgent, folder: Path) -> None:
    from voice_agent_lab import plots  # matplotlib takes a while to import

    for number, turn in enumerate(agent.turns, start=1):
        (folder / f"timeline-{number}.png").write_bytes(plots.png(plots.turn_timeline(turn)))
        (folder / f"events-{number}.json").write_text(turn.log.to_json(), encoding="utf-8")
    (folder / "trace.json").write_text(chrome_trace(agent.turns), encoding="utf-8")
    agent.recording.write(folder / "conversation.wav")


# --- What is printed ------------------------------------------------------------------------------


def _print_turn(number: int, turn: Turn, notes: _Notes | None) -> None:
    say(f"\n=== Turn {number}: {turn.user_input} ===")
    metrics = turn.metrics
    how_sure = ""
    if notes:
        earliest, latest = (metrics.speech_ended - notes.ends + time for time in notes.ends_between)
        how_sure = f", between {earliest:.2f} and {latest:.2f} s"
    lines = [(time, f"partial   {text}") for time, text in turn.partials]
    if not isnan(metrics.speech_ended):
        lines.append((metrics.speech_ended, f"(the user has stopped speaking{how_sure})"))
    for time, line in sorted(lines):
        say(f"{_at(time)}  {line}")
    if isnan(metrics.speech_ended):
        say("            the end of the user's speech was not measured, and no wait that begins there")
    if not turn.transcript:
        say("            nothing was understood, so nothing is answered")
        if notes and notes.hint:
            say(notes.hint)
        return
    say(f"{_at(metrics.asr_complete)}  final     {turn.transcript}")
    say(f"{_at(metrics.playback_started)}  answer    {turn.reply}\n")
    say(f"{DEMO_BUDGETS.judge(turn.latencies)}\n")
    say(str(turn))
    for gap in turn.underruns:
        say(f"underrun at {gap.start:.3f} s for {format_seconds(gap.end - gap.start)}")


def _at(time: float) -> str:
    return f"{format_seconds(time):>10}"


def _print_all(turns: list[Turn], parts: list[str], simulated: bool, real_time: bool, folder: Path) -> None:
    columns = ["transcript", "time to first token", "time to first audio", "voice-to-voice"]
    table = turns_table(turns)[columns].rename(columns={"time to first audio": "time to first audio*"})
    say(f"\n=== All turns, in seconds ===\n{table.round(3).to_string(na_rep='not measured')}")
    say(
        "* the article's: from the final transcript. The user waits from the end of speech: voice-to-voice.\n"
    )
    for sentence in parts:
        say(sentence)
    if real_time:
        say("Measured on the wall clock.")
    elif simulated:
        say("Timed in virtual time.")
    else:
        say("Timed in virtual time, to which the real parts' computing time is charged.")
    say(f"Written to {folder}: timeline-N.png, events-N.json, conversation.wav (user left, agent right),")
    say("trace.json (for ui.perfetto.dev).")


def say(text: str) -> None:
    """Print a line, with an escape for what the terminal's encoding cannot show.

    Raises
    ------
    CommandError
        If the output cannot be written.
    """
    try:
        print(text, flush=True)  # noqa: T201
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)  # noqa: T201
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"cannot write the output ({error.strerror})") from error
