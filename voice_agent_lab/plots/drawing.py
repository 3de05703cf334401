"""What all figures share: colours, style, pictures with alt text, and text that fits."""

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache, wraps
from html import escape
from importlib.resources import as_file, files
from math import isnan
from statistics import median
from typing import ParamSpec

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

from voice_agent_lab.measure.turn import Span
from voice_agent_lab.plots.fonts import every_character, families, quiet, writable

STAGE_COLOURS = {
    "user": "#CC79A7",
    "microphone": "#F0E442",
    "vad": "#ECB78C",
    "endpointing": "#D55E00",
    "asr": "#56B4E9",
    "llm": "#0072B2",
    "tool": "#999999",
    "aggregation": "#8CC0DC",
    "tts": "#E69F00",
    "playback": "#009E73",
    "agent": "#000000",
}
"""One colour for each stage: the eight of Okabe and Ito, which colour-blind people can tell apart.

The two stages without much time of their own have a lighter one: voice activity that of endpointing,
aggregation that of the language model. A tool, which few turns have, is grey.
"""

STATE_STAGES = {
    "listening": "microphone",
    "processing_speech": "asr",
    "thinking": "llm",
    "speaking": "playback",
    "interrupted": "agent",
}
"""The stage whose colour stands for each state of the agent."""

DPI = 100
SMALL = 8  # points
_LIGHTER = ("finalisation", "tokens", "chunks", "leading silence")
SINCE_OPENED = "seconds since the microphone opened"
_P = ParamSpec("_P")


class _Drawing(Figure):
    """A figure that a notebook shows as a picture with its alt text, which is also the plain text.

    The picture is HTML: JupyterLab and Voilà give none of their own pictures an alternative text.
    """

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        alt, (width, height) = alt_text(self), size(self)
        return {"text/html": image_tag(png(self), width, height, alt), "text/plain": alt}


@cache
def _style_parameters() -> matplotlib.RcParams:
    with as_file(files("voice_agent_lab") / "voice_agent_lab.mplstyle") as path:
        return matplotlib.rc_params_from_file(path, use_default_template=False)


@contextmanager
def style() -> Iterator[None]:
    """Make matplotlib draw in the course's style for as long as the context lasts."""
    with matplotlib.style.context(["default", _style_parameters()]):
        yield


def drawn_in_style(draw: Callable[_P, Figure]) -> Callable[_P, Figure]:
    """Make a function draw its figure in the course's style."""

    @wraps(draw)
    def styled(*args: _P.args, **kwargs: _P.kwargs) -> Figure:
        with style():
            return draw(*args, **kwargs)

    return styled


def alt_text(figure: Figure) -> str:
    """Return one or two sentences that say what a figure shows, with its numbers.

    They are kept as the figure's label (``figure.get_label()``).

    Raises
    ------
    ValueError
        If the figure has none: it was not drawn by this package.
    """
    if not figure.get_label():
        raise ValueError("figure has no alt text; give it one with figure.set_label(...)")
    return figure.get_label()


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG image at its own size and resolution; this package draws at 100 dpi.

    The same figure gives the same bytes.
    """
    buffer = io.BytesIO()
    with style(), every_character(figure):
        _Canvas(figure).print_png(buffer, metadata={"Software": None}, pil_kwargs={"compress_level": 2})
    return buffer.getvalue()


def size(figure: Figure) -> tuple[int, int]:
    """Return the width and height of a figure in pixels, as its picture has them."""
    width, height = (int(pixels) for pixels in figure.bbox.size)
    return width, height


def image_tag(picture: bytes, width: int, height: int, alt: str) -> str:
    """Return a PNG image as an HTML element, no wider than the place that it is in, with its alt text."""
    look = "max-width: 100%; height: auto; background: white"
    data = base64.b64encode(picture).decode()
    return (
        f'<img alt="{escape(alt)}" width="{width}" height="{height}" style="{look}" '
        f'src="data:image/png;base64,{data}">'
    )


class _Canvas(FigureCanvasAgg):
    """A canvas that shares its renderer with those of the same size.

    Matplotlib remembers for each renderer how large a text is, and most texts of a picture come again
    in the next one. A renderer is wiped before each drawing.
    """

    def get_renderer(self) -> RendererAgg:
        self.renderer = _renderer(*self.figure.bbox.size, self.figure.dpi)
        return self.renderer


@lru_cache(maxsize=8)
def _renderer(width: float, height: float, dpi: float) -> RendererAgg:
    return RendererAgg(width, height, dpi)


def new_figure(
    height: float,
    left: float = 1.15,
    right: float = 0.2,
    bottom: float = 0.5,
    top: float = 0.12,
    shares: Sequence[float] = (1,),
) -> tuple[Figure, list[Axes]]:
    """Return a figure, 8 inches wide, and its axes, one above the other over the same times.

    Parameters
    ----------
    height, left, right, bottom, top : float
        The figure's height and its margins, in inches.
    shares : sequence of float
        How the height is shared out among the axes, from the top.
    """
    figure, axes = _Drawing(figsize=(8, height), dpi=DPI), []
    gap = 0.2  # inches
    inches = (height - top - bottom - gap * (len(shares) - 1)) / sum(shares)
    edge = height - top
    for share in shares:
        edge -= share * inches
        place = (left / 8, edge / height, 1 - (left + right) / 8, share * inches / height)
        axes.append(figure.add_axes(place, sharex=axes[0] if axes else None))
        axes[-1].xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
        edge -= gap
    for upper in axes[:-1]:
        upper.tick_params("x", labelbottom=False)
    return figure, axes


def length(seconds: float) -> str:
    """Return a length of time for a person to read: "1.25 s", "20 ms", "not measured"."""
    if isnan(seconds):
        return "not measured"
    return f"{seconds:.2f} s" if seconds >= 0.0995 else f"{seconds * 1000:.0f} ms"


def total(spans: Sequence[Span]) -> str:
    """Return the summed length of spans for a person to read."""
    return length(sum(s.end - s.start for s in spans))


def counted(number: int, thing: str) -> str:
    """Return "1 turn", "2 turns"."""
    return f"{number} {thing}" + "s" * (number != 1)


def overview(names: Sequence[str], values: Sequence[float]) -> str:
    """Return a few values one by one, many by their range."""
    measured = [v for v in values if not isnan(v)]
    if len(values) <= 6 or not measured:
        return ", ".join(f"{name} {length(v)}" for name, v in zip(names, values, strict=True)) or "no turn"
    lost = len(values) - len(measured)
    return f"{length(min(measured))} to {length(max(measured))}, median {length(median(measured))}" + (
        f", {lost} not measured" if lost else ""
    )


def pixels(axes: Axes) -> float:
    """Return the width of the axes in pixels."""
    return axes.get_position().width * axes.figure.get_figwidth() * DPI


def units_per_pixel(axes: Axes) -> float:
    """Return how much of the x axis a pixel is."""
    start, end = axes.get_xlim()
    return (end - start) / pixels(axes)


@cache
def _advance(character: str, weight: str) -> float:
    """Return the width of a character in units of the font's size."""
    font = FontProperties(family=families(frozenset(character)), weight=weight, size=100)
    # Measured between bars, where a space keeps its width.
    with quiet():
        both, bars = (
            text_to_path.get_text_width_height_descent(text, font, False)[0]
            for text in (f"|{character}|", "||")
        )
    return (both - bars) / 100


def text_width(text: str, size: float = SMALL, weight: str = "normal") -> float:
    """Return the width of a text in pixels."""
    lines = writable(text).split("\n")
    return max(sum(_advance(character, weight) for character in line) for line in lines) * size * DPI / 72


def tint(stage: str, name: str = "") -> tuple[float, float, float]:
    """Return a stage's colour; what it does second is lighter."""
    white = 0.55 if name in _LIGHTER else 0.0
    red, green, blue = (c + (1 - c) * white for c in to_rgb(STAGE_COLOURS[stage]))
    return red, green, blue


def line_colour(stage: str) -> tuple[float, float, float]:
    """Return a stage's colour for thin lines: darkened until it has a contrast of 3:1 on white."""
    colour = tint(stage)
    while 1.05 / (_luminance(colour) + 0.05) < 3:
        red, green, blue = colour
        colour = (0.95 * red, 0.95 * green, 0.95 * blue)
    return colour


def _luminance(colour: tuple[float, float, float]) -> float:
    """Return a colour's relative luminance, as WCAG defines it."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ink(background: tuple[float, float, float]) -> str:
    """Return black or white, whichever is easier to read on a colour (WCAG's relative luminance)."""
    return "white" if _luminance(background) < 0.179 else "black"


def headline(figure: Figure, message: str) -> None:
    """Write the message of a figure above it: one sentence, 75 characters or fewer, in the top 0.3 inches."""
    figure.suptitle(message, x=0.5, y=1 - 0.07 / figure.get_figheight(), va="top", size=10, weight="bold")


def axis_end(reach: float, ends: Sequence[float]) -> float:
    """Return the first of `ends` that `reach` does not pass, so that an axis stays while little changes."""
    return next((end for end in ends if end >= reach), reach)


def write(axes: Axes, x: float, y: float, text: str, **look: object) -> None:
    """Write small text at a place in data coordinates."""
    axes.text(x, y, text, **{"size": SMALL, "va": "center_baseline", **look})


def write_above(axes: Axes, x: float, text: str, pixels: float = 0.0, ha: str = "center") -> None:
    """Write on top of the axes, a few pixels to the right of `x`."""
    place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset pixels"}
    axes.annotate(text, (x, 1), (pixels, 6), ha=ha, size=SMALL, **place)


def write_at(
    axes: Axes,
    x: str,
    y: str,
    place: tuple[float, float],
    offset: tuple[float, float],
    text: str,
    **look: object,
) -> None:
    """Write near a place whose coordinates are of the kinds `x` and `y`, such as "data"; offset in points."""
    axes.annotate(text, place, offset, xycoords=(x, y), textcoords="offset points", size=SMALL, **look)


def write_near(
    axes: Axes, text: str, place: tuple[float, float], points: tuple[float, float], **look: object
) -> None:
    """Write small text some points to the right of and above a place in data coordinates."""
    write_at(axes, "data", "data", place, points, text, **{"va": "center", "annotation_clip": False, **look})


def rows_only(axes: Axes, names: Sequence[str], **limits: object) -> None:
    """Name the rows 0, 1, ... instead of a y axis."""
    axes.set(yticks=[], **limits)
    axes.spines.left.set_visible(False)
    for y, name in enumerate(names):
        write(axes, -6 * units_per_pixel(axes), y, name, ha="right", size=9)


def write_beside(
    axes: Axes, x: float, y: float, text: str, ha: str, lines: Sequence[float] = (), **look: str
) -> None:
    """Write a text that begins (`ha` "left") or ends ("right") at `x`, and keep `lines` out of it."""
    width = text_width(text, **look) * units_per_pixel(axes)
    x += 6 * units_per_pixel(axes) * (1 if ha == "left" else -1)
    start = x if ha == "left" else x - width
    crossed = any(start < line < start + width for line in lines)
    if text:
        write(axes, x, y, text, ha=ha, bbox={"color": "white", "pad": 1} if crossed else None, **look)
