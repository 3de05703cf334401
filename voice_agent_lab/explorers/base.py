"""The one idea behind every explorer: controls, a pure function that draws, a picture with its numbers.

An explorer is made like this::

    def draw(timeout, frame_ms):
        ...
        return figure, "With a timeout of 0.5 s the user waits 0.62 s."

    Explorer(draw, timeout=slider("timeout (s)", 0.1, 2.0, 0.5), frame_ms=slider("frame (ms)", 10, 100, 20))

The sentence stands under the picture, is its alternative text, and is what a saved notebook shows.
A picture is an ``<img>`` of fixed size, so that the page does not jump; nothing is drawn while a
slider is still moving. A value or combination that cannot be drawn raises ``ValueError`` in `draw`,
whose sentence then stands in the picture's place.
"""

import base64
from collections.abc import Callable, Sequence
from html import escape

import ipywidgets as widgets
from matplotlib.figure import Figure

from voice_agent_lab.plots import png

_WIDE = widgets.Layout(width="42em")
_LABEL = {"description_width": "25em"}


def slider(label: str, low: float, high: float, value: float, step: float | None = None) -> widgets.Widget:
    """Return a slider that reports a number when it is let go.

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
    return kind(
        value=value, min=low, max=high, step=step, description=label,
        continuous_update=False, layout=_WIDE, style=_LABEL, **options,
    )  # fmt: skip


def choice(label: str, options: Sequence, value: object) -> widgets.Widget:
    """Return a drop-down list."""
    return widgets.Dropdown(description=label, options=list(options), value=value, layout=_WIDE, style=_LABEL)


def switch(label: str, value: bool = False) -> widgets.Widget:
    """Return a check box."""
    return widgets.Checkbox(description=label, value=value, indent=False, layout=_WIDE)


class Explorer:
    """Controls, a picture and a sentence.

    Parameters
    ----------
    draw : callable
        Takes the controls' values by name; returns a `Figure` and a sentence of its numbers.
    **controls : widget
        The controls, under the names of `draw`'s arguments.

    Attributes
    ----------
    sentence : str
        The numbers of the picture that is shown.
    """

    def __init__(self, draw: Callable[..., tuple[Figure, str]], **controls: widgets.Widget) -> None:
        self._draw = draw
        self.controls = controls
        self._picture = widgets.HTML()
        self._text = widgets.HTML()
        self._widget = widgets.VBox([*controls.values(), self._picture, self._text])
        for control in controls.values():
            control.observe(lambda _: self._update(), names="value")
        self._update()

    def set(self, **values: object) -> str:
        """Set controls as a person would, one after the other; return the sentence that then shows."""
        for name, value in values.items():
            if name not in self.controls:
                raise ValueError(f"there is no control {name!r}; there are {', '.join(self.controls)}")
            self.controls[name].value = value
        return self.sentence

    def _update(self) -> None:
        values = {name: control.value for name, control in self.controls.items()}
        try:
            figure, self.sentence = self._draw(**values)
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
        return {**self._widget._repr_mimebundle_(**options), "text/plain": self.sentence}


def _image(figure: Figure, sentence: str) -> str:
    width, height = (int(pixels) for pixels in figure.bbox.size)  # whole pixels, as the picture has them
    data = base64.b64encode(png(figure)).decode()
    return (
        f'<img alt="{escape(sentence)}" width="{width}" height="{height}" src="data:image/png;base64,{data}">'
    )
