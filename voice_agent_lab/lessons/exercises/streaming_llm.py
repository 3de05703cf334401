"""The exercises of notebook 04: the first sentence, a rare stall, and what a pass of the large model yields."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from voice_agent_lab.lessons.exercises import exercise, expect, expect_number
from voice_agent_lab.lessons.streaming_llm import LONG_REPLY, answered
from voice_agent_lab.measure.progress import milestones
from voice_agent_lab.models import drafting

_REPLIES = (
    ("It is sunny right now, with 22 degrees outside. The evening will be cool and clear.", 0.3, 20),
    ("Yes! It will rain.", 0.7, 50),
    ("Rain? No, the sky is clear today.", 0.45, 10),
    ("It is 3 p.m. in Paris.", 0.5, 25),
    ("It will be 3.5 degrees warmer than today. Enjoy it.", 0.2, 5),
    (LONG_REPLY, 0.25, 10),
)  # each with a time to first token (seconds) and a token rate (tokens a second)


@exercise("04")
def check_first_sentence(first_sentence_after: Callable[[str, float, float], float]) -> str:
    """Compare with the moment at which a simulated agent hands its first sentence to the voice."""
    for reply, ttft, rate in _REPLIES:
        moments = milestones(answered(ttft, rate, reply))
        expect_number(
            f"first_sentence_after({reply[:24]!r}..., ttft={ttft}, tokens_per_second={rate})",
            first_sentence_after(reply, ttft, rate),
            moments["first sentence"],
            f"Here the first token comes after {moments['first token']:.2f} s and the last after "
            f"{moments['last token']:.2f} s; the first sentence is {_first_sentence(reply)!r}.",
        )
    return (
        f"All {len(_REPLIES)} replies agree with the agent. In \"It is 3 p.m. in Paris.\" it took 'p.m.' for "
        "the end of a sentence, as your rule does: a real agent needs a better one."
    )


def _first_sentence(reply: str) -> str:
    words = reply.split()
    last = next(n for n, word in enumerate(words) if word.endswith((".", "!", "?")))
    return " ".join(words[: last + 1])


@exercise("04")
def check_chance_of_a_stall(chance_of_a_stall: Callable[[float, int], float]) -> str:
    """Compare with the chance that independent turns give; one turn and no stall are among the cases."""
    for share, turns in ((0.5, 2), (0.015, 29), (0.015, 1), (0.1, 5), (0.02, 100), (0.0, 10), (1.0, 3)):
        expect_number(
            f"chance_of_a_stall({share}, {turns})",
            chance_of_a_stall(share, turns),
            1 - (1 - share) ** turns,
            f"Here all {turns} turns go well with a chance of {(1 - share) ** turns:.3f}."
            if turns > 1
            else "In a single turn the chance is the share itself.",
        )
    chance = chance_of_a_stall(0.015, 29)
    return (
        f"In a conversation with 29 measured turns: {chance:.0%}. It was measured too: 34 %. A rare stall is a "
        "common experience."
    )


@exercise("04")
def check_tokens_per_pass(tokens_per_pass: Callable[[float, int], float]) -> str:
    """Compare with the mean of the model, and keep the model's own functions out of the answer."""
    cases = ((0.8, 4), (0.7, 4), (0.5, 3), (0.9, 10), (0.99, 5), (0.6, 1), (0.4, 0), (0.0, 6))
    means = []
    for a, g in cases:
        with _on_its_own():
            found = tokens_per_pass(a, g)
        expect_number(
            f"tokens_per_pass({a}, {g})",
            found,
            drafting.expected_tokens(a, g),
            f"At most {g + 1} can come of a pass, when all {g} guesses are accepted; one always comes.",
        )
        means.append(found)
    simulated = [float(drafting.accepted_runs(a, g, 200_000).mean()) for a, g in cases[:3]]
    pairs = ", ".join(f"{yours:.2f} and {mean:.2f}" for yours, mean in zip(means, simulated, strict=False))
    return f"Your sum, and the mean of 200,000 simulated passes: {pairs}."


@contextmanager
def _on_its_own() -> Iterator[None]:
    """Refuse an answer that calls one of the package's functions about drafts."""
    called: list[str] = []

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename == drafting.__file__:
            called.append(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)
    names = [name for name in called if not name.startswith("_")]
    expect(not called, f"{', '.join(names[:1])} is the package's own answer. Work the mean out yourself.")
