"""What it brings to answer before it is sure that the user has finished: the bets of notebook 08."""

from collections.abc import Sequence
from functools import lru_cache
from math import isnan

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from voice_agent_lab.lessons.who_spoke import PLAIN, bar, finished_turn, say, spoken_stretches
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.models.pauses import PauseModel
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, new_figure
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.speculation import Eager

FLUX_EAGER = ((0.150, 0.250), (0.50, 0.70))
"""Deepgram Flux with an eager threshold of 0.3 to 0.5: seconds saved, share of additional calls of the
language model (Telnyx's documentation of Flux, 2026)."""

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
    rng, asked = np.random.default_rng(seed), []
    for turn, pauses in enumerate(model.counts(rng, number)):
        words = _QUESTIONS[turn % len(_QUESTIONS)].split()
        places = rng.choice(len(words) - 1, size=min(int(pauses), len(words) - 1), replace=False)
        for place, seconds in zip(places, model.lengths(rng, len(places)), strict=True):
            words[place] += f' <break time="{seconds:.3f}s"/>'
        asked.append(" ".join(words))
    return asked


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
    never = silence == np.inf
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
        The number of turns that were not cut off, the mean seconds saved, the calls of the language model
        beyond one for each turn (as a share), the wasted tokens for each turn, and the share of turns in
        which a bet was won.
    """
    asked = questions_with_pauses(turns, PauseModel())
    certain = [_eager_turn(text, np.inf, timeout) for text in asked]
    kept = [k for k, turn in enumerate(certain) if not isnan(turn.metrics.voice_to_voice)]
    rows = []
    for silence in silences:
        eager = {k: _eager_turn(asked[k], silence, timeout) for k in kept}
        saved = [certain[k].metrics.voice_to_voice - eager[k].metrics.voice_to_voice for k in kept]
        lost = [len(eager[k].log.all("llm", "withdrawn")) for k in kept]
        won = [not isnan(eager[k].lead) for k in kept]
        wasted = [eager[k].wasted_tokens for k in kept]
        rows.append((len(kept), np.mean(saved), np.mean(lost), np.mean(wasted), np.mean(won)))
    index = pd.Index(silences, name="bet after (s)")
    columns = ["turns", "saved (s)", "more calls", "wasted tokens", "bets won"]
    return pd.DataFrame(rows, index=index, columns=columns).round(3)


@lru_cache(maxsize=2048)
def _eager_turn(text: str, silence: float, timeout: float) -> Turn:
    return finished_turn(text, eager_agent(silence, timeout))


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
    return finished_turn(text, eager_agent(silence, timeout, latencies=latencies))


# Figures.


@drawn_in_style
def bets(turn: Turn) -> Figure:
    """Draw the bets of one eager turn: what was begun, withdrawn and kept, and what was heard.

    Parameters
    ----------
    turn : Turn
        A turn of an eager agent.
    """
    figure, (axes,) = new_figure(2.3, left=0.8, top=0.3)
    m, log = turn.metrics, turn.log
    axes.set_xlim(0, m.playback_started + 1.0)
    for start, end, words in spoken_stretches(turn.user_input):
        bar(axes, 0, start, end, "user", words)
    told = []
    for start, end, attempt, fate in _attempts(turn):
        look = {"facecolor": "white", "edgecolor": STAGE_COLOURS["llm"], "hatch": "////"}
        look = look if fate == "withdrawn" else {"facecolor": "#8CC0DC"}
        axes.add_patch(Rectangle((start, 0.7), max(end - start, 0.01), 0.6, **look))
        tokens = [e.time for e in log.all("llm", "token") if e.detail.get("attempt") == attempt]
        axes.vlines(tokens, 0.7, 1.3, color=STAGE_COLOURS["llm"], linewidth=0.8)
        say(axes, fate, (start, 1.3), (0, -7))
        told.append(f"an answer begun at {start:.2f} s, {len(tokens)} tokens, {fate}")
    bar(axes, 2, m.playback_started, m.playback_started + 1.0, "playback", turn.reply)
    axes.axvline(m.asr_complete, color="black", linestyle=":", linewidth=1)
    axes.annotate("transcript final", (m.asr_complete, -0.5), (4, 3), textcoords="offset points", **PLAIN)
    axes.set(ylim=(2.5, -0.5), yticks=[])
    axes.set(xlabel="seconds since the microphone opened")
    axes.spines.left.set_visible(False)
    for y, name in enumerate(("user", "LLM", "voice")):
        axes.annotate(name, (0, y), (-8, 0), textcoords="offset points", ha="right", **PLAIN)
    figure.set_label(
        f"Bets of one turn: {'; '.join(told)}. The first sound is heard at {m.playback_started:.2f} s."
    )
    return figure


@drawn_in_style
def saved_against_calls(table: pd.DataFrame) -> Figure:
    """Draw what bets bring against what they cost.

    Parameters
    ----------
    table : pandas.DataFrame
        From `eager_table`.
    """
    figure, (axes,) = new_figure(3.0, left=0.9)
    axes.plot(table["more calls"], table["saved (s)"], "o-", color=STAGE_COLOURS["llm"])
    most = table["saved (s)"].idxmax()
    for silence, row in table.iterrows():
        offset = (9, -5) if silence > most else (2, 9)  # below the rising line, above the rest
        say(axes, f"bet after {silence:g} s", (row["more calls"], row["saved (s)"]), offset)
    (low, high), (few, many) = FLUX_EAGER
    axes.add_patch(Rectangle((few, low), many - few, high - low, color="#E69F00", alpha=0.5, linewidth=0))
    say(axes, "Deepgram Flux, as published", (few, low), (0, -8))
    axes.set(xlim=(0, 1.15 * table["more calls"].max() + 0.1), ylim=(0, 1.25 * table["saved (s)"].max()))
    axes.set(xlabel="more calls of the language model", ylabel="seconds saved, mean")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
    told = "; ".join(
        f"{silence:g} s: {row['saved (s)']:.2f} s for {row['more calls']:.0%} more calls"
        for silence, row in table.iterrows()
    )
    figure.set_label(f"Bets after so much silence. {told}.")
    return figure


def _attempts(turn: Turn) -> list[tuple[float, float, int | None, str]]:
    """Return for each answer of a turn when it began and ended, its number, and what became of it."""
    attempts = []
    fates = {e.detail["attempt"]: e for e in turn.log if e.name in ("withdrawn", "kept") and e.stage == "llm"}
    for event in turn.log.all("llm", "started"):
        number = event.detail.get("attempt")
        fate = fates.get(number)
        if fate and fate.name == "withdrawn":
            attempts.append((event.time, fate.time, number, "withdrawn"))
        else:
            last = turn.metrics.llm_complete
            attempts.append((event.time, last, number, "kept" if fate else "no bet"))
    return attempts
