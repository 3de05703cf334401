"""The exercises of notebook 09: how far a sentence was heard, and a listener who is patient and yields.

Both are compared with interrupted conversations: with what the history keeps of an answer, and with how
long agreement holds the agent up and an objection lets it go on.
"""

from collections.abc import Callable
from math import isnan

from voice_agent_lab.lessons.barge_in import REPLY, interrupted
from voice_agent_lab.lessons.exercises import exercise, expect, expect_something
from voice_agent_lab.measure.who_spoke import held_up
from voice_agent_lab.turns.interruption import Interruption

CHARACTERS_PER_SECOND = 15  # of the agent's voice
LONGEST_HOLD, LONGEST_OBJECTION = 1.5, 1.0  # seconds, as the notebook promises

_OTHER_SENTENCE = "No."  # shorter than any interruption of the answer leaves
_MOMENTS = (0.2, 0.6, 1.0, 1.5, 2.7)  # seconds into the answer
_AGREEMENT = (("Mm-hm", 1.5), ("Uh-huh, right", 1.5), ("Uh-huh, right", 0.7), ("Yeah", 2.3))
_OBJECTIONS = (
    ("No, that is the wrong day.", 1.5),
    ("No, that is the wrong day.", 0.7),
    ("Stop, I asked for another table.", 2.3),
)


@exercise("09")
def check_words_heard(words_heard: Callable[[str, float], str]) -> str:
    """Compare with what the history keeps after interruptions, and with sentences of other lengths."""
    kept = []
    for moment in _MOMENTS:
        cut = interrupted(moment).turns[0]
        sounded = cut.log.first("playback", "stopped") - cut.metrics.playback_started
        kept.append(cut.heard)
        _expect_words(words_heard, REPLY, sounded, cut.heard, "So the history has it, of the same answer.")
    whole = "A word that ends at this very moment, or before it, is heard."
    for sentence, characters, heard in (
        (_OTHER_SENTENCE, 3, _OTHER_SENTENCE),
        (_OTHER_SENTENCE, 2, ""),
        ("We are open until nine.", 6, "We are"),
        ("We are open until nine.", 10, "We are"),
        ("We are open until nine.", 60, "We are open until nine."),
        ("We are open until nine.", 0, ""),
    ):
        _expect_words(words_heard, sentence, characters / CHARACTERS_PER_SECOND, heard, whole)
    return (
        f"Five interruptions, five times the same words as in the history. The first one leaves "
        f"{len(kept[0].split())} words, the last one {len(kept[-1].split())}."
    )


def _expect_words(answer: Callable, sentence: str, seconds: float, heard: str, rule: str) -> None:
    found = answer(sentence, seconds)
    call = f'words_heard("{sentence}", {seconds:.2f})'
    expect_something(call, found)
    expect(isinstance(found, str), f"{call} returned {found!r}; it must be one string.")
    expect(
        found.strip() == heard,
        f'{call} returned "{found}", and "{heard}" is heard: {seconds * CHARACTERS_PER_SECOND:.1f} characters '
        f"sounded, with the spaces. {rule}",
    )


@exercise("09")
def check_patient_listener(patient_listener: Callable[[], Interruption]) -> str:
    """Interrupt the agent with agreement and with objections, at several moments of its answer."""
    policy = patient_listener()
    expect(policy is not None, "patient_listener() returned None. It must return an Interruption.")
    expect(
        isinstance(policy, Interruption),
        f"patient_listener() returned {policy!r}, and it must return an Interruption.",
    )
    longest = max(_held_up(policy, text, moment) for text, moment in _AGREEMENT)
    slowest = max(_silenced(policy, text, moment) for text, moment in _OBJECTIONS)
    return f"An objection silences the agent in {slowest:.2f} s. Agreement holds it up for at most {longest:.2f} s."


def _held_up(policy: Interruption, text: str, moment: float) -> float:
    held = held_up(interrupted(moment, policy, text=text).turns[0])
    how = "stops it for good" if held == float("inf") else f"holds it up for {held:.2f} s"
    expect(
        held <= LONGEST_HOLD,
        f'"{text}", {moment} s into the answer, {how}. Agreement may hold the agent up for {LONGEST_HOLD} s.',
    )
    return held


def _silenced(policy: Interruption, text: str, moment: float) -> float:
    turn = interrupted(moment, policy, text=text).turns[0]
    seconds, held = turn.barge_in_to_silence, held_up(turn)
    if isnan(seconds):
        what = "does not silence the agent"
    elif held < float("inf"):
        what = f"silences the agent in {seconds:.2f} s, and then it goes on with its answer"
    else:
        what = f"silences the agent in {seconds:.2f} s"
    expect(
        seconds <= LONGEST_OBJECTION and held == float("inf"),
        f'"{text}", {moment} s into the answer, {what}. An objection must silence it within '
        f"{LONGEST_OBJECTION} s, for good.",
    )
    return seconds
