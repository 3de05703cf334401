"""The explorers of notebook 06: who waits for whom, and what it would help if a stage took no time.

The turns are those of `who_waits`: their reply has three sentences of the same length.

Conventions
-----------
A stage *works* while it is busy with an item; waiting for input does not count. The *critical path*
is the chain of work that a moment waited for: each step begins when the one before it ends.
"""

from dataclasses import fields

from matplotlib.figure import Figure

from voice_agent_lab.lessons.critical_paths import STAGES, seconds_on_path, without
from voice_agent_lab.lessons.explorer import Explorer, choice, slider
from voice_agent_lab.lessons.streaming_tts import UNITS
from voice_agent_lab.lessons.who_waits import overlap_turn
from voice_agent_lab.measure.latency import LatencyBudgets
from voice_agent_lab.measure.reply import gaps
from voice_agent_lab.plots import turn_timeline
from voice_agent_lab.plots.reply import text_voice_playback
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.turns.agent import OVERLAPS


def overlap() -> Explorer:
    """Return controls over every latency of a turn, the promises, and who waits for whom."""
    took = StageLatencies()
    return Explorer(
        _draw,
        degree=choice("who waits for whom", OVERLAPS, "concurrent"),
        unit=choice("text is handed over", list(UNITS), "by sentence"),
        timeout=slider("endpointing: silence timeout (s)", 0.0, 1.5, 0.5, 0.05),
        asr_processing=slider("recognition: each frame of 0.1 s (s)", 0.0, 0.2, took.asr_processing, 0.01),
        asr_finalization=slider("recognition: finalisation (s)", 0.0, 1.0, took.asr_finalization, 0.05),
        llm_first_token=slider("language model: first token (s)", 0.0, 2.0, took.llm_first_token, 0.05),
        llm_token_generation=slider("language model: each later token (s)", 0.0, 0.5, 0.2, 0.01),
        tts_first_chunk=slider("voice: first chunk of a piece (s)", 0.0, 1.0, took.tts_first_chunk, 0.05),
        tts_chunk_generation=slider("voice: each later chunk (s)", 0.0, 0.2, took.tts_chunk_generation, 0.01),
        scale=slider("all promises, times the article's", 0.2, 3.0, 1.0, 0.1),
    )


def _draw(degree: str, unit: str, timeout: float, scale: float, **latencies: float) -> tuple[Figure, str]:
    turn = overlap_turn(degree, StageLatencies(**latencies), timeout=timeout, aggregation=UNITS[unit])
    article = LatencyBudgets()
    budgets = LatencyBudgets(**{f.name: round(scale * getattr(article, f.name), 9) for f in fields(article)})
    verdicts = budgets.judge(turn.latencies).verdicts
    missed = [f"{v.name} by {v.over:.2f} s" for v in verdicts if v.status == "missed"]
    kept = sum(v.status == "met" for v in verdicts)
    m, silence = turn.metrics, gaps(turn)
    promises = f"all {kept} promises are kept" if not missed else f"missed: {', '.join(missed)}; {kept} kept"
    heard = f"{len(silence)} gaps of {sum(silence):.2f} s in all" if silence else "no gap"
    return turn_timeline(turn, budgets), (
        f"The user waits {m.voice_to_voice:.2f} s, hears {heard}, and has the whole answer "
        f"{m.playback_ended - m.speech_ended:.2f} s after the question. Promises: {promises}."
    )


def what_if_explorer() -> Explorer:
    """Return controls over a turn and the one stage that takes no time in it."""
    return Explorer(
        _draw_without,
        stage=choice("this takes no time", list(STAGES), "llm_token_generation"),
        degree=choice("who waits for whom", OVERLAPS, "concurrent"),
        llm_token_generation=slider("language model: each later token (s)", 0.0, 0.5, 0.2, 0.01),
        tts_chunk_generation=slider("voice: each later chunk of 0.1 s (s)", 0.0, 0.2, 0.05, 0.01),
    )


def _draw_without(stage: str, degree: str, **latencies: float) -> tuple[Figure, str]:
    took = StageLatencies(**latencies)
    fewer, timeout = without(took, 0.5, stage)
    now, then = overlap_turn(degree, took), overlap_turn(degree, fewer, timeout=timeout)
    first = now.metrics.playback_started - then.metrics.playback_started
    last = now.metrics.playback_ended - then.metrics.playback_ended
    worked = 0.5 if stage == "endpointing" else sum(now.latencies[stage])
    on_path = seconds_on_path(now, "last sound", [STAGES[stage]])
    return text_voice_playback({"as it is": now, "without": then}), (
        f"{stage} works for {worked:.2f} s, {on_path:.2f} s of it on the critical path to the last sound. "
        f"Without it the first sound comes {first:.2f} s earlier, and the last {last:.2f} s earlier."
    )
