"""Print how many words of human recordings the recognisers get wrong: their word error rates.

    python -m tests.benchmarks.recognition_report

To be run from the top of the repository. The recordings and what is said in them are in `tests/recordings`.
The word error rate is that of the field: words replaced, left out and put in, for each word said (jiwer).
Case, marks, hyphens and the spelling of numbers and of "Mister" do not count. The interval is a bootstrap over
recordings: two are not twice as sure because they are of one voice.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import jiwer
import numpy as np
from num2words import num2words

from voice_agent_lab.engines.files import read_audio
from voice_agent_lab.engines.moonshine import MoonshineASR
from voice_agent_lab.engines.sphinx import PocketSphinxASR
from voice_agent_lab.measure.recording import resample
from voice_agent_lab.stages.asr import Recogniser

RECORDINGS = Path(__file__).parents[1] / "recordings"
FRAME, SILENCE = 512, 0.5  # samples; seconds after the recording, as a timer waits for
RECOGNISERS: dict[str, Callable[[], Recogniser]] = {
    "Moonshine tiny": lambda: MoonshineASR(partial_interval=1e3),
    "PocketSphinx, all of English": lambda: PocketSphinxASR(open_model=True),
    "PocketSphinx, the shipped grammar": PocketSphinxASR,
}


def said() -> dict[str, str]:
    """Return what is said in each recording."""
    lines = (RECORDINGS / "transcripts.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


def plain(text: str) -> str:
    """Return a text with only what counts: words in lower case, numbers written out."""
    text = re.sub(r"\d+", lambda digits: f" {num2words(int(digits[0]))} ", text.lower())
    return " ".join(re.findall(r"[\w']+", re.sub(r"\bmr\b", "mister", text)))


def understood(asr: Recogniser, sound: np.ndarray) -> str:
    """Return the final transcript of a sound and of the silence after it."""
    sound = np.concatenate([sound, np.zeros(round(SILENCE * 16000), dtype=np.float32)])

    async def frames() -> AsyncIterator[np.ndarray]:
        for start in range(0, len(sound), FRAME):
            yield sound[start : start + FRAME]

    async def listen() -> str:
        return " ".join([text async for text, final in asr.transcribe_stream(frames(), "") if final])

    return asyncio.run(listen())


def word_error_rate(references: list[str], hypotheses: list[str]) -> tuple[float, float, float]:
    """Return the rate over all recordings and the ends of its 95 % interval."""
    counts = [jiwer.process_words(r, plain(h)) for r, h in zip(references, hypotheses, strict=True)]
    errors = np.array([c.substitutions + c.deletions + c.insertions for c in counts])
    words = np.array([len(reference.split()) for reference in references])
    drawn = np.random.default_rng(0).integers(len(words), size=(10_000, len(words)))
    low, high = np.percentile(errors[drawn].sum(1) / words[drawn].sum(1), [2.5, 97.5])
    return errors.sum() / words.sum(), low, high


def main() -> None:
    """Print a row for each recogniser, at the recordings' rate and through 8 kHz, and what Moonshine wrote."""
    words = said()
    sounds = {name: read_audio(RECORDINGS / f"{name}.flac") for name in words}
    narrow = {name: resample(resample(s, 16000, 8000), 8000, 16000) for name, s in sounds.items()}
    print(f"{len(words)} recordings, {sum(len(w.split()) for w in words.values())} words\n")
    print("| recogniser | word error rate at 16 kHz | through 8 kHz |\n|---|---:|---:|")
    written = {}
    for name, make in RECOGNISERS.items():
        asr = make()
        written[name], through_8 = ([understood(asr, s) for s in some.values()] for some in (sounds, narrow))
        rates = [word_error_rate(list(words.values()), heard) for heard in (written[name], through_8)]
        print(f"| {name} | " + " | ".join("{:.0%} ({:.0%} to {:.0%})".format(*rate) for rate in rates) + " |")
    print("\n| recording | " + " | ".join(RECOGNISERS) + " |\n" + "|---" * (1 + len(RECOGNISERS)) + "|")
    for name, row in zip(words, zip(*written.values(), strict=True), strict=True):
        print(f"| {name}: {words[name]} | {' | '.join(text or '(nothing)' for text in row)} |")


if __name__ == "__main__":
    main()
