"""Real recognition of any words: partials that are revised, and a final that is ready before it is asked for.

Moonshine (its tiny English model) is a network that takes a whole stretch of sound and writes down
what was said in it. It keeps nothing from one time to the next. So a partial is a pass over all that
the user has said so far, and it has a price: partials that are asked for too often pile up work, and
the final transcript comes late by that backlog.

When the user falls silent the sound is complete, but whether the turn is over is decided later, by
endpointing. The recogniser need not wait for that. It makes its last pass in the silence, and if the
turn is over, that pass *is* the final transcript: it only has to be confirmed. If the user speaks on,
it was one more partial.

Conventions
-----------
Frames are mono ``float32`` in [-1, 1] at 16 kHz, of any length. The network writes down something
whatever it is given, "You" for a second of silence. So it is given only sound in which Silero hears
speech, from `MARGIN` before its onset. Transcripts are written with capitals, marks and numerals.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from voice_agent_lab.checks import check_seconds
from voice_agent_lab.engines import optional
from voice_agent_lab.engines.silero import SileroVAD
from voice_agent_lab.measure.words import joined

MARGIN = 0.3
"""Seconds of sound before the first speech and after the last that belong to a pass."""

LONGEST = 20.0
"""Seconds after which a long utterance is settled at its next pause, so that no pass grows without end."""

_PURPOSE = "Recognition of any words"
_MARGIN = round(MARGIN * 16000)
_SHARE_OF_LONG = 0.1  # of a long utterance has to be new before the next pass, as each takes in all of it
_one_at_a_time = threading.Lock()  # whoever holds it may use the model; a cancelled pass may still run


class MoonshineASR:
    """The recogniser Moonshine with its tiny English model.

    Loading it takes half a second and happens here, so that no turn pays for it.

    Parameters
    ----------
    partial_interval : float
        Seconds of new sound after which the words so far are recognised anew, while the user speaks. A pass takes
        about a tenth of the sound that it covers, so from ten intervals on a tenth of the utterance
        has to be new. With the default two cores keep up.
    final_in_silence : float or None
        Seconds of silence after which the final pass is made, to be confirmed when the turn is
        over. None makes it only then, and the user waits for it.
    sample_rate : int
        Of the audio, in Hz; the model is for 16000.

    Raises
    ------
    MissingExtra
        If Moonshine or Silero is not installed.
    ValueError
        If a time is negative or no number, or for another sample rate.
    """

    def __init__(
        self, partial_interval: float = 0.5, final_in_silence: float | None = 0.2, *, sample_rate: int = 16000
    ) -> None:
        if sample_rate != 16000:
            raise ValueError(f"sample_rate is {sample_rate!r}; the recogniser's model is for 16000 Hz")
        self.sample_rate = sample_rate
        self.partial_interval = check_seconds("partial_interval", partial_interval)
        self.final_in_silence = (
            None if final_in_silence is None else check_seconds("final_in_silence", final_in_silence)
        )
        self._model = _model()
        SileroVAD()  # to say now if it is not there

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
            Words, and whether they are final. Without speech it is ``("", True)``.
        """
        shown = ""
        how = self._model, self.partial_interval, self.final_in_silence
        utterance = await asyncio.to_thread(_Utterance, *how)
        async for frame in audio_stream:
            partial = await asyncio.to_thread(utterance.take, frame)
            if partial and partial != shown:
                shown = partial
                yield partial, False
        yield await asyncio.to_thread(utterance.finish), True


class _Utterance:
    """What has been heard of one utterance. Its methods are steps of compute, in a worker thread."""

    def __init__(self, model: Any, partial_interval: float, final_in_silence: float | None) -> None:
        self._model, self._vad = model, SileroVAD()
        self._partial_interval = round(partial_interval * 16000)
        self._pause = None if final_in_silence is None else max(1, round(final_in_silence * 16000))
        self._settled = ""  # the words of what lies before the sound that is kept
        self._listen_anew()

    def _listen_anew(self) -> None:
        self._sound = np.zeros(0, dtype=np.float32)
        self._speech_began = self._speech_ended = 0  # samples; 0 before there was any speech
        self._recognised = 0  # samples that there were at the newest pass
        self._words = ""

    def take(self, frame: np.ndarray) -> str:
        """Return the newest partial, having taken a frame."""
        self._sound = np.concatenate([self._sound, frame.astype(np.float32, copy=False)])
        if self._vad.judge(frame):
            self._speech_ended = len(self._sound)
            self._speech_began = self._speech_began or self._speech_ended
        if not self._speech_ended:
            self._sound = self._sound[-_MARGIN:]
        elif self._partial_is_due() or self._last_pass_is_due():
            self._recognise()
        if len(self._sound) > LONGEST * 16000 and len(self._sound) - self._speech_ended >= _MARGIN:
            self._settled = self.finish()
            self._listen_anew()
        return self._all_words()

    def finish(self) -> str:
        """Return the final transcript; there is nothing to compute if the pass in the silence stands."""
        if self._speech_ended and not self._last_pass_stands():
            self._recognise()
        return self._all_words()

    def _partial_is_due(self) -> bool:
        if len(self._sound) > self._speech_ended:  # in a silence; the last pass may be due soon
            return False
        new = len(self._sound) - max(self._recognised, self._speech_began)
        return new >= max(self._partial_interval, _SHARE_OF_LONG * len(self._sound))

    def _last_pass_is_due(self) -> bool:
        silent = len(self._sound) - self._speech_ended
        return self._pause is not None and silent >= self._pause and not self._last_pass_stands()

    def _last_pass_stands(self) -> bool:
        """Return whether the newest pass had all the speech, and as much silence as shows that it was all."""
        return self._pause is not None and self._recognised - self._speech_ended >= self._pause

    def _recognise(self) -> None:
        """Make a pass over all the speech."""
        self._recognised = len(self._sound)
        sound = self._sound[: self._speech_ended + _MARGIN]
        with _one_at_a_time:
            transcript = self._model.transcribe_without_streaming(sound.tolist(), 16000)
        self._words = joined(text for line in transcript.lines if (text := line.text.strip()))

    def _all_words(self) -> str:
        return joined(text for text in (self._settled, self._words) if text)


def _model() -> Any:
    """Return Moonshine with its model, one for the whole process."""
    package = optional("moonshine_voice", "moonshine-voice", _PURPOSE)
    optional("moonshine_voice.transcriber", "moonshine-voice", _PURPOSE)
    return _loaded(str(Path(str(package.__file__)).parent / "assets" / "tiny-en"))


@lru_cache(maxsize=1)
def _loaded(path: str) -> Any:
    from moonshine_voice import ModelArch
    from moonshine_voice.transcriber import Transcriber

    # Its own voice activity detection would cut the sound into lines, and take the first 0.1 s for one;
    # that is where it invents words. With a threshold of 0 all is one line.
    options = {"vad_threshold": "0", "return_audio_data": "false"}
    return Transcriber(model_path=path, model_arch=ModelArch.TINY, options=options)
