"""The exercises of notebook 08: a policy that listens to the words, the latest bet, a timer for a promise.

A policy is judged in an agent, on turns with pauses that `PauseModel` draws. Words alone do not decide:
one turn in eight has a first sentence, with half a second of silence after it, and one in eight ends
without its mark, as recognisers leave them. How many do is made up for this course.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from math import isnan
from typing import Protocol

import numpy as np
import pandas as pd

from voice_agent_lab.lessons.exercises import WrongAnswer, exercise, expect, expect_number, finished_turn
from voice_agent_lab.lessons.turn_taking import eager_agent, one_bet, with_pauses
from voice_agent_lab.models.pauses import PauseModel
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import Endpointing, SilenceTimeout
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.turns.agent import StreamingVoiceAgent

# A policy that listens to the words.

SHOWN = (
    "Can you tell me what the weather will be like in London tomorrow?",
    "What time is it now in the office where my brother works?",
    "Please set a timer for the bread that is in the oven now.",
    "I have another question. Is the museum open on Sunday afternoon?",
    "I would like some quiet music for the guests that are coming tonight.",
    "Could you remind me to call the dentist on Friday morning?",
    "How long does the train from Berlin to Prague take at night?",
    "Please tell my sister that I will be late for dinner",
)
"""What users say where the policy can be tried: the last one without its mark."""

_UNSEEN = (
    "Which of the two buses to the airport is the faster one?",
    "Please move my meeting with the lawyer to Thursday at ten.",
    "That is very kind of you. What do I owe you for it?",
    "Do you know whether the pharmacy near the station is still open?",
    "I want to change the address that you have for my account.",
    "Is there anything on my list that I can cook without onions?",
    "Please book a table for five people under the name of Novak",
    "Where did I leave the keys of the car that we have rented?",
)

TURNS = 40
MOST_CUT_OFF, LONGEST_WAIT = 5, 0.9  # turns of forty; seconds on average
_BETWEEN_SENTENCES = re.compile(r"(?<=[.?!]) (?=[A-Z])")
_FOR_EVER = 8.0  # seconds of silence after which nobody believes that the policy will decide


class _Counts(Protocol):
    def understood(self, text: str) -> None: ...
    def finished(self, speech: bool, seconds: float) -> bool: ...
    def reset(self) -> None: ...


class _Examined:
    """Hands a learner's policy only what a real one hears, and does not wait for it for ever."""

    def __init__(self, policy: _Counts) -> None:
        self._policy, self._silence, self._text = policy, 0.0, ""

    def understood(self, text: str) -> None:
        self._text = text
        self._policy.understood(text)

    def finished(self, speech: bool, seconds: float) -> bool:
        try:
            found = self._policy.finished(speech, seconds)
        except (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError) as error:
            heard = f'after "{self._text}"' if self._text else 'before a word is there, when the text is ""'
            raise WrongAnswer(
                f"finished({speech}, {seconds}) raised {type(error).__name__}: {error}; {heard} and "
                f"{self._silence:.2f} s of silence."
            ) from error
        expect(
            isinstance(found, bool | np.bool_),
            f"finished({speech}, {seconds}) returned {found!r}; it must be True or False, after silence and "
            "after speech. Does every way through it end with a return?",
        )
        self._silence = 0.0 if speech else self._silence + seconds
        expect(
            found or self._silence < _FOR_EVER,
            f'After "{self._text}" and {_FOR_EVER:g} s of silence the policy still waits. Every turn must end: '
            "where the words do not tell, a timer must.",
        )
        return bool(found)

    def reset(self) -> None:
        self._silence, self._text = 0.0, ""
        self._policy.reset()


@dataclass(frozen=True)
class _Judged:
    waits: list[float]  # seconds, of the turns that were not cut off
    cut_off: list[str]  # what was understood of those that were


def _judge(policy: Endpointing | _Counts, questions: Sequence[str], seed: int) -> _Judged:
    agent = StreamingVoiceAgent(
        latencies=StageLatencies(asr_processing=0.01, asr_finalization=0.05),
        endpointing=policy,
        llm=StreamingLLM(0.1, 0.01, replies={}, default="Yes."),
    )
    judged = _Judged([], [])
    for text in with_pauses(islice(cycle(questions), TURNS), PauseModel(), seed):
        turn = finished_turn(agent, _BETWEEN_SENTENCES.sub(' <break time="0.5s"/> ', text))
        if isnan(turn.metrics.voice_to_voice):
            judged.cut_off.append(turn.transcript)
        else:
            judged.waits.append(turn.metrics.end_of_turn - turn.metrics.speech_ended)
    return judged


def policies_judged(policies: Mapping[str, Endpointing]) -> pd.DataFrame:
    """Return what each policy does to the same forty turns, run in an agent.

    Parameters
    ----------
    policies : mapping of str to Endpointing
        From `stages.endpointing`, or your own, under their names.

    Returns
    -------
    pandas.DataFrame
        How many turns were cut off, and the mean wait at the end of the others, in seconds.
    """
    rows = {}
    for name, policy in policies.items():
        judged = _judge(policy, SHOWN, seed=8)
        rows[name] = (len(judged.cut_off), round(float(np.mean(judged.waits)), 2))
    columns = [f"cut off, of {TURNS}", "mean wait (s)"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


@exercise("08")
def check_words_and_silence(policy: Callable[[], _Counts]) -> str:
    """Run it in the agent, on the notebook's turns and on unseen ones, and hold both sides to the promise."""
    given = policy()
    for method in ("understood", "finished", "reset"):
        expect(
            callable(getattr(given, method, None)),
            f"The policy is made by calling it; that returned {given!r}, which has no method {method}.",
        )
    for which, questions, seed in (("the turns shown", SHOWN, 8), ("unseen turns", _UNSEEN, 80)):
        judged = _judge(_Examined(policy()), questions, seed)
        cut = len(judged.cut_off)
        tempting = sorted(judged.cut_off, key=lambda text: text[-1:] not in ".?!")  # whole sentences first
        expect(
            cut <= MOST_CUT_OFF,
            f"Of {which}, {TURNS}, {cut} are cut off, {MOST_CUT_OFF} may be. One of them is taken for whole with "
            f'"{(tempting or [""])[0]}".',
        )
        wait = float(np.mean(judged.waits))
        expect(
            wait <= LONGEST_WAIT,
            f"In {which} users wait {wait:.2f} s on average before the agent is sure, {LONGEST_WAIT} s is "
            f"promised. So long a wait is for turns whose words do not tell.",
        )
    timer = _judge(SilenceTimeout(round(wait, 1)), _UNSEEN, 80)
    return (
        f"Of {TURNS} unseen turns {cut} are cut off, and the others wait {wait:.2f} s on average. A timer that "
        f"waits as long, {wait:.1f} s, cuts off {len(timer.cut_off)} of them."
    )


# The latest bet.


@exercise("08")
def check_latest_bet(latest_bet: Callable[[float, float, float, float], float]) -> str:
    """Compare with agents that do not bet: their final transcript, and the time of their first sentence."""
    for question, timeout, finalisation, first_token, token in (
        ("Tell me the weather in London tomorrow.", 1.0, 0.1, 0.3, 0.02),
        ("Hello, how are you today?", 0.6, 0.2, 0.4, 0.02),
        ("Tell me the weather in London tomorrow.", 1.5, 0.3, 0.5, 0.1),
        ("Tell me the weather in London tomorrow.", 0.2, 0.0, 0.5, 0.05),
    ):
        latencies = StageLatencies(
            asr_processing=0.0,
            asr_finalization=finalisation,
            llm_first_token=first_token,
            llm_token_generation=token,
        )
        metrics = finished_turn(eager_agent(np.inf, timeout, latencies=latencies), question).metrics
        sentence = round(metrics.tts_started - metrics.llm_first_token, 9)
        final = metrics.asr_complete - metrics.speech_ended
        written = metrics.tts_started - metrics.llm_started
        expect_number(
            f"latest_bet({timeout}, {finalisation}, {first_token}, {sentence:g})",
            latest_bet(timeout, finalisation, first_token, sentence),
            max(0.0, final - written),
            f"There the transcript is final {final:.2f} s after the end of speech, and the first sentence is "
            f"written {written:.2f} s after the language model began; nobody can bet before the end of speech.",
        )
    bet = latest_bet(1.0, 0.1, 0.3, 8 * 0.02)
    early, there, late = (
        one_bet(round(bet + shift, 3), 0.0, 1.0).metrics.voice_to_voice for shift in (-0.1, 0.0, 0.1)
    )
    return (
        f"Bet after {bet:.2f} s. Earlier by 0.1 s changes nothing ({early:.2f} and {there:.2f} s); later by "
        f"0.1 s costs the user {late - there:.2f} s. A patient bet loses less often."
    )


# A timer for a promise.


@exercise("08")
def check_timer_for(timer_for: Callable[[float], float]) -> str:
    """Compare with the pause model, turned round: the timer that cuts off so many of the turns."""
    model, timers = PauseModel(), np.linspace(0.2, 5.0, 48_001)
    turns = model.turns_cut_off(model.exceeds(timers))
    shown = (0.30, 0.10, 0.05)
    right = {}
    for share in (*shown, 0.5, 0.2):
        right[share] = float(np.interp(-share, -np.asarray(turns), timers))
        expect_number(
            f"timer_for({share})",
            timer_for(share),
            right[share],
            f"That timer is outlasted by {model.exceeds(right[share]):.1%} of the pauses, which cuts off "
            f"{share:.0%} of the turns: share is one of turns, and must become one of pauses first.",
        )
    first, second, third = (right[share] for share in shown)
    return (
        f"For 30, 10 and 5 % of the turns: {first:.2f}, {second:.2f} and {third:.2f} s. From 10 to 5 % alone "
        f"costs {third - second:.2f} s, and every user pays for it in every turn."
    )
