"""Between the stages: what passes, when, and how long the stage worked on it.

Each of these generators sits behind one component, passes on all that is not empty, and writes to the
event log. A component need not know that it is watched, so any other can take its place and is
measured in the same way. What its stage works on begins when it is asked for, or, if later, when the
input for it is there; waiting for either does not count. What a component gives is checked here, so
that the stage is named which gave it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Any, TypeVar

import numpy as np

from voice_agent_lab.checks import check_kind, check_sound
from voice_agent_lab.measure.audible import audible_stretches
from voice_agent_lab.measure.log import record, to_the_nanosecond
from voice_agent_lab.stages.aggregation import Aggregation, aggregate
from voice_agent_lab.stages.tts import Synthesiser
from voice_agent_lab.streams import RunAhead, guard, named
from voice_agent_lab.turns.thinking import Aside

Closable = TypeVar("Closable", bound=AsyncGenerator[Any] | RunAhead[Any])


async def processed(frames: AsyncIterator[np.ndarray]) -> AsyncGenerator[np.ndarray]:
    """Pass frames on to the recogniser; one is processed when it comes back for the next."""
    loop = asyncio.get_running_loop()
    async for frame in frames:
        given = loop.time()
        yield frame
        record("asr", "frame", took=to_the_nanosecond(loop.time() - given))


async def in_pieces(
    tokens: AsyncGenerator[str] | RunAhead[str], unit: str | int | Aggregation, **attempt: int
) -> AsyncGenerator[str]:
    """Pass the pieces of text on that aggregation makes of the tokens; an aside is a piece of its own."""
    stretches = _Stretches(tokens)
    calls: dict[str, int] = {}
    while not stretches.over:
        async with (
            aclosing(stretches.next()) as stretch,
            aclosing(guard("aggregation", aggregate, stretch, unit)) as pieces,
        ):
            async for piece in pieces:
                with named("aggregation"):
                    check_kind("a piece of text", piece, str)
                if piece.strip():
                    record("aggregation", "piece", text=piece, **calls, **attempt)
                    yield piece
        if (aside := stretches.aside) is None:
            return  # the end, or a function that has read enough
        if aside.why == "call":
            calls = {"calls": calls.get("calls", 0) + 1}
        if aside.strip():
            record("aggregation", "piece", text=str(aside), aside=aside.why, **calls, **attempt)
            yield str(aside)


class _Stretches:
    """Cuts a stream of tokens where the agent says something of its own, or waits for a tool."""

    def __init__(self, tokens: AsyncGenerator[str] | RunAhead[str]) -> None:
        self._tokens, self.over = tokens, False
        self.aside: Aside | None = None  # what ended the last stretch

    async def next(self) -> AsyncGenerator[str]:
        """Yield the tokens up to the next aside, where a word ends, or to the end."""
        self.aside, last = None, " "
        async for token in self._tokens:
            if isinstance(token, Aside):
                self.aside = token
                if not last[-1].isspace():
                    yield " "
                return
            last = token
            yield token
        self.over = True


async def synthesised(
    tts: Synthesiser, pieces: AsyncGenerator[str], **attempt: int
) -> AsyncGenerator[tuple[float, np.ndarray]]:
    """Hand pieces of text to the voice, and pass its chunks on, each with the time at which it was made."""
    loop = asyncio.get_running_loop()
    asked, spoken, handed_over = loop.time(), 0, _HandedOver()
    made = False
    async with (
        aclosing(handed_over.watch(pieces, attempt)) as watched,
        aclosing(guard("tts", tts.synthesize_stream, watched)) as chunks,
    ):
        async for chunk in chunks:
            with named("tts"):
                check_sound("a chunk", chunk)
            if not len(chunk):
                continue
            record(
                "tts",
                "chunk",
                took=to_the_nanosecond(loop.time() - max(asked, handed_over.at)),
                seconds=len(chunk) / tts.sample_rate,
                first_of_piece=handed_over.pieces > spoken,
                audible=[list(stretch) for stretch in audible_stretches(chunk, tts.sample_rate)],
                **attempt,
            )
            made, spoken = True, handed_over.pieces
            yield loop.time(), chunk.copy()  # a voice may use its buffer again
            asked = loop.time()
    if made:
        record("tts", "complete", **attempt)


class _HandedOver:
    """Passes pieces of text on to the voice, and knows how many and when the last one went."""

    def __init__(self) -> None:
        self.pieces, self.at = 0, 0.0

    async def watch(self, pieces: AsyncGenerator[str], attempt: dict[str, int]) -> AsyncGenerator[str]:
        async with aclosing(pieces):
            async for piece in pieces:
                self.pieces, self.at = self.pieces + 1, asyncio.get_running_loop().time()
                record("tts", "piece", text=piece, **attempt)
                yield piece
                record("tts", "piece_complete", **attempt)  # the voice has come back for the next
        record("tts", "text_complete", **attempt)


async def all_first(stream: AsyncGenerator[str]) -> AsyncGenerator[str]:
    """Yield nothing before the whole stream has been read."""
    async with aclosing(stream):
        items = [item async for item in stream]
    for item in items:
        yield item


async def opened(streams: AsyncExitStack, stream: Closable) -> Closable:
    """Return `stream`, which will be closed with the others, the last opened first."""
    return await streams.enter_async_context(aclosing(stream))
