"""The one idea behind every explorer: controls, a pure function that draws, a picture with its numbers.

An explorer is declared by describing the controls at the function that draws::

    @explorer(timeout=slider("timeout (s)", 0.1, 2.0, 0.5), frame_ms=slider("frame (ms)", 10, 100, 20))
    def waiting(timeout, frame_ms):
        ...
        return figure, "With a timeout of 0.5 s the user waits 0.62 s."

``waiting()`` is then a new explorer, and ``waiting.draw(0.5, 20)`` one of its pictures.

The sentence stands under the picture and is its alternative text. A value or combination that cannot be
drawn raises ``ValueError`` in the function: its sentence is then shown as a warning, and the last picture
stays, dimmed. So does any other error, which is a mistake in the function. The controls and the picture in
the page are in ``explorer.js``.

A notebook shows two things: the page, and before it a still of its picture, which a live page hides. A file
keeps the still, and is given the last one whenever the hand rests: a saved or exported notebook, where no
kernel answers a slider, shows the last picture.

The picture follows the hand. The page sends the newest values as soon as the kernel has taken the ones
before. The kernel takes them by noting them, and draws when it is at rest: so values that come while it
draws wait in one place, where a newer one replaces an older one.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from html import escape
from importlib.resources import files
from math import isfinite

import anywidget
import traitlets
from IPython.display import DisplayHandle, display
from matplotlib.figure import Figure

from voice_agent_lab.plots import image_tag, png, size

Draw = Callable[..., tuple[Figure, str]]
_HERE = files("voice_agent_lab.lessons")
REST = 0.5  # seconds: long enough that a hand has stopped, short enough to come before a person saves
_WITHOUT_A_KERNEL = "Run this cell to move the controls of this picture."


@dataclass(frozen=True)
class Control:
    """What a person can set.

    Attributes
    ----------
    label : str
        What it sets, with the unit; also its name for who cannot see it.
    value : object
        Where it starts.
    description : dict
        What the page must know to draw it: its kind, and its range or options.
    taken : callable
        Makes of what was set the value that is drawn; raises ``ValueError`` for what cannot be set.
    """

    label: str
    value: object
    description: dict
    taken: Callable[[object], object]


def slider(
    label: str, low: float, high: float, value: float, step: float | None = None, *, folded: bool = False
) -> Control:
    """Describe a slider.

    Its numbers are rounded to the nanosecond, so that 0.1 + 0.2 on a slider is 0.3 for whoever draws.

    Parameters
    ----------
    label : str
        What it sets, with the unit.
    low, high, value : float
        Its ends and where it starts; whole numbers give a slider of whole numbers.
    step : float, optional
        A twentieth of the range rounded to two digits, or 1 for whole numbers, if not given.
    folded : bool
        It is out of sight until a person asks for more controls.
    """
    whole = all(isinstance(number, int) for number in (low, high, value, step or 1))
    step = step or (1 if whole else float(f"{(high - low) / 20:.2g}"))

    def taken(number: float) -> float:
        if not isfinite(number):
            raise ValueError(f"{label} is {number!r}; it must be a number from {low} to {high}")
        within = min(max(number, low), high)
        return round(within) if whole else round(float(within), 9)

    about = {"kind": "slider", "low": low, "high": high, "step": step, "digits": 0 if whole else 2}
    return Control(label, taken(value), about | {"folded": folded}, taken)


def choice(label: str, options: Sequence, value: object, *, folded: bool = False) -> Control:
    """Describe a drop-down list."""

    def taken(option: object) -> object:
        if option not in options:
            raise ValueError(f"{label} is {option!r}; it must be one of {', '.join(map(repr, options))}")
        return option

    return Control(label, value, {"kind": "choice", "options": list(options), "folded": folded}, taken)


def switch(label: str, value: bool = False, *, folded: bool = False) -> Control:
    """Describe a check box."""
    return Control(label, value, {"kind": "switch", "folded": folded}, bool)


class Page(anywidget.AnyWidget):
    """What the kernel and the page know of an explorer, kept equal on both sides.

    Attributes
    ----------
    controls : list of dict
        The controls to draw: name, label and description of each.
    values : dict
        What they are set to.
    shown : dict
        The picture as PNG, its width, height and alternative text, the sentence under it, and whether
        that is a warning that the values are impossible.
    """

    _esm = _HERE.joinpath("explorer.js").read_text(encoding="utf-8")
    _css = _HERE.joinpath("explorer.css").read_text(encoding="utf-8")
    controls = traitlets.List().tag(sync=True)
    values = traitlets.Dict().tag(sync=True, echo_update=False)
    shown = traitlets.Dict().tag(sync=True)


class Explorer:
    """Controls, a picture and a sentence.

    Parameters
    ----------
    draw : callable
        Takes the controls' values by name; returns a `Figure` and a sentence of its numbers.
    **controls : Control
        The controls, under the names of `draw`'s arguments.

    Attributes
    ----------
    draw : callable
        As given.
    controls : dict of str to Control
        As given.
    values : dict of str to object
        What the controls are set to.
    page : Page
        The widget in the page.
    sentence : str
        The numbers of the picture that is shown, or why there is no new one.
    """

    def __init__(self, draw: Draw, **controls: Control) -> None:
        self.draw, self.controls = draw, controls
        self.values = {name: control.value for name, control in controls.items()}
        described = [{"name": k, "label": c.label} | c.description for k, c in controls.items()]
        self._picture: dict = {"picture": None, "width": 0, "height": 0, "alt": ""}
        self._waiting = False
        self._still: DisplayHandle | None = None
        self._rest: asyncio.TimerHandle | None = None
        self.page = Page(controls=described, values=self.values)
        self._update()
        self.page.observe(self._moved, names="values")

    def set(self, **values: object) -> str:
        """Set controls as a person would; return the sentence that then shows."""
        for name in values:
            if name not in self.controls:
                raise ValueError(f"there is no control {name!r}; there are {', '.join(self.controls)}")
        new = self.values | {name: self.controls[name].taken(value) for name, value in values.items()}
        if new != self.values:
            self.values = new
            self._update()
            self.page.values = new
        return self.sentence

    def _moved(self, change: dict) -> None:
        """Note what a person set; draw it at once, or in a kernel when it has taken this message."""
        new = {name: control.taken(change["new"][name]) for name, control in self.controls.items()}
        if new == self.values:
            return
        self.values = new
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._update()
            return
        if not self._waiting:
            self._waiting = True
            loop.call_soon(self._update)
        if self._rest:
            self._rest.cancel()
        self._rest = loop.call_later(REST, self._keep)

    def _update(self) -> None:
        self._waiting = False
        try:
            figure, self.sentence = self.draw(**self.values)
        except ValueError as error:
            self._warn(str(error))
            return
        except Exception as error:
            # Where a person moved a slider nobody else would see it.
            self._warn(f"This picture could not be drawn: {type(error).__name__}: {error}")
            raise
        width, height = size(figure)
        self._picture = {"picture": png(figure), "width": width, "height": height, "alt": self.sentence}
        self.page.shown = self._picture | {"sentence": self.sentence, "impossible": False}

    def _warn(self, sentence: str) -> None:
        """Show why there is no new picture; the last one stays."""
        self.sentence = sentence
        self.page.shown = self._picture | {"sentence": sentence, "impossible": True}

    def __repr__(self) -> str:
        return self.sentence

    def still(self) -> dict[str, str]:
        """Return the picture and its sentence as HTML, and the sentence as plain text, by media type."""
        picture = image_tag(**self._picture) if self._picture["picture"] else ""
        html = f'<div class="explorer-still">{picture}<p>{escape(self.sentence)}</p></div>'
        return {"text/html": html, "text/plain": self.sentence}

    def _keep(self) -> None:
        """Give the file the picture that is shown."""
        if self._still:
            self._still.update(self.still(), raw=True)

    def _ipython_display_(self) -> None:
        self._still = display(self.still(), raw=True, display_id=True)
        bundle, metadata = self.page._repr_mimebundle_()
        display({**bundle, "text/plain": _WITHOUT_A_KERNEL}, metadata=metadata, raw=True)


def explorer(**controls: Control) -> Callable[[Draw], Callable[[], Explorer]]:
    """Declare an explorer: describe the controls at the function that draws.

    Parameters
    ----------
    **controls : Control
        The controls, under the names of the function's arguments.
    """

    def declare(draw: Draw) -> Callable[[], Explorer]:
        def new() -> Explorer:
            return Explorer(draw, **controls)

        update_wrapper(new, draw, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())
        del new.__wrapped__  # its signature is its own
        new.draw = draw
        return new

    return declare
