"""What the parts of the recorded conversations take: seeded draws, the same in both frameworks."""

from dataclasses import fields

import numpy as np

TURNS = 80  # of a conversation
IN_FULL = (
    10  # of them with everything that is written about them: files with whole contexts grow with their square
)
REPLY = "It will be sunny in Berlin today. Tomorrow brings a little rain."


class Draws:
    """Log-normal latencies in seconds, each about its median, to the millisecond."""

    def __init__(self, seed):
        children = np.random.default_rng(seed).spawn(5)
        self._of = dict(
            zip(("transcript", "first_token", "token", "first_chunk", "speech"), children, strict=True)
        )

    def _draw(self, name, median, sigma):
        return round(float(self._of[name].lognormal(np.log(median), sigma)), 3)

    def transcript(self):
        """From the end of voice activity to the final transcript."""
        return self._draw("transcript", 0.15, 0.5)

    def first_token(self):
        """From asking the language model to its first token."""
        return self._draw("first_token", 0.45, 0.45)

    def token(self):
        """From a token to the next."""
        return self._draw("token", 0.02, 0.3)

    def first_chunk(self):
        """From a piece of text to its first sound."""
        return self._draw("first_chunk", 0.2, 0.3)

    def speech(self):
        """How long the user speaks: a whole number of frames of 20 ms."""
        return round(50 * self._draw("speech", 1.5, 0.2)) / 50


def settled(kind, **given):
    """Return a framework's settings with None for what is not given."""
    return kind(**{field.name: None for field in fields(kind) if field.name not in ("extra", *given)} | given)
