"""The demonstration: three spoken questions, heard, answered, spoken back, and measured.

A synthetic user (eSpeak NG) speaks, Silero hears when, PocketSphinx what; the language model is
simulated; eSpeak NG speaks the answer. In virtual time the real parts run as fast as they can, and
what each computation took is charged to the virtual clock. So a conversation of half a minute is
timed in a few seconds.
"""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from voice_agent_lab.as_published import DEMO_BUDGETS
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.latency import format_seconds
from voice_agent_lab.measure.turn import Turn, turns_table
from voice_agent_lab.published.article import PROMPTS
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.streams import StageError
from voice_agent_lab.traces.perfetto import chrome_trace
from voice_agent_lab.turns.agent import StreamingVoiceAgent

BETWEEN_TURNS = 1.0
"""Seconds between the end of an answer and the next question, as in the article's demonstration."""

FRAME_MS = 32  # 512 samples at 16 kHz, the window of the Silero detector


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
        is written then.
    """
    if recordings and simulated:
        raise CommandError("--wav needs a real recogniser; leave out --simulate")
    if not all(recordings):
        raise CommandError("--wav has an empty file name; give a recording as WAV, FLAC or OGG")
    folder = folder or next(path for n in count(1) if not (path := Path(f"demo-{n}")).exists())
    _check_writable(folder)
    if _earlier(folder):
        _say(f"The files of an earlier run in {folder} will be replaced.")
    try:
        agent = _simulated_agent(overlap) if simulated else _real_agent(overlap, bool(recordings))
        conversation = _converse(agent, recordings or PROMPTS, show_progress=real_time)
        asyncio.run(conversation) if real_time else simulate(conversation)
    except ImportError as error:
        raise CommandError(f"{error}. Or try --simulate, which needs no extra") from error
    except StageError as error:
        raise CommandError(str(error.__cause__ if error.stage == "microphone" else error)) from error
    _write(agent, folder)
    for number, turn in enumerate(agent.turns, start=1):
        _print_turn(number, turn)
    _print_all(agent.turns, simulated, real_time, folder)
    return agent.turns


# --- The agents -----------------------------------------------------------------------------------


def _simulated_agent(overlap: str) -> StreamingVoiceAgent:
    return StreamingVoiceAgent(DEMO_BUDGETS, overlap=overlap)


def _real_agent(overlap: str, recorded: bool) -> StreamingVoiceAgent:
    from voice_agent_lab.engines.espeak import ESpeakTTS, ESpeakUser
    from voice_agent_lab.engines.files import RecordedUser
    from voice_agent_lab.engines.silero import SileroVAD
    from voice_agent_lab.engines.sphinx import PocketSphinxASR

    user: AudioInputStream = (RecordedUser if recorded else ESpeakUser)(chunk_duration_ms=FRAME_MS)
    return StreamingVoiceAgent(
        DEMO_BUDGETS,
        overlap=overlap,
        audio=user,
        vad=SileroVAD(),
        asr=PocketSphinxASR(),
        tts=ESpeakTTS(),
        max_listening=90.0,  # longer than the longest recording
    )


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


def _check_writable(folder: Path) -> None:
    """Find out before a long conversation, not after it, that its files cannot be written."""
    if folder.exists() and not folder.is_dir():
        raise CommandError(f"{folder} is a file, not a folder; choose another --out")
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise CommandError(f"cannot write to {nearest}; choose another --out")


def _earlier(folder: Path) -> list[Path]:
    """Return what an earlier run has written to a folder."""
    ours = re.compile(r"timeline-\d+\.png|events-\d+\.json|trace\.json|conversation\.wav")
    return [path for path in folder.glob("*.*") if ours.fullmatch(path.name) and path.is_file()]


def _write(agent: StreamingVoiceAgent, folder: Path) -> None:
    """Write everything to a draft first, so that nothing half-written is left if that fails."""
    try:
        with tempfile.TemporaryDirectory() as draft:
            _draft(agent, Path(draft))
            folder.mkdir(parents=True, exist_ok=True)
            earlier = _earlier(folder)
            written = [Path(shutil.copy(path, folder)) for path in Path(draft).iterdir()]
            for path in set(earlier) - set(written):  # it had more turns
                path.unlink()
    except OSError as error:
        raise CommandError(f"cannot write to {folder} ({error.strerror}); choose another --out") from error


def _draft(agent: StreamingVoiceAgent, folder: Path) -> None:
    from voice_agent_lab import plots  # matplotlib takes a while to import

    for number, turn in enumerate(agent.turns, start=1):
        (folder / f"timeline-{number}.png").write_bytes(plots.png(plots.turn_timeline(turn)))
        (folder / f"events-{number}.json").write_text(turn.log.to_json(), encoding="utf-8")
    (folder / "trace.json").write_text(chrome_trace(agent.turns), encoding="utf-8")
    agent.recording.write(folder / "conversation.wav")


# --- What is printed ------------------------------------------------------------------------------


def _print_turn(number: int, turn: Turn) -> None:
    _say(f"\n=== Turn {number}: {turn.user_input} ===")
    metrics = turn.metrics
    lines = [(time, f"partial   {text}") for time, text in turn.partials]
    lines.append((metrics.speech_ended, "(the user has stopped speaking)"))
    for time, line in sorted(lines):
        _say(f"  {time:6.3f} s  {line}")
    if not turn.transcript:
        _say("            nothing was understood, so nothing is answered")
        return
    _say(f"  {metrics.asr_complete:6.3f} s  final     {turn.transcript}")
    _say(f"  {metrics.playback_started:6.3f} s  answer    {turn.reply}\n")
    _say(f"{DEMO_BUDGETS.judge(turn.latencies)}\n")
    _say(str(turn))
    for gap in turn.underruns:
        _say(f"underrun at {gap.start:.3f} s for {format_seconds(gap.end - gap.start)}")


def _print_all(turns: list[Turn], simulated: bool, real_time: bool, folder: Path) -> None:
    columns = ["transcript", "time to first token", "time to first audio", "voice-to-voice"]
    table = turns_table(turns)[columns].rename(columns={"time to first audio": "time to first audio*"})
    _say(f"\n=== All turns, in seconds ===\n{table.round(3).to_string(na_rep='not measured')}")
    _say(
        "* the article's: from the final transcript. The user waits from the end of speech: voice-to-voice.\n"
    )
    _say(
        "Every part is simulated."
        if simulated
        else "Speech, voice activity and recognition are real; the language model is simulated."
    )
    _say(
        "Measured on the wall clock."
        if real_time
        else "Timed in virtual time"
        + ("." if simulated else ", to which the real parts' computing time is charged.")
    )
    _say(f"Written to {folder}: timeline-N.png, events-N.json, conversation.wav (user left, agent right),")
    _say("trace.json (for ui.perfetto.dev).")


def _say(text: str) -> None:
    print(text)  # noqa: T201
