"""The figure of one wait and of what others would have reported for it."""

from matplotlib.figure import Figure

from voice_agent_lab.measure.reported import reported
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots.drawing import (
    STAGE_COLOURS,
    drawn_in_style,
    headline,
    new_figure,
    rows_only,
    text_width,
    units_per_pixel,
    write,
    write_near,
)

_SHADES = ("#d9d9d9", "#bfbfbf")


@drawn_in_style
def reported_beside_waited(turn: Turn) -> Figure:
    """Draw the parts of a wait and, below them, the stretches of it that each report counts.

    Parameters
    ----------
    turn : Turn
        Whose wait was measured.
    """
    reports, ended = reported(turn), turn.metrics.speech_ended
    figure, (axes,) = new_figure(1.25 + 0.42 * len(reports), left=2.55, right=0.6, top=0.55)
    wait = turn.metrics.voice_to_voice
    axes.set(xlim=(0, 1.02 * wait), xlabel="seconds since the end of speech")
    rows_only(axes, ["the user waits", *(one.name for one in reports)], ylim=(len(reports) + 0.5, -0.6))
    for part in turn.parts:
        shade = _SHADES[turn.parts.index(part) % 2]
        axes.barh(0, part.seconds, 0.7, left=part.start - ended, color=shade)
        if text_width(part.name) + 4 <= part.seconds / units_per_pixel(axes):
            write(axes, (part.start + part.end) / 2 - ended, 0, part.name, ha="center")
    for row, one in enumerate(reports, start=1):
        for k, (start, end) in enumerate(one.windows):
            shift = 0.12 * (k % 2) if len(one.windows) > 1 else 0.06  # so that an overlap shows
            axes.barh(row + shift - 0.06, end - start, 0.4, left=start - ended, color=STAGE_COLOURS["llm"])
    for row, seconds in enumerate([wait, *(one.seconds for one in reports)]):
        write_near(axes, f"{seconds:.2f} s", (1.02 * wait, row), (4, 0), weight="bold")
    counted = [one.seconds for one in reports]
    headline(figure, f"One wait of {wait:.2f} s, reported as {min(counted):.2f} to {max(counted):.2f} s")
    told = "; ".join(f"{one.name} {one.seconds:.2f} s" for one in reports)
    figure.set_label(f"What is reported of a wait of {wait:.2f} s: {told}.")
    return figure
