"""What a word is, in scripts that put spaces between words and in scripts that do not.

Chinese, Japanese, Thai, Lao, Khmer and Burmese are written without spaces. There each character, with
the marks and punctuation that belong to it, counts as a word: finer than a word, and never longer.
"""

import unicodedata
from collections.abc import Iterable, Iterator

import regex  # knows the scripts of Unicode, as `re` does not

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = regex.compile(
    rf"[\p{{Ps}}\p{{Pi}}]*(?:[{_UNSPACED}ー]\p{{M}}*\p{{P}}*|[^\s{_UNSPACED}ー]+)"  # noqa: RUF001: it lengthens a Kana
)
_ENDS_UNSPACED = regex.compile(rf"[{_UNSPACED}ー]\p{{M}}*\p{{P}}*$")
_BEGINS_UNSPACED = regex.compile(rf"[\p{{Ps}}\p{{Pi}}]*[{_UNSPACED}ー]")


def words(text: str) -> list[str]:
    """Return the words of a text, each with its punctuation.

    Examples
    --------
    >>> words("Hello there, it is 2:30 PM.")
    ['Hello', 'there,', 'it', 'is', '2:30', 'PM.']
    >>> words("今天天气很好。")
    ['今', '天', '天', '气', '很', '好。']
    """
    return [match[0] for match in _WORD.finditer(text)]


def word_ends(text: str) -> Iterator[int]:
    """Yield the place in `text` after each of its `words`."""
    return (match.end() for match in _WORD.finditer(text))


def joined(parts: Iterable[str]) -> str:
    """Return words put together as they are written: with a space where their script has one."""
    text = ""
    for part in parts:
        unspaced = _ENDS_UNSPACED.search(text[-8:]) and _BEGINS_UNSPACED.match(part)
        text += part if not text or unspaced else f" {part}"
    return text


def same_words(one: str, other: str) -> bool:
    """Return whether two texts have the same words, whatever their case, punctuation and Unicode form.

    Examples
    --------
    >>> same_words("What\u2019s the weather?", "what's the WEATHER")
    True
    """
    return _plain(one) == _plain(other)


def _plain(text: str) -> list[str]:
    text = regex.sub("[’‘ʼ＇`´]", "'", text)  # noqa: RUF001  # before NFKC, which makes a space of the last
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return [match[0] for match in regex.finditer(r"[\p{L}\p{M}\p{N}_']+", text)]
