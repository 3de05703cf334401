"""Notebook 08, turn taking: how long to wait for the user, and what an early bet on the end brings.

Conventions
-----------
A *wait* is the silence from the end of speech to the decision that the user has finished: what
endpointing adds to voice-to-voice, without any computing. *Cut-offs* are shares of pauses, as in
eot-bench, unless a name says that they are shares of turns.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import cycle, islice
from math import inf, isnan

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.lessons.exercises import finished_turn
from voice_agent_lab.lessons.explorer import explorer, slider
from voice_agent_lab.measure.reported import article_time_to_first_audio, livekit_e2e
from voice_agent_lab.measure.samples import mean, percentile
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.models.pauses import PauseModel
from voice_agent_lab.plots.conversation import Stretch, bets
from voice_agent_lab.plots.turn_taking import timer_and_detector
from voice_agent_lab.presets import PRESETS
from voice_agent_lab.published.eot_bench import LIVEKIT_V1
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import LearnedDetector, SilenceTimeout
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.speech import spoken_words
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.script import Say
from voice_agent_lab.turns.speculation import Eager

# A timer and a detector.


@explorer(
    timer=slider("silence timer (s)", 0.2, 3.0, 0.6, 0.05),
    detection_rate=slider("detector: ends detected (share)", 0.0, 1.0, LIVEKIT_V1["detection_rate"], 0.01),
    delay=slider("detector: delay when it detects (s)", 0.2, 2.0, LIVEKIT_V1["delay"], 0.05),
    timeout=slider("detector: timeout when not (s)", 0.2, 5.0, LIVEKIT_V1["timeout"], 0.1),
    false_alarms=slider("detector: pauses taken for the end (share)", 0.0, 1.0, 0.06, 0.01),
    alpha=slider("alpha: larger means fewer long pauses", 1.0, 2.5, 1.43, 0.01),
)
def waiting(
    timer: float, detection_rate: float, delay: float, timeout: float, false_alarms: float, alpha: float
) -> tuple[Figure, str]:
    """Show what a timer and a detector cut off, and how long they wait, under controls over how users pause."""
    if timeout < delay:
        raise ValueError(
            f"A detector that waits {timeout:.2f} s when it detects nothing cannot wait {delay:.2f} s when it "
            "detects the end; make its timeout longer or its delay shorter."
        )
    model = PauseModel(alpha=alpha)
    detector = LearnedDetector(detection_rate, delay, timeout, false_alarm_rate=false_alarms)
    cut, learned = model.exceeds(timer), model.cut_offs(detector)
    equal = model.shortest * learned ** (-1 / alpha) if learned else inf
    sentence = (
        f"The timer waits {timer:.2f} s and cuts off {cut:.1%} of the pauses, so "
        f"{model.turns_cut_off(cut):.0%} of the turns. The detector waits {delay:.2f} s or "
        f"{timeout:.2f} s, {detector.mean_wait:.2f} s on average, and cuts off {learned:.1%} of the pauses, "
        f"{model.turns_cut_off(learned):.0%} of the turns. "
    )
    if equal <= model.longest:
        sentence += f"A timer that cuts off as few waits {equal:.2f} s."
    else:
        sentence += f"No timer below {model.longest:g} s cuts off as few."
    waits = (detection_rate, delay), (1 - detection_rate, timeout)
    return timer_and_detector(model, timer, waits, learned), sentence


# A false cut-off.

CUT_OFF = 'Tell me the weather <break time="0.8s"/> in London tomorrow.'
"""A question with a pause that outlasts the article's timer of 0.5 s."""

QUICK = StageLatencies(
    asr_processing=0.01,
    asr_finalization=0.05,
    llm_first_token=0.1,
    llm_token_generation=0.01,
    tts_first_chunk=0.05,
)
"""An agent with fast parts: it speaks soon after it has decided that the user has finished."""


def conversation(text: str, **options: object) -> StreamingVoiceAgent:
    """Let a user say `text` in a conversation, in virtual time, and return the agent.

    Parameters
    ----------
    text : str
        What the user says, with pauses.
    **options
        As of `StreamingVoiceAgent`.
    """
    agent = StreamingVoiceAgent(**options)
    simulate(agent.converse([Say(text)]))
    return agent


def spoken_stretches(text: str) -> list[Stretch]:
    """Return when each stretch of words without a pause begins and ends, and the words."""
    stretches: list[Stretch] = []
    for word in spoken_words(text)[0]:
        if stretches and word.starts - stretches[-1][1] < 0.1:
            start, _, words = stretches.pop()
            stretches.append((start, word.ends, f"{words} {word.text}"))
        else:
            stretches.append((word.starts, word.ends, word.text))
    return stretches


# Bets on the end.

_QUESTIONS = (
    "Can you tell me what the weather will be like in London tomorrow?",
    "What time is it now in the office where my brother works?",
    "Please set a timer for the bread that is in the oven now.",
    "I would like some quiet music for the guests that are coming tonight.",
)


def questions_with_pauses(number: int, model: PauseModel, seed: int = 0) -> list[str]:
    """Return questions with pauses at random places between their words.

    Parameters
    ----------
    number : int
        How many.
    model : PauseModel
        How many pauses each has, and how long they are.
    seed : int
        Of the pauses.
    """
    return with_pauses(islice(cycle(_QUESTIONS), number), model, seed)


def with_pauses(said: Iterable[str], model: PauseModel, seed: int = 0) -> list[str]:
    """Return texts with pauses at random places between their words.

    Parameters
    ----------
    said : iterable of str
        The texts, one for each turn.
    model : PauseModel
        How many pauses each has, and how long they are.
    seed : int
        Of the pauses.
    """
    rng, texts, paused = np.random.default_rng(seed), [text.split() for text in said], []
    for words, pauses in zip(texts, model.counts(rng, len(texts)), strict=True):
        places = rng.choice(len(words) - 1, size=min(int(pauses), len(words) - 1), replace=False)
        for place, seconds in zip(places, model.lengths(rng, len(places)), strict=True):
            words[place] += f' <break time="{seconds:.3f}s"/>'
        paused.append(" ".join(words))
    return paused


def eager_agent(silence: float, timeout: float = 1.0, **options: object) -> StreamingVoiceAgent:
    """Return an agent that bets after some silence and is sure after more; its frames last 20 ms.

    Parameters
    ----------
    silence : float
        Seconds of silence after which it bets; ``inf`` never.
    timeout : float
        Seconds of silence after which the user has finished.
    **options
        As of `StreamingVoiceAgent`.
    """
    never = silence == inf
    settings = {
        "latencies": StageLatencies(asr_processing=0.005, asr_finalization=0.1),
        "overlap": "concurrent" if never else "eager",
        "audio": AudioInputStream(chunk_duration_ms=20),
        "eager": None if never else Eager(silence=silence),
        "endpointing": SilenceTimeout(timeout),
    }
    return StreamingVoiceAgent(**{**settings, **options})


def eager_table(silences: Sequence[float], turns: int = 100, timeout: float = 1.0) -> pd.DataFrame:
    """Return what bets bring and cost, over many turns with pauses, against not betting.

    Turns that were cut off are left out: the same ones for each silence.

    Parameters
    ----------
    silences : sequence of float
        Seconds of silence after which a bet is made; one row for each.
    turns : int
        How many turns.
    timeout : float
        Seconds of silence after which the user has finished.

    Returns
    -------
    pandas.DataFrame
        The number of turns that were not cut off, the mean seconds saved with its interval, the calls of the
        language model beyond one for each turn (as a share), the wasted tokens for each turn, and the share
        of turns in which a bet was won.
    """
    asked = questions_with_pauses(turns, PauseModel())
    certain = [_eager_turn(text, inf, timeout) for text in asked]
    kept = [k for k, turn in enumerate(certain) if not isnan(turn.metrics.voice_to_voice)]
    rows = []
    for silence in silences:
        eager = {k: _eager_turn(asked[k], silence, timeout) for k in kept}
        saved = [certain[k].metrics.voice_to_voice - eager[k].metrics.voice_to_voice for k in kept]
        lost = [len(eager[k].log.all("llm", "withdrawn")) for k in kept]
        won = [not isnan(eager[k].lead) for k in kept]
        wasted = [eager[k].wasted_tokens for k in kept]
        gain = mean(saved)
        rows.append((gain.n, gain.value, gain.low, gain.high, np.mean(lost), np.mean(wasted), np.mean(won)))
    index = pd.Index(silences, name="bet after (s)")
    columns = ["turns", "saved (s)", "from", "to", "more calls", "wasted tokens", "bets won"]
    return pd.DataFrame(rows, index=index, columns=columns).round(3)


@lru_cache(maxsize=2048)
def _eager_turn(text: str, silence: float, timeout: float) -> Turn:
    return finished_turn(eager_agent(silence, timeout), text)


@lru_cache(maxsize=512)
def one_bet(silence: float, pause: float, timeout: float, first_token: float = 0.3) -> Turn:
    """Return a turn with one pause and an agent that bets.

    Parameters
    ----------
    silence : float
        Seconds of silence after which the agent bets; ``inf`` never.
    pause, timeout, first_token : float
        Seconds: the pause in the question, the silence that ends the turn, the wait for the first token.
    """
    text = f'Tell me the weather <break time="{pause}s"/> in London tomorrow.'
    if not pause:
        text = "Tell me the weather in London tomorrow."
    latencies = StageLatencies(asr_processing=0.005, asr_finalization=0.1, llm_first_token=first_token)
    return finished_turn(eager_agent(silence, timeout, latencies=latencies), text)


@explorer(
    silence=slider("bet after silence of (s)", 0.15, 1.5, 0.2, 0.05),
    pause=slider("pause in the question (s)", 0.0, 2.0, 0.6, 0.05),
    timeout=slider("sure after silence of (s)", 0.2, 2.0, 1.0, 0.05),
    first_token=slider("LLM: time to first token (s)", 0.05, 1.5, 0.3, 0.05),
)
def eager(silence: float, pause: float, timeout: float, first_token: float) -> tuple[Figure, str]:
    """Show one eager turn under controls over the bet, the pause, and the timer."""
    turn = one_bet(silence, pause, timeout, first_token)
    waited = one_bet(inf, pause, timeout, first_token).metrics.voice_to_voice
    wasted, wait = turn.wasted_tokens, turn.metrics.voice_to_voice
    lost = len(turn.log.all("llm", "withdrawn"))
    figure = bets(turn, spoken_stretches(turn.user_input))
    if isnan(wait):
        return figure, (
            f'A pause of {pause:.2f} s is too long for a timer of {timeout:.2f} s: after "{turn.transcript}" the '
            "user is cut off. Voice-to-voice: not measured."
        )
    lead = "No bet was won" if isnan(turn.lead) else f"The answer has a lead of {turn.lead:.2f} s"
    bets_lost = f"{lost} bet{'s' * (lost != 1)} lost, {wasted} token{'s' * (wasted != 1)} wasted"
    return figure, (
        f"{lead}; {bets_lost}. Voice-to-voice is {wait:.2f} s; without bets it would be {waited:.2f} s."
    )


# All presets.


def preset_table(seeds: int = 20) -> pd.DataFrame:
    """Return, for each preset, what was reported and what was waited, and what its endpointing does.

    Parameters
    ----------
    seeds : int
        How many turns; each asks the same short question.

    Returns
    -------
    pandas.DataFrame
        Medians over the turns with their intervals (see `measure.samples`), and the longest wait, in seconds;
        then the mean wait of endpointing and the pauses that it cuts off, both in closed form.
    """
    rows, model = {}, PauseModel()
    for name, preset in PRESETS.items():
        turns = [_preset_turn(name, seed) for seed in range(seeds)]
        waits = [turn.metrics.voice_to_voice for turn in turns]
        policy = preset.endpointing(np.random.default_rng(0))
        learned = isinstance(policy, LearnedDetector)
        rows[name] = (
            f"{percentile(article_time_to_first_audio(turn).seconds for turn in turns):.2f}",
            f"{percentile(livekit_e2e(turn).seconds for turn in turns):.2f}",
            f"{percentile(waits):.2f}",
            round(max(waits), 2),
            round(policy.mean_wait, 2),
            f"{model.cut_offs(policy) if learned else model.exceeds(policy.mean_wait):.0%}",
        )
    columns = [
        "article's TTFA",
        "frameworks",
        "voice-to-voice",
        "its maximum",
        "endpointing",
        "pauses cut off",
    ]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


@lru_cache(maxsize=1024)
def _preset_turn(name: str, seed: int) -> Turn:
    return finished_turn(PRESETS[name].agent(seed=seed), "What's the weather like?")
