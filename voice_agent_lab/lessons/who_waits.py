"""Who waits for whom, in notebook 06: two workers side by side, and a turn with a known reply.

The turns here have a reply of three sentences of the same length, so that their times can be worked
out by hand.

Conventions
-----------
A stage *works* while it is busy with an item; waiting for input does not count.
"""

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import lru_cache
from math import isnan

from matplotlib.figure import Figure

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.log import EventLog, record
from voice_agent_lab.measure.turn import Span, Turn
from voice_agent_lab.plots import STAGE_COLOURS, drawn_in_style, new_figure
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.stages.speech import CHARS_PER_SECOND
from voice_agent_lab.turns.agent import StreamingVoiceAgent

PROMPT = "What's the weather like?"

SENTENCES = (
    "The morning will be dry and quite warm.",
    "Some rain comes in from the west later.",
    "Tomorrow the sun comes back for us all.",
)
"""The reply of notebook 06: each sentence has 8 words and 39 characters, which sound for 2.6 s."""

SLOW_WRITER = StageLatencies(llm_token_generation=0.2)
"""The article's latencies, but for a language model that writes only five words a second."""


def overlap_turn(
    overlap: str = "concurrent",
    latencies: StageLatencies = SLOW_WRITER,
    *,
    timeout: float | None = 0.5,
    aggregation: str | int = "sentence",
) -> Turn:
    """Run one turn whose reply is the three sentences of `SENTENCES`.

    Parameters
    ----------
    overlap : {"concurrent", "chained", "sequential"}
        Who waits for whom.
    latencies : StageLatencies
        What the stages take; numbers of seconds.
    timeout : float or None
        Seconds of silence after which the user has finished; None for a perfect judge, who needs none.
    aggregation : {"word", "clause", "sentence"} or int
        How much text the voice is given at a time.

    Returns
    -------
    Turn

    Raises
    ------
    ValueError
        If the timeout is so short that the user is cut off between two words.
    """
    return _cached(overlap, latencies, timeout, aggregation)


@lru_cache(maxsize=256)
def _cached(overlap: str, latencies: StageLatencies, timeout: float | None, aggregation: str | int) -> Turn:
    reply = " ".join(SENTENCES)
    llm = StreamingLLM(latencies.llm_first_token, latencies.llm_token_generation, replies={"weather": reply})
    agent = StreamingVoiceAgent(
        latencies=latencies,
        overlap=overlap,
        aggregation=aggregation,
        endpointing=_Perfect() if timeout is None else SilenceTimeout(timeout),
        llm=llm,
    )
    simulate(agent.process_turn(PROMPT))
    if isnan(agent.turns[0].metrics.speech_ended):
        raise ValueError(
            f"A silence timeout of {timeout:.2f} s cuts the user off between two words; use 0.15 s or more."
        )
    return agent.turns[0]


class _Perfect:
    """Endpointing that knows how long the question is, and so needs no silence to decide."""

    def __init__(self) -> None:
        self.reset()

    def finished(self, speech: bool, seconds: float) -> bool:
        self._heard = round(self._heard + seconds, 9)
        return self._heard >= len(PROMPT) / CHARS_PER_SECOND

    def reset(self) -> None:
        self._heard = 0.0


# Two workers and a chain.


@contextmanager
def works(who: str, on: str) -> Iterator[None]:
    """Record that somebody works on something for as long as the context lasts; see `watch`."""
    record(who, "begins", on=on)
    yield
    record(who, "ends", on=on)


def watch(coroutine: Coroutine) -> list[Span]:
    """Run a coroutine in virtual time and return who worked (see `works`) on what, and when, in seconds."""
    log = EventLog()

    async def watched() -> None:
        with log.recording():
            await coroutine

    simulate(watched())
    spans, begun = [], {}
    for event in log:
        key = (event.stage, event.detail["on"])
        if event.name == "begins":
            begun[key] = event.time
        else:
            spans.append(Span(*key, begun[key], event.time))
    return spans


@drawn_in_style
def side_by_side(runs: dict[str, list[Span]]) -> Figure:
    """Draw the workers of several runs over one time axis.

    Parameters
    ----------
    runs : dict of str to list of Span
        What `watch` returned, under a name for each run. The workers are "llm" and "tts".

    Returns
    -------
    Figure
    """
    figure, (axes,) = new_figure(0.65 + 0.75 * len(runs), left=2.2)
    end = max(span.end for spans in runs.values() for span in spans)
    axes.set(xlim=(0, 1.02 * end), ylim=(2.6 * len(runs) - 0.9, -0.6), yticks=[], xlabel="seconds")
    axes.spines.left.set_visible(False)
    look = {"textcoords": "offset points", "ha": "right", "va": "center", "size": 8, "annotation_clip": False}
    told = []
    for k, (name, spans) in enumerate(runs.items()):
        axes.annotate(name, (0, 2.6 * k + 0.5), (-40, 0), **look)
        for row, who in enumerate(("llm", "tts")):
            y = 2.6 * k + row
            axes.annotate(who.upper(), (0, y), (-8, 0), **look)
            for span in (span for span in spans if span.stage == who):
                axes.barh(
                    y,
                    span.end - span.start,
                    0.85,
                    left=span.start,
                    color=STAGE_COLOURS[who],
                    edgecolor="white",
                )
                ink = "white" if who == "llm" else "black"
                axes.text(
                    (span.start + span.end) / 2, y, span.name, color=ink, ha="center", va="center", size=8
                )
        told.append(f"{name}: {', '.join(f'{s.stage} {s.name} {s.start:g} to {s.end:g} s' for s in spans)}")
    figure.set_label(f"Who works when. {'; '.join(told)}.")
    return figure
