"""The one idea behind every explorer: controls, a pure function that draws, a picture with its numbers.

An explorer is declared by describing the controls at the function that draws::

    @explorer(timeout=slider("timeout (s)", 0.1, 2.0, 0.5), frame_ms=slider("frame (ms)", 10, 100, 20))
    def waiting(timeout, frame_ms):
        ...
        return figure, "With a timeout of 0.5 s the user waits 0.62 s."

``waiting()`` is then a new explorer, and ``waiting.draw(0.5, 20)`` one of its pictures.

The sentence stands under the picture, is its alternative text, and is what a saved notebook shows.
A picture is an ``<img>`` of fixed size, so that the page does not jump; nothing is drawn while a
slider is still moving. A value or combination that cannot be drawn raises ``ValueError`` in the
function, whose sentence then stands in the picture's place.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from html import escape

import ipywidgets as widgets
from matplotlib.figure import Figure

from voice_agent_lab.plots import png

_WIDE = widgets.Layout(width="42em")
_LABEL = {"description_width": "25em"}

Draw = Callable[..., tuple[Figure, str]]


@dataclass(frozen=True)
class Control:
    """What a person can set: how its widget is made, and how the widget's value becomes the argument."""

    make: Callable[[], widgets.Widget]
    read: Callable[[object], object] = lambda value: value


def slider(label: str, low: float, high: float, value: float, step: float | None = None) -> Control:
    """Describe a slider that reports a number when it is let go.

    The number is rounded to the nanosecond, so that 0.1 + 0.2 on a slider is 0.3 for whoever draws.

    Parameters
    ----------
    label : str
        What it sets, with the unit.
    low, high, value : float
        Its ends and where it starts; whole numbers give a slider of whole numbers.
    step : float, optional
        A twentieth of the range rounded to two digits, or 1 for whole numbers, if not given.
    """
    whole = all(isinstance(number, int) for number in (low, high, value, step or 1))
    kind = widgets.IntSlider if whole else widgets.FloatSlider
    step = step or (1 if whole else float(f"{(high - low) / 20:.2g}"))
    options = {} if whole else {"readout_format": ".2f"}

    def make() -> widgets.Widget:
        return kind(
            value=value, min=low, max=high, step=step, description=label,
            continuous_update=False, layout=_WIDE, style=_LABEL, **options,
        )  # fmt: skip

    return Control(make, lambda number: number if whole else round(number, 9))


def choice(label: str, options: Sequence, value: object) -> Control:
    """Describe a drop-down list."""
    return Control(
        lambda: widgets.Dropdown(
            description=label, options=list(options), value=value, layout=_WIDE, style=_LABEL
        )
    )


def switch(label: str, value: bool = False) -> Control:
    """Describe a check box."""
    return Control(lambda: widgets.Checkbox(description=label, value=value, indent=False, layout=_WIDE))


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
    controls : dict of str to widget
        The widgets that a person moves.
    widget : VBox
        The controls, the picture and the sentence, one below the other.
    sentence : str
        The numbers of the picture that is shown.
    """

    def __init__(self, draw: Draw, **controls: Control) -> None:
        self.draw, self._read = draw, {name: control.read for name, control in controls.items()}
        self.controls = {name: control.make() for name, control in controls.items()}
        self._picture = widgets.HTML()
        self._text = widgets.HTML()
        self.widget = widgets.VBox([*self.controls.values(), self._picture, self._text])
        for widget in self.controls.values():
            widget.observe(lambda _: self._update(), names="value")
        self._update()

    def set(self, **values: object) -> str:
        """Set controls as a person would, one after the other; return the sentence that then shows."""
        for name, value in values.items():
            if name not in self.controls:
                raise ValueError(f"there is no control {name!r}; there are {', '.join(self.controls)}")
            self.controls[name].value = value
        return self.sentence

    def _update(self) -> None:
        values = {name: self._read[name](widget.value) for name, widget in self.controls.items()}
        try:
            figure, self.sentence = self.draw(**values)
        except ValueError as error:
            self.sentence = str(error)
            self._picture.value = ""
        else:
            self._picture.value = _image(figure, self.sentence)
        self._text.value = f'<p aria-live="polite" style="max-width:52em">{escape(self.sentence)}</p>'

    def __repr__(self) -> str:
        return self.sentence

    def _repr_mimebundle_(self, **options: object) -> dict:
        # The widget's own text would hold the whole picture; the sentence is what a reader needs.
        return {**self.widget._repr_mimebundle_(**options), "text/plain": self.sentence}


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


def _image(figure: Figure, sentence: str) -> str:
    width, height = (int(pixels) for pixels in figure.bbox.size)  # whole pixels, as the picture has them
    data = base64.b64encode(png(figure)).decode()
    return (
        f'<img alt="{escape(sentence)}" width="{width}" height="{height}" src="data:image/png;base64,{data}">'
    )
