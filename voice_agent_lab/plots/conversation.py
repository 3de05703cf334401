"""Figures of conversations: who spoke when, what was heard, and the answers that were begun too early.

Conventions
-----------
Times are in seconds since the user began to speak, or since the first sound of an answer where a
figure compares answers.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf, isnan

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.measure.who_spoke import agent_speech, held_up, outcome, user_speech
from voice_agent_lab.plots.drawing import (
    STAGE_COLOURS,
    STATE_STAGES,
    axis_end,
    counted,
    drawn_in_style,
    headline,
    ink,
    new_figure,
    rows_only,
    text_width,
    tint,
    units_per_pixel,
    write,
    write_near,
)

# A pause that is taken for the end.

Stretch = tuple[float, float, str]
"""When somebody spoke without a pause, from and to (seconds), and the words."""


@drawn_in_style
def both_speakers(turns: Sequence[Turn], said: Sequence[Stretch]) -> Figure:
    """Draw when the user and the agent spoke in a conversation of one utterance.

    Parameters
    ----------
    turns : sequence of Turn
        The turns of the conversation, in order.
    said : sequence of (float, float, str)
        When the user spoke without a pause, in seconds since the first turn began, and the words.
    """
    figure, (axes,) = new_figure(2.25, left=0.8, top=0.6)
    axes.set_xlim(0, said[-1][1] + 2.2)
    for start, end, words in said:
        _bar(axes, 0, start, end, "user", words)
    told = []
    for turn in turns:
        shift, m = turn.log.origin - turns[0].log.origin, turn.metrics
        axes.plot([shift + m.end_of_turn] * 2, (-0.5, 1.5), color=STAGE_COLOURS["endpointing"], linewidth=1.2)
        write_near(axes, "end of turn?", (shift + m.end_of_turn, -0.6), (0, 6), ha="center")
        text = f'at {shift + m.end_of_turn:.2f} s "{turn.transcript}" is taken for the whole turn'
        if not isnan(m.playback_started):
            start, end = shift + m.playback_started, shift + m.playback_ended
            _bar(axes, 1, start, end, "playback", turn.heard)
            text += f", the agent speaks from {start:.2f} to {end:.2f} s"
        told.append(text)
    _name_rows(axes, ("user", "agent"), (1.6, -0.6), "seconds since the user began to speak")
    pauses = [after[0] - before[1] for before, after in pairwise(said)]
    headline(figure, f"One utterance, {_pauses(pauses)}, becomes {counted(len(turns), 'turn')}")
    figure.set_label(f"Who spoke when; lines are decisions that the user has finished: {'; '.join(told)}.")
    return figure


@drawn_in_style
def bets(turn: Turn, said: Sequence[Stretch]) -> Figure:
    """Draw the bets of one eager turn: what was begun, withdrawn and kept, and what was heard.

    Parameters
    ----------
    turn : Turn
        A turn of an eager agent.
    said : sequence of (float, float, str)
        When the user spoke without a pause, in seconds since the turn began, and the words.
    """
    figure, (axes,) = new_figure(2.7, left=0.8, top=0.6)
    m, log = turn.metrics, turn.log
    axes.set_xlim(0, axis_end(m.playback_started + 1.3, (6.5, 8.0, 10.0)))
    for start, end, words in said:
        _bar(axes, 0, start, end, "user", words)
    told = []
    for start, end, attempt, fate in _attempts(turn):
        tokens = sum(e.detail.get("attempt") == attempt for e in log.all("llm", "token"))
        look = {"facecolor": "white", "edgecolor": STAGE_COLOURS["llm"], "hatch": "////"}
        look = look if fate == "withdrawn" else {"facecolor": STAGE_COLOURS["llm"]}
        axes.add_patch(Rectangle((start, 0.6), max(end - start, 0.01), 0.8, **look))
        text = _FATES[fate].format(tokens=counted(tokens, "token"), lead=turn.lead)
        if fate == "kept":
            write_near(axes, text, (m.asr_complete, 1.5), (-4, -7), ha="right")
        else:
            write_near(axes, text, (start, 1.5), (0, -7))
        told.append(f"an answer begun at {start:.2f} s, {counted(tokens, 'token')}, {fate}")
    _bar(axes, 2.1, m.playback_started, m.playback_ended, "playback", turn.reply)
    axes.axvline(m.asr_complete, color="black", linestyle=":", linewidth=1)
    write_near(axes, "now the agent is sure", (m.asr_complete, -0.5), (4, 3))
    _name_rows(axes, ("user", "LLM", "voice"), (2.6, -0.5), "seconds since the microphone opened")
    if not isnan(turn.lead):
        axes.hlines(1.5, m.asr_complete - turn.lead, m.asr_complete, color="black", linewidth=1)
    headline(figure, _won_and_lost(turn))
    figure.set_label(
        f"Bets of one turn: {'; '.join(told)}. The first sound is heard at {m.playback_started:.2f} s."
    )
    return figure


_FATES = {
    "withdrawn": "bet lost: {tokens} wasted",
    "kept": "bet won: {lead:.2f} s of lead",
    "no bet": "no bet",
}


def _won_and_lost(turn: Turn) -> str:
    """Return what became of the bets of a turn, and of its user."""
    if isnan(turn.metrics.voice_to_voice):
        return "The user is cut off: the agent is sure before the question is over"
    lost = len(turn.log.all("llm", "withdrawn"))
    waste = f"{counted(lost, 'bet')} lost, {counted(turn.wasted_tokens, 'token')} wasted"
    won = "no bet won" if isnan(turn.lead) else f"one won, {turn.lead:.2f} s ahead"
    return f"{waste if lost else 'No bet lost'}; {won}"


def _pauses(seconds: Sequence[float]) -> str:
    """Return how long the pauses between some stretches of speech are."""
    if not seconds:
        return "without a pause"
    return f"with a pause of {' and '.join(f'{pause:.1f} s' for pause in seconds)}"


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


def _bar(axes: Axes, y: float, start: float, end: float, stage: str, words: str) -> None:
    """Draw a stretch of speech as far as the axis goes, with as many of its words as have room."""
    end = min(end, axes.get_xlim()[1])
    axes.broken_barh([(start, end - start)], (y - 0.4, 0.8), color=STAGE_COLOURS[stage])
    room = (end - start) / units_per_pixel(axes) - 8
    shown = words.split()
    while shown and text_width(_shortened(shown, words)) > room:
        shown.pop()
    if shown:
        write(axes, start + 4 * units_per_pixel(axes), y, _shortened(shown, words))


def _shortened(shown: Sequence[str], words: str) -> str:
    text = " ".join(shown)
    return text if text == " ".join(words.split()) else f"{text} \N{HORIZONTAL ELLIPSIS}"


def _name_rows(axes: Axes, names: Sequence[str], ylim: tuple[float, float], xlabel: str) -> None:
    axes.set(ylim=ylim, yticks=[], xlabel=xlabel)
    axes.spines.left.set_visible(False)
    for y, name in enumerate(names):
        write_near(axes, name, (0, y), (-8, 0), ha="right")


# Speech over an answer.


@drawn_in_style
def conversation_timeline(
    turns: Sequence[Turn], said: Sequence[str] = (), *, ends: Sequence[float] = ()
) -> Figure:
    """Draw who spoke when, what was heard, and the agent's states, with each barge-in and its silence.

    Parameters
    ----------
    turns : sequence of Turn
        The turns of one conversation, in order.
    said : sequence of str
        What the user said each time, to be written above; the transcripts of the turns if not given.
    ends : sequence of float
        Where the axis may end, in seconds, so that pictures can be compared.
    """
    if not turns:
        raise ValueError("turns is empty; a conversation has at least one")
    figure, (axes,) = new_figure(3.4, left=0.75, top=0.5)
    since = [turn.log.origin - turns[0].log.origin for turn in turns]
    reach = 1.02 * max(at + event.time for at, turn in zip(since, turns, strict=True) for event in turn.log)
    end = axis_end(reach, ends)
    axes.set(xlim=(0, end), xlabel="seconds since the user began to speak")
    rows_only(axes, ("user", "agent", "", "", "", "state"), ylim=(5.5, -1.6))
    speech, told = user_speech(turns), []
    _draw_user(axes, speech, said or _transcripts(speech, turns, since))
    sounds = [
        [(at + a, at + b) for a, b in agent_speech(turn)] for at, turn in zip(since, turns, strict=True)
    ]
    starts = [spans[0][0] for spans in sounds if spans]
    for at, turn, spans in zip(since, turns, sounds, strict=True):
        begun, stopped = at + turn.log.first("agent", "barge_in"), at + turn.log.first("playback", "stopped")
        if spans:
            until = min([a for a in starts if a > spans[0][0]], default=end)
            not_heard = " ".join(turn.reply.split()[len(turn.heard.split()) :])
            _draw_answer(axes, spans, until, turn.heard, not_heard)
            missed = len(not_heard.split())
            told.append(f'agent {_times(spans)}, heard "{turn.heard}", {missed} written words not heard')
        if not isnan(begun):
            told.append(f"barge-in at {begun:.2f} s")
            _mark(axes, begun, "barge-in", "right")
        if not isnan(begun) and not isnan(stopped):
            told.append(f"silence at {stopped:.2f} s")
            _mark(axes, stopped, "silence", "left")
    _draw_states(axes, turns, since, end)
    headline(figure, _what_was_heard(turns[0]))
    figure.set_label(f"A conversation: user {_times(speech)}; {'; '.join(told)}.")
    return figure


def _what_was_heard(turn: Turn) -> str:
    """Return what became of the first answer of a conversation."""
    heard, words, took = len(turn.heard.split()), len(turn.reply.split()), turn.barge_in_to_silence
    if not isnan(took):
        return f"Silent {took:.2f} s after the user began to speak; {heard} of {words} words are heard"
    if not isnan(turn.log.first("agent", "barge_in")):
        return "Interrupted before its first sound: the answer is never heard"
    return f"The agent is not stopped; {heard} of {words} words are heard"


@drawn_in_style
def both_answers(runs: Mapping[str, Sequence[Turn]]) -> Figure:
    """Draw several answers and what was said over each, counted from its first sound.

    Parameters
    ----------
    runs : mapping of str to sequence of Turn
        The turns of each conversation, under what the user said over its first answer.
    """
    figure, (axes,) = new_figure(1.0 + 1.05 * len(runs), left=0.75, top=0.37)
    ends, told = [], []
    for k, (text, turns) in enumerate(runs.items()):
        zero, turn = turns[0].metrics.playback_started, turns[0]
        spoken = [(a - zero, b - zero) for a, b in user_speech(turns) if a > zero]
        sounds = [(a - zero, b - zero) for a, b in agent_speech(turn)]
        ends += [spoken[-1][1], sounds[-1][1]]
        _draw_spans(axes, 3 * k, spoken, "user")
        _draw_spans(axes, 3 * k + 1, sounds, "playback")
        write(axes, spoken[0][0], 3 * k - 0.75, f'"{text}": {outcome(turn)}')
        told.append(f'"{text}" {_times(spoken)}, agent {_times(sounds)}')
    axes.set(xlim=(0, axis_end(1.02 * max(ends), (6.0, 8.0, 10.0))), xlabel="seconds into the answer")
    rows_only(axes, ["user", "agent", ""] * len(runs), ylim=(3 * len(runs) - 1.2, -1.1))
    headline(figure, _who_ends_it({text: turns[0] for text, turns in runs.items()}))
    figure.set_label(f"Speech over an answer: {'; '.join(told)}.")
    return figure


def _who_ends_it(answers: Mapping[str, Turn]) -> str:
    """Return which speech over an answer ends it."""
    ends = [f'"{text}"' for text, turn in answers.items() if held_up(turn) == inf]
    if len(ends) in (0, len(answers)):
        return f"{'All of them end' if ends else 'None of them ends'} the answer"
    return f"Only {' and '.join(ends)} ends the answer"


def _times(spans: Sequence[tuple[float, float]]) -> str:
    """Return in words when each of these stretches of time begins and ends."""
    return " and ".join(f"{a:.2f} to {b:.2f} s" for a, b in spans)


def _draw_spans(axes: Axes, y: float, spans: Sequence[tuple[float, float]], stage: str) -> None:
    axes.broken_barh([(a, b - a) for a, b in spans], (y - 0.35, 0.7), facecolors=tint(stage))


def _draw_user(axes: Axes, speech: Sequence[tuple[float, float]], said: Sequence[str]) -> None:
    _draw_spans(axes, 0, speech, "user")
    for (a, _), text in zip(speech, said, strict=False):
        write(axes, a, -0.72, text, bbox={"color": "white", "pad": 1})


def _transcripts(
    speech: Sequence[tuple[float, float]], turns: Sequence[Turn], since: Sequence[float]
) -> list[str]:
    """Return for each stretch of speech the transcript of the turn that begins within it, or nothing."""
    texts = []
    for a, b in speech:
        within = (turn.transcript for at, turn in zip(since, turns, strict=True) if a - 0.2 < at < b)
        texts.append(next(within, ""))
    return texts


def _draw_answer(
    axes: Axes, spans: Sequence[tuple[float, float]], until: float, heard: str, not_heard: str
) -> None:
    """Draw when an answer sounded; below it, in the room until the next one, its words."""
    _draw_spans(axes, 1, spans, "playback")
    width = (until - spans[0][0]) / units_per_pixel(axes)
    lines = _wrapped(heard, width)
    for k, line in enumerate([*lines, *_wrapped(not_heard, width)]):
        look = {} if k < len(lines) else {"color": "#767676", "style": "italic"}
        write(axes, spans[0][0], 1.75 + 0.62 * k, line, **look)


def _draw_states(axes: Axes, turns: Sequence[Turn], since: Sequence[float], end: float) -> None:
    changes = [(0.0, "listening")]
    for at, turn in zip(since, turns, strict=True):
        changes += [(at + e.time, e.detail["state"]) for e in turn.log.all("agent", "state")]
    above: list[tuple[float, str]] = [(at, state) for at, state in changes if state == "interrupted"]
    for (start, state), (until, _) in pairwise([*changes, (end, "")]):
        if state == "interrupted":
            axes.plot([start, start], [4.5, 5.45], color=STAGE_COLOURS["agent"], linewidth=3)
            continue
        colour, text = tint(STATE_STAGES[state]), _STATE_NAMES.get(state, state)
        axes.broken_barh([(start, until - start)], (4.6, 0.75), facecolors=[colour], edgecolor="black")
        if text_width(text) + 8 <= (until - start) / units_per_pixel(axes):
            write(axes, (start + until) / 2, 4.97, text, color=ink(colour), ha="center")
        else:
            above.append(((start + until) / 2, text))
    _write_apart(axes, 4.28, above, end)


_STATE_NAMES = {"processing_speech": "hearing"}


def _write_apart(axes: Axes, y: float, texts: Sequence[tuple[float, str]], end: float) -> None:
    """Write texts centred at their places in a row, the first ones first, and leave out what finds none."""
    taken: list[tuple[float, float]] = []
    for x, text in texts:
        half = text_width(text) / 2 * units_per_pixel(axes)
        x = min(max(x, half), end - half)
        if all(x + half < a or x - half > b for a, b in taken):
            write(axes, x, y, text, ha="center")
            taken.append((x - 1.1 * half, x + 1.1 * half))


def _mark(axes: Axes, at: float, name: str, side: str) -> None:
    axes.plot([at, at], [-1.5, 1.45], color="#222222", linewidth=1, linestyle=(0, (3, 2)))
    x = at + (4 if side == "left" else -4) * units_per_pixel(axes)
    write(axes, x, -1.42, f"{name} {at:.2f} s", ha=side, weight="bold")


def _wrapped(text: str, pixels: float) -> list[str]:
    """Break a text into lines that are no wider than this."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}") + 8 <= pixels:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
