"""The explorers of notebook 08: how long to wait for the user, and what an early bet brings.

The notebook finds here also what it shows without sliders, from the modules that this one imports.

Conventions
-----------
A *wait* is the silence from the end of speech to the decision that the user has finished: what
endpointing adds to voice-to-voice, without any computing. *Cut-offs* are shares of pauses, as in
eot-bench, unless a name says that they are shares of turns.
"""

from math import isnan

import numpy as np
from matplotlib.figure import Figure

from voice_agent_lab.lessons.early_bets import (
    bets,
    eager_table,
    one_bet,
    questions_with_pauses,
    saved_against_calls,
)
from voice_agent_lab.lessons.explorer import Explorer, slider
from voice_agent_lab.lessons.trade_offs import (
    EOT_BENCH,
    TIMER_POINTS,
    detector_cut_offs,
    draw_timer,
    finished_after,
    pauses_and_ends,
    preset_table,
    published_trade_off,
    turns_cut_off,
    waits_of,
)
from voice_agent_lab.lessons.who_spoke import (
    CUT_OFF,
    QUICK,
    both_speakers,
    conversation,
    finished_turn,
    say,
)
from voice_agent_lab.models.pauses import PauseModel
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, new_figure
from voice_agent_lab.stages.endpointing import LearnedDetector

__all__ = [
    "CUT_OFF",
    "EOT_BENCH",
    "QUICK",
    "TIMER_POINTS",
    "bets",
    "both_speakers",
    "conversation",
    "detector_cut_offs",
    "eager",
    "eager_table",
    "finished_after",
    "finished_turn",
    "one_bet",
    "pauses_and_ends",
    "preset_table",
    "published_trade_off",
    "questions_with_pauses",
    "saved_against_calls",
    "turns_cut_off",
    "waiting",
    "waits_of",
]


def waiting() -> Explorer:
    """Return controls over a timer, a detector, and how users pause."""
    return Explorer(
        _draw_waiting,
        timer=slider("silence timer (s)", 0.2, 3.0, 0.6, 0.05),
        detection_rate=slider("detector: ends detected (share)", 0.0, 1.0, 0.91, 0.01),
        delay=slider("detector: delay when it detects (s)", 0.2, 2.0, 0.3, 0.05),
        timeout=slider("detector: timeout when not (s)", 0.2, 5.0, 3.0, 0.1),
        false_alarms=slider("detector: pauses taken for the end (share)", 0.0, 1.0, 0.06, 0.01),
        alpha=slider("alpha: larger means fewer long pauses", 1.0, 2.5, 1.43, 0.01),
    )


def _draw_waiting(
    timer: float, detection_rate: float, delay: float, timeout: float, false_alarms: float, alpha: float
) -> tuple[Figure, str]:
    model = PauseModel(alpha=alpha)
    detector = LearnedDetector(detection_rate, delay, timeout, false_alarm_rate=false_alarms)
    cut, learned = float(model.exceeds(timer)), detector_cut_offs(detector, model)
    equal = model.shortest * learned ** (-1 / alpha) if learned else np.inf
    sentence = (
        f"The timer waits {timer:.2f} s and cuts off {cut:.1%} of the pauses, so "
        f"{float(turns_cut_off(cut, model)):.0%} of the turns. The detector waits {delay:.2f} s or "
        f"{timeout:.2f} s, {detector.mean_wait:.2f} s on average, and cuts off {learned:.1%} of the pauses, "
        f"{float(turns_cut_off(learned, model)):.0%} of the turns. "
    )
    if equal <= model.longest:
        sentence += f"A timer that cuts off as few waits {equal:.2f} s."
    else:
        sentence += f"No timer below {model.longest:g} s cuts off as few."
    return _waiting_figure(timer, cut, detector, learned, model, sentence), sentence


@drawn_in_style
def _waiting_figure(
    timer: float, cut: float, detector: LearnedDetector, learned: float, model: PauseModel, label: str
) -> Figure:
    figure, (axes,) = new_figure(3.2, left=0.8, right=0.3)
    draw_timer(axes, model)
    axes.set(xlim=(0.2, 3.5))
    axes.plot(timer, cut, "o", color="black", markersize=8, zorder=4, clip_on=False)
    say(axes, "timer", (timer, cut), (9, 6))
    wait, shown = detector.mean_wait, max(learned, 0.02)
    axes.plot(min(wait, 3.5), shown, "s", color=STAGE_COLOURS["llm"], markersize=8, zorder=5, clip_on=False)
    say(axes, "detector, mean", (min(wait, 3.5), shown), (9, 0), color=STAGE_COLOURS["llm"])
    for rate, seconds in (
        (detector.detection_rate, detector.delay),
        (1 - detector.detection_rate, detector.timeout),
    ):
        if rate and seconds <= 3.5:
            look = {"color": STAGE_COLOURS["llm"], "markersize": 3 + 6 * rate, "clip_on": False}
            axes.plot(seconds, 0.02, "^", zorder=5, **look)
            say(axes, f"{rate:.0%} of its turns", (seconds, 0.02), (6, 8), color=STAGE_COLOURS["llm"])
    figure.set_label(label)
    return figure


def eager() -> Explorer:
    """Return controls over one eager turn: the bet, the pause, and the timer."""
    return Explorer(
        _draw_eager,
        silence=slider("bet after silence of (s)", 0.15, 1.5, 0.2, 0.05),
        pause=slider("pause in the question (s)", 0.0, 2.0, 0.6, 0.05),
        timeout=slider("sure after silence of (s)", 0.2, 2.0, 1.0, 0.05),
        first_token=slider("LLM: time to first token (s)", 0.05, 1.5, 0.3, 0.05),
    )


def _draw_eager(silence: float, pause: float, timeout: float, first_token: float) -> tuple[Figure, str]:
    turn = one_bet(silence, pause, timeout, first_token)
    waited = one_bet(np.inf, pause, timeout, first_token).metrics.voice_to_voice
    wasted, wait = turn.wasted_tokens, turn.metrics.voice_to_voice
    lost = len(turn.log.all("llm", "withdrawn"))
    figure = bets(turn)
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
