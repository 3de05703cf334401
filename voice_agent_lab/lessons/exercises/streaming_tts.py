"""The exercises of notebook 05: the gap after a word, and a cut that is early and still whole sentences."""

from collections.abc import AsyncIterator, Callable

from voice_agent_lab.clock import simulate
from voice_agent_lab.lessons.exercises import exercise, expect, expect_number, expect_stream
from voice_agent_lab.lessons.streaming_tts import CHUNK, REPLY, Cut, reply_turn
from voice_agent_lab.measure.reply import gaps

_SENTENCE_ENDS = (".", "!", "?")
_MARKS = (*_SENTENCE_ENDS, ",", ";", ":")
_EARLIER = 0.5  # seconds: what the exercise demands
_OTHERS = (
    "At the moment it is cloudy, but the wind is turning and the afternoon will be bright. "
    "You will not need a coat then, and the evening stays warm.",
    "Well, the shop at the corner is open, and it closes at eight today. Take the bus if you are in a hurry.",
    "The next train to the coast leaves at nine, from the platform on your left, and takes an hour. "
    "Shall I book a seat for you?",
)


@exercise("05")
def check_gap_after_word(gap_after: Callable[..., float]) -> str:
    """Compare with the silence that playback has after a word of so many letters, at a voice of that speed."""
    for letters, *speeds in (
        (2, 0.3),
        (8, 0.3),
        (1, 0.3),
        (3, 0.2),
        (9, 0.1),
        (4, 0.5),
        (5, 0.4, 0.08),
        (12, 0.3, 0.09),
    ):
        measured = _gap(letters, *speeds)
        expect_number(
            f"gap_after({', '.join(f'{value:g}' for value in (letters, *speeds))})",
            gap_after(letters, *speeds),
            measured,
            f"The word sounds for {letters / 15:.3f} s, in chunks of at most {CHUNK} s. While it sounds, the voice "
            "makes the rest of it and the first chunk of the next word.",
        )
    longest = max(_gap(len(word), 0.3) for word in REPLY.split()[:-1])
    return (
        "All gaps as the simulated playback has them. The shorter the word, the longer the silence after it: up to "
        f"{longest:.2f} s in the weather reply."
    )


def _gap(letters: int, first_chunk: float, chunk: float = 0.05) -> float:
    """Return the silence between a word and the next one, both written long before they are needed."""
    turn = reply_turn(
        "word",
        words_per_second=1000,
        first_chunk=first_chunk,
        real_time_factor=chunk / CHUNK,
        reply="x" * letters + " next.",
    )
    return sum(gaps(turn))


@exercise("05")
def check_better_cut(early_then_sentences: Cut) -> str:
    """Let the agent speak the weather reply and three others with this cut, and listen for what is asked."""
    for reply in (REPLY, *_OTHERS):
        _examine_pieces(_pieces(early_then_sentences, reply), reply)
        _examine_sound(early_then_sentences, reply)
    pieces = _pieces(early_then_sentences, REPLY)
    return (
        f"{_earlier(early_then_sentences, REPLY):.1f} s earlier than by sentence, no gap, and only {len(pieces)} "
        f"pieces: {pieces[0].strip()!r} goes first. Three other replies start early too."
    )


def _pieces(cut: Cut, reply: str) -> list[str]:
    async def words() -> AsyncIterator[str]:
        for word in reply.split():
            yield word + " "

    async def cut_up() -> list[str]:
        return [piece async for piece in expect_stream("early_then_sentences", cut, words())]

    return simulate(cut_up())


def _examine_pieces(pieces: list[str], reply: str) -> None:
    """Refuse pieces that are not the reply, or end where nobody would pause."""
    for piece in pieces:
        expect(isinstance(piece, str), f"It yielded {piece!r}, which is not text.")
        expect(piece.strip(), f"It yielded {piece!r}: a piece holds at least a word.")
    shown = " | ".join(piece.strip() for piece in pieces)
    expect(
        " ".join(pieces).split() == reply.split(),
        f"The pieces are not the reply: {shown!r} of {reply!r}. Every word goes to the voice once, in its order.",
    )
    for piece in pieces:
        expect(
            piece.rstrip().endswith(_MARKS),
            f"The piece {piece.strip()!r} does not end at a punctuation mark: nobody would pause there.",
        )
    for piece in pieces[1:]:
        expect(
            piece.rstrip().endswith(_SENTENCE_ENDS),
            f"The piece {piece.strip()!r} is not the first, and does not end a sentence. Cut: {shown!r}.",
        )


def _examine_sound(cut: Cut, reply: str) -> None:
    """Refuse a reply that starts too late or has gaps."""
    turn, earlier = reply_turn(cut, reply=reply), _earlier(cut, reply)
    expect(
        earlier >= _EARLIER - 1e-6,
        f"In {reply!r} the first sound comes {earlier:.2f} s earlier than by sentence, not {_EARLIER} s. The first "
        f"piece was {_pieces(cut, reply)[0].strip()!r}.",
    )
    first, *later = (piece.strip() for piece in _pieces(cut, reply))
    expect(
        not gaps(turn),
        f"There is a silence of {sum(gaps(turn)):.2f} s inside {reply!r}: the first piece, {first!r}, is too "
        f"short to hide the work on the next, {later[0]!r}.",
    )


def _earlier(cut: Cut, reply: str) -> float:
    by_sentence = reply_turn("sentence", reply=reply).metrics.voice_to_voice
    return by_sentence - reply_turn(cut, reply=reply).metrics.voice_to_voice
