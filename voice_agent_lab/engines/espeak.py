"""A voice that is really synthesised, handed over while the rest is still being made.

eSpeak NG computes speech from rules and formants rather than with a neural network. It sounds like
it, and in return a sentence costs a few milliseconds. Its synthesis call blocks until all of the
text is spoken, and passes on each chunk of sound by a callback. Here a thread makes that call, a
queue carries the chunks over, and the coroutine awaits them one by one. Whoever stops listening
stops the synthesis: the next callback tells the library to give up.

The queue has no limit, on purpose. The library is one for the whole process and knows one text at a
time, so a voice with a slow listener would otherwise keep it from every other voice.

eSpeak NG is licensed under the GPL, version 3. It is an optional extra, loaded when a voice is
made, and no part of this package.

Conventions
-----------
Sound is mono ``float32`` in [-1, 1] at the rate that the library reports, in chunks of 60 ms, the
shortest it makes. Its pitch flutters a little, as a person's does, so two renderings of a text differ.
"""

import asyncio
import ctypes
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import lru_cache
from itertools import count, takewhile
from queue import SimpleQueue

import numpy as np

from voice_agent_lab.engines import optional
from voice_agent_lab.measure.recording import resample
from voice_agent_lab.stages.microphone import AudioInputStream

# From the library's header speak_lib.h.
_SYNCHRONOUS, _DONT_EXIT, _BY_CHARACTER, _UTF8, _RATE, _PITCH = 2, 0x8000, 1, 1, 1, 3
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_CHUNK_MS = 60
_SEED = 1  # of the noise in its consonants, which eSpeak NG would seed with the time of day

_PAUSES = {",": 0.15, ";": 0.15, ":": 0.15, ".": 0.3, "!": 0.3, "?": 0.3}  # seconds, as inside a text

_owner = threading.Lock()  # whoever holds it may call the library


class ESpeakTTS:
    """The voice of eSpeak NG.

    Parameters
    ----------
    voice : str
        A voice of eSpeak NG, such as ``"en-us"`` or ``"de"``, or the language of one, such as
        ``"en-gb"``; with a variant, such as ``"en-us+f5"``.
    words_per_minute : int
        Speaking rate, from 80 to 450.
    pitch : int
        From 0 to 100; 50 is the voice's own.

    Raises
    ------
    MissingExtra
        If the library is not installed.
    ValueError
        If the library has no such voice, or a number is out of range.
    """

    def __init__(self, voice: str = "en-us", words_per_minute: int = 175, pitch: int = 50) -> None:
        optional("espeakng_loader", "espeakng-loader", "eSpeak NG's voice")
        for name, value, least, most in (
            ("words_per_minute", words_per_minute, 80, 450),
            ("pitch", pitch, 0, 100),
        ):
            if not least <= value <= most:
                raise ValueError(f"{name} is {value!r}; it must be a whole number from {least} to {most}")
        self.voice, self.words_per_minute, self.pitch = voice, int(words_per_minute), int(pitch)
        with _owner:
            library, self._sample_rate = _library()
            if _choose(library, voice):
                raise ValueError(f"voice is {voice!r}, which eSpeak NG does not have; try 'en-us' or 'en-gb'")

    @property
    def sample_rate(self) -> int:
        """What the library reports, in Hz."""
        return self._sample_rate

    def speak(self, text: str) -> np.ndarray:
        """Return the sound of a whole text, shape ``(samples,)``; this blocks until it is made.

        Raises
        ------
        RuntimeError
            If the library fails; the message has its status.
        """
        chunks: list[np.ndarray] = [np.zeros(0, dtype=np.float32)]

        def keep(chunk: np.ndarray) -> bool:
            chunks.append(chunk)
            return True

        self._synthesise(text, keep)
        return np.concatenate(chunks)

    async def synthesize_stream(self, text_stream: AsyncIterator[str]) -> AsyncIterator[np.ndarray]:
        """Yield the sound of each piece of text, chunk by chunk, as it is made.

        A piece without words yields nothing. The pause after a comma or a full stop is the first
        chunk of the next piece, so that the last one ends with its last sound.

        Parameters
        ----------
        text_stream : async iterator of str
            Speakable pieces.

        Raises
        ------
        RuntimeError
            If the library fails; the message has its status.
        """
        pause = 0.0
        async for piece in text_stream:
            text = piece.strip()
            if not text:
                continue
            if pause:
                yield np.zeros(round(pause * self.sample_rate), dtype=np.float32)
            pause = _PAUSES.get(text[-1], 0.0)
            # Closed here and not whenever it is collected: a listener who leaves stops the thread.
            chunks = self._chunks(text)
            try:
                async for chunk in chunks:
                    yield chunk
            finally:
                await chunks.aclose()

    async def _chunks(self, text: str) -> AsyncGenerator[np.ndarray]:
        """Yield the sound of one piece; leave no thread behind, however this ends."""
        made: SimpleQueue[np.ndarray | BaseException | None] = SimpleQueue()
        wanted, abandoned = threading.Event(), threading.Event()

        def hand_over(chunk: np.ndarray) -> bool:
            made.put(chunk)
            return not abandoned.is_set()

        def work() -> None:
            wanted.wait()  # or the first chunk would be made before anybody measures it
            try:
                if not abandoned.is_set():
                    self._synthesise(text, hand_over)
                made.put(None)
            except BaseException as error:
                made.put(error)

        def next_chunk() -> np.ndarray | BaseException | None:
            wanted.set()
            return made.get()

        worker = threading.Thread(target=work, name="espeak-ng", daemon=True)
        worker.start()
        ended = False
        try:
            while not ended:
                chunk = await asyncio.to_thread(next_chunk)
                if isinstance(chunk, np.ndarray):
                    yield chunk
                    continue
                ended = True
                if chunk is not None:
                    raise chunk
        finally:
            abandoned.set()
            wanted.set()
            if ended:
                worker.join()
            else:
                await asyncio.to_thread(worker.join)

    def _synthesise(self, text: str, hand_over: Callable[[np.ndarray], bool]) -> None:
        """Give each chunk to `hand_over` as it is made, until that returns False."""

        def received(samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: int | None) -> int:
            if not samples or count < 1:
                return 0
            # The library reuses its buffer; dividing makes a copy.
            chunk = np.ctypeslib.as_array(samples, (count,)) / np.float32(32768)
            return 0 if hand_over(chunk.astype(np.float32, copy=False)) else 1

        callback = _CALLBACK(received)  # referred to until the call is over
        utf8 = text.replace("\0", " ").encode()
        with _owner:
            library, _ = _library()
            library.espeak_SetSynthCallback(callback)
            for done, status in (
                ("seed the noise", library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))),
                ("choose the voice", _choose(library, self.voice)),
                ("set the rate", library.espeak_SetParameter(_RATE, self.words_per_minute, 0)),
                ("set the pitch", library.espeak_SetParameter(_PITCH, self.pitch, 0)),
                (
                    "speak",
                    library.espeak_Synth(utf8, len(utf8) + 1, 0, _BY_CHARACTER, 0, _UTF8, None, None),
                ),
            ):
                if status:
                    raise RuntimeError(f"eSpeak NG could not {done}; its status is {status}")


class _Voice(ctypes.Structure):
    """What the library tells of a voice, ``espeak_VOICE`` in its header."""

    _fields_ = [
        ("name", ctypes.c_char_p), ("languages", ctypes.c_char_p), ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte), ("age", ctypes.c_ubyte), ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte), ("score", ctypes.c_int), ("spare", ctypes.c_void_p),
    ]  # fmt: skip


def _choose(library: ctypes.CDLL, voice: str) -> int:
    """Set a voice by its name or its language, and return the library's status; the caller holds `_owner`.

    The library knows the British voice by the name "en" alone, although it lists it under "en-gb".
    """
    status = int(library.espeak_SetVoiceByName(voice.encode()))
    language, plus, variant = voice.partition("+")
    if status and (identifier := _identifier(library, language)):
        status = int(library.espeak_SetVoiceByName(f"{identifier}{plus}{variant}".encode()))
    return status


def _identifier(library: ctypes.CDLL, language: str) -> str | None:
    """Return the library's name for the first voice that is listed under a language; None if none is."""
    voices = library.espeak_ListVoices(None)
    for voice in takewhile(bool, (voices[number] for number in count())):
        first = voice.contents.languages[1:].partition(b"\0")[0]  # a byte of priority stands before it
        if first.decode() == language:
            return str(voice.contents.identifier.decode())
    return None


@lru_cache(maxsize=1)
def _library() -> tuple[ctypes.CDLL, int]:
    """Return the library and its sample rate in Hz; the caller holds `_owner`."""
    loader = optional("espeakng_loader", "espeakng-loader", "eSpeak NG's voice")
    library = ctypes.CDLL(loader.get_library_path())
    library.espeak_SetSynthCallback.argtypes = [_CALLBACK]
    library.espeak_SetSynthCallback.restype = None
    library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    library.espeak_ListVoices.argtypes = [ctypes.c_void_p]
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    library.espeak_SetParameter.argtypes = [ctypes.c_int] * 3
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int,
        ctypes.c_uint, ctypes.c_uint, ctypes.POINTER(ctypes.c_uint), ctypes.c_void_p,
    ]  # fmt: skip
    data = loader.get_data_path()
    rate = library.espeak_Initialize(_SYNCHRONOUS, _CHUNK_MS, data.encode(), _DONT_EXIT)
    if rate <= 0:
        raise RuntimeError(f"eSpeak NG could not start with its data in {data}; its status is {rate}")
    return library, rate


class ESpeakUser(AudioInputStream):
    """A user who speaks with a synthetic voice.

    The defaults are the voice and the rate that PocketSphinx understood best among those tried.

    Parameters
    ----------
    sample_rate, chunk_duration_ms, latency
        As for `AudioInputStream`. The default frame is as long as Silero's window.
    voice, words_per_minute, pitch
        As for `ESpeakTTS`.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        chunk_duration_ms: float = 32,
        latency: float = 0.0,
        *,
        voice: str = "en-us+f5",
        words_per_minute: int = 160,
        pitch: int = 50,
    ) -> None:
        super().__init__(sample_rate, chunk_duration_ms, latency)
        self._voice = ESpeakTTS(voice, words_per_minute, pitch)

    def samples_for(self, text: str) -> np.ndarray:
        """Return the sound of the user saying `text`; read-only, and the same whenever it is said again."""
        voice = self._voice
        return _utterance(text, voice.voice, voice.words_per_minute, voice.pitch, self.sample_rate)


@lru_cache(maxsize=64)
def _utterance(text: str, voice: str, words_per_minute: int, pitch: int, sample_rate: int) -> np.ndarray:
    tts = ESpeakTTS(voice, words_per_minute, pitch)
    samples: np.ndarray = np.clip(resample(tts.speak(text), tts.sample_rate, sample_rate), -1, 1)
    samples.flags.writeable = False  # shared by all who ask for the same words
    return samples
