"""Many turns in sum: percentiles with intervals, who owned the slowest waits, which promises are kept."""

import numpy as np
import pytest

from voice_agent_lab import (
    LatencyBudgets,
    LogNormal,
    StageLatencies,
    StreamingVoiceAgent,
    WithStalls,
    monte_carlo,
    simulate,
    turns_table,
)
from voice_agent_lab.measure.samples import percentile, share
from voice_agent_lab.measure.waits import Waits

STALLING = StreamingVoiceAgent(
    latencies=StageLatencies(
        llm_first_token=WithStalls(LogNormal(0.4), 0.03, 5.0), tts_first_chunk=LogNormal(0.2)
    )
)


@pytest.fixture(scope="module")
def measured():
    agent = StreamingVoiceAgent(latencies=StageLatencies(llm_first_token=LogNormal(0.5)), seed=1)
    for _ in range(8):
        simulate(agent.process_turn("What time is it?"))
    return agent.turns


def test_the_waits_of_measured_turns_are_what_each_turn_says(measured):
    waits, table = Waits.of(measured), turns_table(measured)
    assert waits.voice_to_voice.tolist() == table["voice-to-voice"].tolist()
    assert {name: part.tolist() for name, part in waits.parts.items()} == {
        name: table[name].tolist() for name in waits.parts
    }
    slowest = [max(turn.latencies["tts_chunk_generation"]) for turn in measured]
    assert waits.items["tts_chunk_generation"].tolist() == slowest
    assert (len(waits), waits.origin) == (8, "measured")


def test_nothing_to_wait_in_is_refused():
    with pytest.raises(ValueError, match=r"^turns is empty; give at least one turn$"):
        Waits.of([])
    with pytest.raises(TypeError, match=r"^a turn is 1.5; it must be an instance of Turn$"):
        Waits.of([1.5])


def test_a_summary_has_each_percentile_with_its_interval():
    waits = monte_carlo(STALLING, 2000)
    summary = waits.summary()
    for percent in (50, 95, 99):
        assert summary.percentile(percent) == percentile(waits.voice_to_voice, percent)
        assert summary.table().loc["voice-to-voice", f"p{percent}"] == f"{summary.percentile(percent):.3f}"
    assert summary.percentile(50, "first token") == percentile(waits.parts["first token"], 50)
    with pytest.raises(KeyError, match="no part is called 'thinking'; there are endpointing, "):
        summary.percentile(50, "thinking")


def test_the_percentiles_of_the_parts_do_not_add_up_and_their_means_do():
    spread = LogNormal(0.3, 0.5)
    took = StageLatencies(asr_finalization=spread, llm_first_token=spread, tts_first_chunk=spread)
    waits = monte_carlo(StreamingVoiceAgent(latencies=took), 20_000)
    summary = waits.summary()
    added = sum(summary.percentile(99, part).value for part in waits.parts)
    assert added > summary.percentile(99).high + 0.7
    owners = summary.owners()
    for column in ("all", "slowest 5 %", "slowest 1 %"):
        assert owners[column][:-1].sum() == pytest.approx(owners.loc["voice-to-voice", column], abs=0.003)
    slow = waits.voice_to_voice >= np.sort(waits.voice_to_voice)[-1000]
    assert owners.loc["voice-to-voice", "slowest 5 %"] == pytest.approx(
        waits.voice_to_voice[slow].mean(), abs=1e-3
    )


def test_the_slowest_waits_are_owned_by_the_stage_that_stalls():
    owners = monte_carlo(STALLING, 20_000).summary().owners()
    more = owners["slowest 1 %"][:-1] - owners["all"][:-1]
    assert more.idxmax() == "first token" and owners.loc["first token", "owner"] == "service"


def test_a_promise_is_kept_by_so_many_turns():
    waits = monte_carlo(STALLING, 5000, reply=True)
    budgets = LatencyBudgets(llm_first_token=0.5, voice_to_voice={"p95": 2.0})
    kept = waits.summary(budgets).kept()["share of turns that keep it"]
    assert kept["llm_first_token"] == f"{share(int((waits.items['llm_first_token'] <= 0.5).sum()), 5000):.4f}"
    assert kept["voice_to_voice p95"] == f"{share(int((waits.voice_to_voice <= 2.0).sum()), 5000):.4f}"
    assert kept["tts_chunk_generation"].startswith("1.0000")


def test_a_promise_about_what_was_not_followed_is_not_judged():
    waits = monte_carlo(STALLING, 100)
    assert "tts_chunk_generation" not in waits.summary().kept().index
    assert waits.judge(LatencyBudgets())["tts_chunk_generation"].status == "not measured"


def test_a_summary_shows_its_size_and_all_its_tables():
    shown = repr(monte_carlo(STALLING, 1000).summary())
    assert shown.startswith("1,000 turns, simulated on arrays; seconds")
    assert all(word in shown for word in ("p99", "slowest 1 %", "share of turns that keep it"))
    assert monte_carlo(STALLING, 1000).summary()._repr_html_().count("<table") == 3
