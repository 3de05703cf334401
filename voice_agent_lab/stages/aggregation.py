"""Aggregation: how much text the voice is given at a time.

A language model writes tokens, a voice speaks pieces. A word is there at once but sounds chopped; a
sentence sounds right but must be complete. The wait for a piece to be complete is a setting's, not a
service's.

A piece ends with the white space after it, so a model that begins its tokens with their space has each
piece wait for one token more. A script without spaces ends a piece with its own marks. What is no end
of a sentence, such as the dot of "Dr." or of "1.", is decided by the library sentencex (Wikimedia
Foundation), asked about the text so far and a word that could follow.
"""

from collections.abc import AsyncIterator, Callable

import regex
import sentencex

from voice_agent_lab.measure.words import word_ends

Cut = Callable[[str], int]
"""Given the text so far, returns how much of it is a piece; 0 if none is complete yet."""

Aggregation = Callable[[AsyncIterator[str]], AsyncIterator[str]]
"""An async generator function that is given the tokens and yields the pieces."""

_CLOSERS = r"""['"”’»)\]」』）】*_]*"""  # noqa: RUF001
_LINE = r"\S[ \t]*\n\s*"  # an item of a list has no mark at its end
_MARKS, _WIDE_MARKS = "[.!?।॥؟۔]", "[。！？]"  # noqa: RUF001
_PAUSES, _WIDE_PAUSES = "[.!?।॥؟۔,;:،]", "[。！？，；：、]"  # noqa: RUF001
_SENTENCE, _CLAUSE = (
    regex.compile(rf"{marks}{_CLOSERS}\s+|{wide}{_CLOSERS}|{_LINE}")
    for marks, wide in ((_MARKS, _WIDE_MARKS), (_PAUSES, _WIDE_PAUSES))
)
_NUMBERED = regex.compile(r"\s*\p{N}+\.\s*")
_DOT = regex.compile(r"\.\s*$")
_FOLLOWER = "Smith"  # may follow an abbreviation, and begins no sentence more than another


def aggregate(
    text_stream: AsyncIterator[str], unit: "str | int | Aggregation" = "sentence"
) -> AsyncIterator[str]:
    """Return the stream of speakable pieces of a stream of tokens.

    Parameters
    ----------
    text_stream : async iterator of str
        Tokens, spaces included.
    unit : {"word", "clause", "sentence"}, int or async generator function
        What a piece is. A number stands for at least so many characters (the article's is 20), up to
        the end of a word. A function is given the tokens and yields the pieces. The last piece is
        yielded whatever its length.

    Raises
    ------
    ValueError
        If `unit` is none of these.
    """
    check_unit(unit)
    if callable(unit):
        return unit(text_stream)
    return _pieces(text_stream, _by_length(unit) if isinstance(unit, int) else _CUTS[unit]())


async def _pieces(text_stream: AsyncIterator[str], cut: Cut) -> AsyncIterator[str]:
    text = ""
    async for token in text_stream:
        text += token
        while end := cut(text):
            yield text[:end]
            text = text[end:]
    if text.strip():
        yield text


def _closed(text: str, at: int) -> int:
    """Return where the piece ends whose last word ends at `at`; 0 while that word may go on."""
    end = len(text) - len(text[at:].lstrip())
    return 0 if at == len(text) else end


def _word(text: str) -> int:
    at = next(word_ends(text), None)
    return _closed(text, at) if at is not None else 0


def _by_length(characters: int) -> Cut:
    def cut(text: str) -> int:
        return next((end for at in word_ends(text) if (end := _closed(text, at)) >= characters), 0)

    return cut


def _at_marks(marks: "regex.Pattern[str]") -> Cut:
    judged = 0  # how much of the text holds no end of a piece, whatever follows

    def cut(text: str) -> int:
        nonlocal judged
        for mark in marks.finditer(text, judged):
            rest = text[mark.end() :]
            if _is_whole(text[: mark.end()], rest):
                judged = 0
                return mark.end()
            if not regex.match(r"\S+\s", rest):  # the next word may still change it
                break
            judged = mark.end()
        return 0

    return cut


def _is_whole(piece: str, rest: str) -> bool:
    """Return whether a text up to a mark and its white space is a piece, as far as the rest tells."""
    if _NUMBERED.fullmatch(piece):  # an item of a list begins
        return False
    if "\n" in piece[len(piece.rstrip()) :] or not _DOT.search(piece):
        return True
    follower = rest if regex.match(r"\S+\s", rest) else _FOLLOWER  # a word that may go on tells nothing
    reached = 0
    for segment in sentencex.segment("en", piece + follower):
        reached += len(segment)
        if reached >= len(piece):
            return reached == len(piece)
    return False


_CUTS: dict[str, Callable[[], Cut]] = {
    "word": lambda: _word,
    "clause": lambda: _at_marks(_CLAUSE),
    "sentence": lambda: _at_marks(_SENTENCE),
}


def check_unit(unit: "str | int | Aggregation") -> "str | int | Aggregation":
    """Return `unit` if `aggregate` can use it, else raise ValueError."""
    known = unit in _CUTS if isinstance(unit, str) else isinstance(unit, int) and unit > 0
    if callable(unit) or (known and not isinstance(unit, bool)):
        return unit
    raise ValueError(
        f"aggregation is {unit!r}; use 'word', 'clause', 'sentence', a positive number of characters or an "
        "async generator function of the tokens"
    )
