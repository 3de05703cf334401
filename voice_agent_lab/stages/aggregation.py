"""Aggregation: how much text the voice is given at a time.

A language model writes words, a voice speaks pieces. A word is there at once but sounds chopped; a
sentence sounds right but must be complete. The wait for a piece to be complete is a setting's, not a
service's.
"""

import re
from collections.abc import AsyncIterator

# A piece of each unit: up to the white space after a word, or after one that ends a clause or sentence.
_PIECES = {
    "word": re.compile(r"\s*\S+\s+"),
    "clause": re.compile(r"\s*\S.*?[.!?,;:]\s+", re.DOTALL),
    "sentence": re.compile(r"\s*\S.*?[.!?]\s+", re.DOTALL),
}


async def aggregate(text_stream: AsyncIterator[str], unit: str | int = "sentence") -> AsyncIterator[str]:
    """Yield speakable pieces of a stream of tokens.

    Parameters
    ----------
    text_stream : async iterator of str
        Tokens, spaces included.
    unit : {"word", "clause", "sentence"} or int
        What a piece is; a number stands for at least so many characters (the article's is 20).
        A piece ends with the white space after it, so a model that begins its tokens with their
        space has each piece wait for one token more. The last piece is yielded whatever its length.

    Raises
    ------
    ValueError
        If `unit` is none of these.
    """
    check_unit(unit)
    text = ""
    async for token in text_stream:
        text += token
        if isinstance(unit, int):
            if len(text) >= unit and text.strip():
                yield text
                text = ""
        else:
            while piece := _PIECES[unit].match(text):
                yield piece[0]
                text = text[piece.end() :]
    if text.strip():
        yield text


def check_unit(unit: str | int) -> str | int:
    """Return `unit` if `aggregate` can use it, else raise ValueError."""
    known = unit in _PIECES if isinstance(unit, str) else isinstance(unit, int) and unit > 0
    if known and not isinstance(unit, bool):
        return unit
    raise ValueError(
        f"aggregation is {unit!r}; use 'word', 'clause', 'sentence' or a positive number of characters"
    )
