"""Fonts for whatever people say: what the course's own font lacks is taken from another on the machine.

Matplotlib brings one font for text, without Chinese, Japanese, Korean and many other scripts. Where the
machine has a font for them it is used for those characters. Where it has none they stay boxes, and a
warning for each of them would help nobody.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

FAMILY = "DejaVu Sans"
"""The course's own font; matplotlib brings it."""


@cache
def families(characters: frozenset[str]) -> list[str]:
    """Return the fonts that have certain characters between them, the course's own first.

    Parameters
    ----------
    characters : frozenset of str
        What is to be written.
    """
    found, missing = [FAMILY], _lacking(findfont(FAMILY), characters)
    others = sorted((font.name, font.fname) for font in fontManager.ttflist if font.weight in (400, "normal"))
    for name, path in others:
        if not missing:
            break
        if name.startswith("Last Resort"):  # it has a box for every character
            continue
        still = _lacking(path, missing)
        if still < missing:
            found.append(name)
            missing = still
    return found


def _lacking(path: str, characters: frozenset[str]) -> frozenset[str]:
    """Return the characters, other than spaces, that a font has no glyph for."""
    try:
        has = FT2Font(path).get_charmap()
    except (OSError, RuntimeError):  # a broken font
        return characters
    return frozenset(c for c in characters if ord(c) not in has and not c.isspace())


def writable(text: str) -> str:
    """Return a text with an escape for half a surrogate pair, as a file name that is not UTF-8 has."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@contextmanager
def every_character(figure: Figure) -> Iterator[None]:
    """Have each text of a figure drawn in fonts that have its characters, if there are any."""
    for text in figure.findobj(Text):
        text.set_text(writable(text.get_text()))
        fonts = families(frozenset(text.get_text()))
        if len(fonts) > 1:
            text.set_fontfamily(fonts)
    with quiet():
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out matplotlib's warnings for a character that no font has, or a script that it cannot set."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from")
        warnings.filterwarnings("ignore", r"Matplotlib currently does not support .* natively")
        yield
