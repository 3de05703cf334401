"""The exercises of notebook 03: when to believe a word, and how long a slow recogniser runs on."""

from collections.abc import Callable, Sequence
from numbers import Real

from voice_agent_lab.lessons.exercises import exercise, expect, expect_number, expect_something, finished_turn
from voice_agent_lab.measure.revisions import WordHistory
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.turns.agent import StreamingVoiceAgent

Belief = tuple[float, str]
_SHOWN = [(1.0, "weat"), (1.3, "whether"), (1.5, "weather")]
_UNSEEN = [(0.4, "to"), (0.75, "ten"), (0.85, "twenty"), (1.5, "ten")]


def _why(history: Sequence[Belief], wait: float, final_at: float) -> str:
    """Return for how long each belief stood, and what follows for the first that could be trusted."""
    ends = [*(time for time, _ in history[1:]), final_at]
    stood = ", ".join(f"{text!r} {end - time:.2f} s" for (time, text), end in zip(history, ends, strict=True))
    long_enough = any(end - time > wait + 1e-9 for (time, _), end in zip(history, ends, strict=True))
    rule = "The first that stands longer than the wait is trusted, when the wait is over."
    return f"The beliefs stood: {stood}. {rule if long_enough else 'None stands longer than the wait.'}"


@exercise("03")
def check_trusted(trusted: Callable[[list[Belief], float, float], Belief]) -> str:
    """Compare with the package's histories of words, for the notebook's word and for an unseen one."""
    for history, final_at, waits in (
        (_SHOWN, 3.0, (0.05, 0.25, 0.4, 2.0)),
        ([(1.0, "weat"), (1.5, "weather")], 3.0, (0.5,)),  # just as long is not longer
        (_UNSEEN, 2.5, (0.0, 0.2, 0.5, 0.8, 1.2)),
        ([(0.5, "yes")], 0.9, (0.3, 0.6)),
    ):
        for wait in waits:
            found = trusted(list(history), wait, final_at)
            call = f"trusted({history}, {wait}, {final_at})"
            expect_something(call, found)
            a_pair = (
                isinstance(found, tuple | list)
                and len(found) == 2
                and isinstance(found[0], Real)
                and isinstance(found[1], str)
            )
            expect(a_pair, f"{call} returned {found!r}. Return a time and a word, in this order.")
            time, word = WordHistory(0.0, tuple(history), final_at).trusted(wait)
            expect(
                found[1] == word and abs(found[0] - time) < 0.005 + 1e-9,
                f"{call} returned {tuple(found)}, and the model gives {time:.2f} s and {word!r}. "
                f"{_why(history, wait, final_at)}",
            )
    return (
        "With 0.25 s the agent believes in 'weat'. With 0.4 s it is right, 0.4 s after the right word was "
        "first shown. With 2 s the final transcript comes first."
    )


def _runs_on(text: str, frame_ms: int, factor: float) -> tuple[int, float]:
    """Return how many frames a simulated agent recognises, and how long after the last one arrived it does so."""
    latencies = StageLatencies(asr_processing=round(factor * frame_ms / 1000, 9))
    agent = StreamingVoiceAgent(latencies=latencies, audio=AudioInputStream(chunk_duration_ms=frame_ms))
    turn = finished_turn(agent, text)
    return len(turn.log.all("asr", "frame")), turn.log.last("asr", "frame") - turn.metrics.end_of_turn


_REQUEST = "Can you tell me what the weather will be like in Paris tomorrow?"


@exercise("03")
def check_runs_on(recognition_runs_on: Callable[[int, float, float], float]) -> str:
    """Compare with simulated agents of several speeds, with frames of 0.1 s and of others."""
    found = []
    for text, frame_ms, factor in (
        (_REQUEST, 100, 0.5),
        (_REQUEST, 100, 1.2),
        ("Yes, please.", 100, 1.2),
        (_REQUEST, 100, 1.5),
        ("Yes, please.", 100, 2.0),
        (_REQUEST, 100, 1.0),
        (_REQUEST, 40, 1.25),
        ("Yes, please.", 200, 0.8),
    ):
        frames, true = _runs_on(text, frame_ms, factor)
        seconds = frame_ms / 1000
        if factor > 1:
            rule = (
                f"Each frame takes {factor * seconds:.2f} s to recognise, and the first is complete after "
                f"{seconds:g} s; from then on the recogniser never pauses."
            )
        else:
            rule = "At a factor of 1 or less only the last frame is still to be worked on."
        call = f"recognition_runs_on({frames}, {seconds:g}, {factor:g})"
        found.append(recognition_runs_on(frames, seconds, factor))
        expect_number(call, found[-1], true, rule)
    return (
        f"Your formula agrees with the simulator in {len(found)} turns, from {min(found):.2f} s to "
        f"{max(found):.2f} s. A load test can now be done on paper."
    )
