"""Audio pulled or pushed, in notebook 02: when each frame arrives, and how late it is.

Conventions
-----------
Frame ``k`` of duration ``d`` is *captured* when its last sample is: at ``(k + 1) * d`` seconds after
the microphone opened, whatever the reader does. How late it is counts from there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from math import ceil

import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.checks import check_seconds
from voice_agent_lab.lessons.sound_in_frames import write_near
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, length, new_figure


def arrivals(turn: Turn, frame_ms: float = 100) -> pd.DataFrame:
    """Return when the frames of the user's speech were captured, given to the recogniser, and done with.

    Parameters
    ----------
    turn : Turn
        The turn.
    frame_ms : float
        Duration of a frame in milliseconds.

    Returns
    -------
    DataFrame
        A row for each frame, numbered from 1; `captured`, `given`, `done` and `late` (from captured
        to done) in seconds.
    """
    seconds = frame_ms / 1000
    spoken = ceil(round(turn.metrics.speech_ended / seconds, 6))
    rows = [
        (round(k * seconds, 9), round(e.time - e.detail["took"], 9), e.time)
        for k, e in enumerate(turn.log.all("asr", "frame")[:spoken], 1)
    ]
    index = pd.RangeIndex(1, len(rows) + 1, name="frame")
    table = pd.DataFrame(rows, columns=["captured", "given", "done"], index=index)
    return table.assign(late=(table.done - table.captured).round(9))


@drawn_in_style
def pulled_and_pushed(pulled: pd.DataFrame, pushed: pd.DataFrame) -> Figure:
    """Draw how late the recogniser is with each frame, when it pulls them and when they are pushed.

    Parameters
    ----------
    pulled, pushed : DataFrame
        As `arrivals` gives them.

    Returns
    -------
    Figure
    """
    figure, (axes,) = new_figure(3.1, left=0.8, right=1.6)
    rows = (("pulled", pulled, "endpointing", "o"), ("pushed", pushed, "playback", "s"))
    top = 1.15 * max(0.1, pulled.late.max(), pushed.late.max())
    axes.set(
        xlim=(0, 1.03 * pulled.captured.iloc[-1]),
        ylim=(0, top),
        xlabel="frame captured (seconds since the microphone opened)",
        ylabel="seconds late",
    )
    heights = {name: table.late.iloc[-1] for name, table, _, _ in rows}
    near = abs(heights["pulled"] - heights["pushed"]) < 0.12 * top
    for name, table, stage, mark in rows:
        axes.plot(
            table.captured, table.late, f"{mark}-", color=STAGE_COLOURS[stage], markersize=4, clip_on=False
        )
        y = heights[name] + (0.07 * top if near and name == "pulled" else 0)
        words = f"{name}: {length(heights[name])} late"
        write_near(axes, "axes fraction", "data", (1, y), (4, 0), words, va="center")
    told = ", ".join(
        f"{name} {length(table.late.iloc[0])} late with the first frame "
        f"and {length(table.late.iloc[-1])} with the last"
        for name, table, _, _ in rows
    )
    figure.set_label(f"{len(pulled)} frames; {told}.")
    return figure


async def frame_times(
    wait: Callable[[int, float, float], Awaitable[None]],
    busy: Callable[[int], float],
    *,
    frames: int = 20,
    seconds: float = 0.1,
) -> list[float]:
    """Return when a reader gets each frame, in seconds since the microphone opened.

    Parameters
    ----------
    wait : callable
        Awaited as ``wait(k, opened, seconds)`` until frame `k` may be given out; `opened` is on the
        loop's clock.
    busy : callable
        How long the reader is busy after frame `k`, in seconds.
    frames : int
        How many to read.
    seconds : float
        Duration of a frame.
    """
    loop = asyncio.get_running_loop()
    opened, times = loop.time(), []
    for k in range(frames):
        await wait(k, opened, seconds)
        times.append(round(loop.time() - opened, 9))
        await asyncio.sleep(check_seconds("busy", busy(k)))
    return times
