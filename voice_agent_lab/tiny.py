"""The whole agent on one page: a chain of streams, one task, one queue.

Each stage reads the one before it, and takes the time that the article says.
A microphone that never waits, endpointing, a recogniser, a language model, aggregation, a voice and
playback: this is all there is to a streaming voice agent. The rest of the package replaces each stage by
any other, watches between them, interrupts them, and closes them whatever happens.

``simulate(turn("Hello, how are you today?", "Hello! How can I help you today?"))`` gives the stamps of a
turn in virtual time, ``asyncio.run(turn(...))`` in real time; they are those of the full agent.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from itertools import count
from math import ceil

FRAME, SILENCE = 0.1, 0.5  # seconds
RECOGNITION, FINALISATION, FIRST_TOKEN, TOKEN, FIRST_CHUNK, CHUNK = 0.1, 0.3, 0.5, 0.02, 0.2, 0.05  # seconds
USER, VOICE, RATE = 12.5, 15, 16000  # characters a second, characters a second, samples a second

Stamp = Callable[..., None]


async def microphone(text: str, stamp: Stamp) -> AsyncIterator[bool]:
    """Yield whether each frame holds speech, at its absolute deadline, for as long as anyone listens."""
    now = asyncio.get_running_loop().time
    opened, frames = now(), ceil(round(len(text) / USER / FRAME, 6))
    for k in count(1):
        await asyncio.sleep(max(0.0, round(opened + k * FRAME - now(), 9)))
        stamp("audio_chunk_received")
        if k == frames:
            stamp("speech_ended")
        yield k <= frames


async def until_silence(frames: AsyncIterator[bool], stamp: Stamp) -> AsyncIterator[bool]:
    """Pass frames on until the user has been silent for long enough: endpointing."""
    silent = 0
    async for speech in frames:
        silent = 0 if speech else silent + 1
        finished = round(silent * FRAME, 9) >= SILENCE
        if finished:
            stamp("end_of_turn")
        yield speech
        if finished:
            return


async def recognise(frames: AsyncIterator[bool], text: str, stamp: Stamp) -> str:
    """Reveal each word after its sound was processed; return them all after the frames have ended."""
    stamp("asr_started")
    first_word, heard = len(text.split()[0]) / USER, 0
    async for _ in frames:
        await asyncio.sleep(RECOGNITION)
        heard += 1
        if heard * FRAME >= first_word:
            stamp("asr_partial")
    await asyncio.sleep(FINALISATION)
    stamp("asr_complete")
    return text


async def think(prompt: str, reply: str, stamp: Stamp) -> AsyncIterator[str]:
    """Yield the reply a word at a time; this model has only one answer, whatever the prompt."""
    stamp("llm_started")
    for k, word in enumerate(reply.split()):
        await asyncio.sleep(TOKEN if k else FIRST_TOKEN)
        stamp("llm_first_token")
        yield word + " "
    stamp("llm_complete")


async def ahead(stream: AsyncIterator[str]) -> AsyncIterator[str]:
    """Let a stream run on while its reader is busy: the one task and the one queue."""
    queue: asyncio.Queue[str | None] = asyncio.Queue()

    async def pump() -> None:
        try:
            async for item in stream:
                queue.put_nowait(item)
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(pump())
    while (item := await queue.get()) is not None:
        yield item
    await task


async def sentences(tokens: AsyncIterator[str]) -> AsyncIterator[str]:
    """Gather tokens until a sentence is whole: aggregation."""
    text = ""
    async for token in tokens:
        text += token
        if re.search(r"[.!?]\s$", text):
            yield text.strip()
            text = ""
    if text:
        yield text.strip()


async def speak(pieces: AsyncIterator[str], stamp: Stamp) -> AsyncIterator[float]:
    """Yield how long each chunk of sound lasts, as it is made: the voice."""
    async for piece in pieces:
        stamp("tts_started")
        samples, chunk = round(len(piece) / VOICE * RATE), round(FRAME * RATE)
        for start in range(0, samples, chunk):
            await asyncio.sleep(CHUNK if start else FIRST_CHUNK)
            stamp("tts_first_chunk")
            yield min(chunk, samples - start) / RATE
    stamp("tts_complete")


async def play(chunks: AsyncIterator[float], stamp: Stamp) -> None:
    """Sound never waits for the voice: a chunk begins when it is made, or when the one before it ends."""
    now, ends = asyncio.get_running_loop().time, 0.0
    async for seconds in chunks:
        stamp("playback_started")
        ends = round(max(ends, now()) + seconds, 9)
    await asyncio.sleep(max(0.0, round(ends - now(), 9)))
    stamp("playback_ended")


async def turn(text: str, reply: str) -> dict[str, float]:
    """Let the user say `text`, answer with `reply`, and return the stamps of the turn.

    Returns
    -------
    dict of str to float
        When each thing happened first, in seconds since the microphone opened, under the names of
        `LatencyMetrics`.
    """
    now = asyncio.get_running_loop().time
    opened, stamps = now(), dict[str, float]()

    def stamp(name: str) -> None:
        stamps.setdefault(name, round(now() - opened, 9))

    transcript = await recognise(until_silence(microphone(text, stamp), stamp), text, stamp)
    tokens = ahead(think(transcript, reply, stamp))
    await play(speak(sentences(tokens), stamp), stamp)
    return stamps
