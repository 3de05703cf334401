"""Real streaming recognition: partial transcripts that grow, are revised, and become final.

PocketSphinx searches for the words that explain the sound best, and can say at any moment which
those are so far. That is a partial. More sound may make other words more likely, and then the
partial is revised. The end of the audio stream is the signal to finalise: deciding when that is
belongs to endpointing (`endpointing`).

The search is as good as what it may find. With a grammar it knows every sentence that can be said,
is quick and mostly right about those, and hears one of them in anything else. A partial may be the
beginning of one; what breaks off there is no final transcript, and nothing was understood. With the
open model it may find any English words, at more cost and with far more errors.

Conventions
-----------
Frames are mono ``float32`` in [-1, 1] at 16 kHz, of any length. Every utterance starts from the same
state, so the same frames give the same transcripts, whatever was said before.
"""

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import numpy as np

from voice_agent_lab.engines import optional

ASSISTANT = Path(__file__).with_name("assistant.gram")
"""The shipped grammar: what one says to a household assistant."""


class PocketSphinxASR:
    """The recogniser PocketSphinx with its US English model.

    Loading it takes a fraction of a second and happens here, so that no turn pays for it.

    Parameters
    ----------
    grammar : str or Path, optional
        A file with a JSGF grammar, or its text; the shipped one if not given.
    open_model : bool
        Whether to search all of English instead of a grammar.
    sample_rate : int
        Of the audio, in Hz; the model is for 16000.

    Raises
    ------
    MissingExtra
        If PocketSphinx is not installed.
    ValueError
        If the grammar cannot be read or uses words that the dictionary lacks, if both a grammar
        and the open model are asked for, or for another sample rate.
    """

    def __init__(
        self, grammar: str | Path | None = None, open_model: bool = False, sample_rate: int = 16000
    ) -> None:
        if sample_rate != 16000:
            raise ValueError(f"sample_rate is {sample_rate!r}; the recogniser's model is for 16000 Hz")
        if open_model and grammar is not None:
            raise ValueError("open_model is True and a grammar is given; choose one of them")
        package = optional("pocketsphinx", "pocketsphinx", "Real recognition")
        self.sample_rate = sample_rate
        model = Path(package.get_model_path()) / "en-us"
        self._decoder = package.Decoder(
            hmm=str(model / "en-us"),
            dict=str(model / "cmudict-en-us.dict"),
            lm=str(model / "en-us.lm.bin") if open_model else None,
            loglevel="FATAL",
        )
        if not open_model:
            self._follow(_grammar_text(ASSISTANT if grammar is None else grammar))
        self._sentences = None if open_model else self._decoder.get_fsg("grammar")
        self._initial_mean = self._decoder.get_cmn()
        self._one_at_a_time = threading.Lock()
        self._numbers = count(1)
        self._current, self._open = 0, False

    def _follow(self, grammar: str) -> None:
        """Search for the sentences of a grammar."""
        unknown = sorted(word for word in grammar_words(grammar) if self._decoder.lookup_word(word) is None)
        if unknown:
            raise ValueError(f"the grammar has words that the dictionary lacks: {', '.join(unknown)}")
        try:
            self._decoder.add_jsgf_string("grammar", grammar)
        except ValueError as error:
            raise ValueError(
                "the grammar is not valid JSGF with a public rule; compare assistant.gram"
            ) from error
        self._decoder.activate_search("grammar")

    async def transcribe_stream(
        self, audio_stream: AsyncIterator[np.ndarray], ground_truth: str = ""
    ) -> AsyncIterator[tuple[str, bool]]:
        """Yield a partial whenever it changes, and the final transcript after the audio has ended.

        Parameters
        ----------
        audio_stream : async iterator of ndarray
            The frames.
        ground_truth : str
            Not used: this recogniser has to listen.

        Yields
        ------
        tuple of (str, bool)
            Words in lower case, and whether they are final. Nothing understood is ``("", True)``;
            with a grammar, so is what is not one of its sentences as a whole.

        Raises
        ------
        RuntimeError
            If another stream was started meanwhile; the recogniser follows one at a time.
        """
        utterance = next(self._numbers)
        shown = ""
        async for frame in audio_stream:
            partial = await asyncio.to_thread(self._hear, utterance, frame)
            if partial and partial != shown:
                shown = partial
                yield partial, False
        yield await asyncio.to_thread(self._finish, utterance), True

    # Each of these is one step of compute, in a worker thread. A stream that was cancelled may leave
    # its step running and its utterance open: hence the lock, and the numbers of the utterances.

    def _hear(self, utterance: int, frame: np.ndarray) -> str:
        with self._one_at_a_time:
            self._attend(utterance)
            if len(frame):
                pcm = np.round(np.clip(frame, -1, 1) * 32767).astype(np.int16)
                self._decoder.process_raw(pcm.tobytes(), no_search=False, full_utt=False)
            return self._words()

    def _finish(self, utterance: int) -> str:
        with self._one_at_a_time:
            self._attend(utterance)
            self._decoder.end_utt()
            self._open = False
            words = self._words()
            whole = self._sentences is None or self._sentences.accept(words)
            return words if whole else ""

    def _attend(self, utterance: int) -> None:
        """Begin an utterance that is new; refuse one that a newer one has replaced."""
        if utterance == self._current:
            return
        if utterance < self._current:
            raise RuntimeError("the recogniser has begun a newer stream; it follows one at a time")
        if self._open:
            self._decoder.end_utt()
        self._decoder.reinit_feat()  # forget the noise of the last utterance
        self._decoder.set_cmn(self._initial_mean)
        self._decoder.start_utt()
        self._current, self._open = utterance, True

    def _words(self) -> str:
        hypothesis = self._decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""


def is_narrowband(samples: np.ndarray) -> bool:
    """Return whether speech holds nothing above 4 kHz, as over a telephone.

    The model was trained on wideband speech, and understands little of it. In twenty recordings at
    16 kHz there were 0 to 30 dB less power from 4.3 to 7.6 kHz than from 0.3 to 3.4 kHz; in copies
    that had been at 8 kHz, 99 dB or more.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        At 16 kHz.
    """
    power = np.abs(np.fft.rfft(samples)) ** 2
    frequency = np.fft.rfftfreq(len(samples), 1 / 16000)
    high, low = (
        power[(least < frequency) & (frequency < most)].sum() for least, most in ((4300, 7600), (300, 3400))
    )
    return bool(high < 10**-4.5 * low)


def _grammar_text(grammar: str | Path) -> str:
    """Return the text of a grammar that may be given as text or as a file."""
    if isinstance(grammar, str) and grammar.lstrip().startswith("#JSGF"):
        return grammar.lstrip()
    try:
        return Path(grammar).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"grammar is {str(grammar)!r}, neither a file that can be read nor text that begins with #JSGF"
        ) from error


def grammar_words(grammar: str) -> set[str]:
    """Return the words that the sentences of a JSGF grammar are made of.

    Parameters
    ----------
    grammar : str
        Its text.
    """
    text = re.sub(r"/\*.*?\*/|//[^\n]*|^#JSGF[^;]*;", " ", grammar.lstrip(), flags=re.DOTALL)
    rules = re.sub(r"\b(grammar|import)\b[^;=]*;|\bpublic\b|<[^>]*>|\{[^}]*\}|/[\d.]+/", " ", text)
    return set(re.findall(r"[^\s()\[\]|;=*+\"]+", rules))
