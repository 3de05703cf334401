"""Presets: each number where its source has it, and what a turn with them takes."""

import re
from dataclasses import replace
from math import isclose

import numpy as np
import pytest

from voice_agent_lab.as_published import DEMO_BUDGETS
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.samples import share
from voice_agent_lab.models.pauses import PauseModel
from voice_agent_lab.presets import PRESETS, Preset, preset
from voice_agent_lab.published import apresvous, eot_bench
from voice_agent_lab.published.primer import TO_AGENT_MS, TO_USER_MS
from voice_agent_lab.stages.distributions import LeftAfter, StageLatencies
from voice_agent_lab.stages.endpointing import (
    LearnedDetector,
    MinMaxDelay,
    SilenceTimeout,
    SmartTurnOrTimeout,
)

PROMPT = "Hello, how are you today?"  # answered with "Hello there! ...", two words


def turn_with(name, prompt=PROMPT, **overrides):
    agent = preset(name).agent(**overrides)
    simulate(agent.process_turn(prompt))
    return agent.turns[0]


def parts(turn):
    return {part.name: part.seconds for part in turn.parts}


# --- The five sets --------------------------------------------------------------------------------


def test_the_presets_are_those_that_are_promised():
    names = ["article", "tuned-cascade-2025", "pipecat-defaults", "livekit-defaults", "on-device"]
    assert list(PRESETS) == names == [preset(name).name for name in names]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_shows_the_source_of_each_number(name):
    table = preset(name).table()
    assert table.index.name == name
    assert (table["value and source"].str.len() > 20).all()
    assert {"first token", "text aggregation"} <= {label.split(",")[0] for label in table.index}
    assert name in repr(preset(name))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_runs_without_a_gap_and_its_parts_sum(name):
    for seed in range(10):
        turn = turn_with(name, seed=seed)
        assert turn.underruns == []
        total = sum(round(part.seconds * 1e9) for part in turn.parts)
        assert total == round(turn.metrics.voice_to_voice * 1e9)


def test_the_article_promises_and_takes_its_demonstrations_numbers():
    agent = preset("article").agent()
    assert agent.budgets is DEMO_BUDGETS
    # Five words make 20 characters: four tokens after the first.
    assert parts(turn_with("article")) == {
        "endpointing": 0.5,
        "recognition": 0.08,
        "finalisation": 0.3,
        "first token": 0.3,
        "text aggregation": 0.08,
        "first chunk": 0.15,
    }
    assert turn_with("article").metrics.voice_to_voice == 1.41


# The primer's table, in milliseconds, row by row.
PRIMER = {
    "input transport": (40, 21, 10, 2, 40, 1),
    "endpointing": (200,),  # of "transcription and endpointing", 300
    "finalisation": (100,),
    "first token": (350,),
    "text aggregation": (20,),
    "first chunk": (120,),
    "output transport": (21, 2, 10, 40, 1, 15),
}


def test_the_tuned_cascade_takes_993_ms_part_by_part():
    turn = turn_with("tuned-cascade-2025")
    assert sum(map(sum, PRIMER.values())) == 993
    assert parts(turn) == {name: sum(rows) / 1000 for name, rows in PRIMER.items()}
    assert turn.metrics.voice_to_voice == 0.993


def test_the_sources_of_the_transport_name_the_primers_milliseconds():
    sources = preset("tuned-cascade-2025").sources
    for setting, rows in (("input transport", TO_AGENT_MS), ("output transport", TO_USER_MS)):
        seconds, *each = re.findall(r"[\d.]+", sources[setting].partition(" ms;")[0])
        assert [int(ms) for ms in each] == list(rows.values())
        assert float(seconds) == sum(rows.values()) / 1000


def test_the_tuned_cascade_keeps_its_budgets():
    turn = turn_with("tuned-cascade-2025")
    verdicts = preset("tuned-cascade-2025").budgets.judge(turn.latencies).verdicts
    assert {verdict.status for verdict in verdicts} == {"met"}


def test_a_longer_first_sentence_costs_its_tokens():
    # "It is sunny right now, with 22 degrees outside." has nine words, seven more than two.
    turn = turn_with("tuned-cascade-2025", "What is the weather like?")
    assert turn.metrics.voice_to_voice == round(0.993 + 7 * 0.02, 9)


@pytest.mark.parametrize(
    ("name", "waits", "mean"),
    [
        # Decisions fall at the end of a frame of 20 ms, so 0.212 s become 0.22 s.
        ("pipecat-defaults", {0.22, 3.2}, 0.882 * 0.212 + 0.118 * 3.2),
        ("on-device", {0.22, 3.2}, 0.882 * 0.212 + 0.118 * 3.2),
        ("livekit-defaults", {0.3, 2.5}, 0.91 * 0.3 + 0.09 * 2.5),
    ],
)
def test_both_frameworks_answer_in_two_groups(name, waits, mean):
    assert {parts(turn_with(name, seed=seed))["endpointing"] for seed in range(25)} == waits
    assert isclose(preset(name).agent().endpointing.mean_wait, mean, abs_tol=0.002)


def test_smart_turns_errors_are_those_of_a_published_row():
    row = eot_bench.OPERATING_POINTS.loc[("SmartTurn v3.2", "0.3 s")]
    policy = preset("pipecat-defaults").agent().endpointing
    assert policy.detection_rate == row["detection rate"]
    as_benchmarked = LearnedDetector(
        policy.detection_rate, row["delay"], row["timeout"], false_alarm_rate=policy.false_alarm_rate
    )
    assert as_benchmarked.mean_wait == pytest.approx(row["mean wait"], abs=0.001)
    assert PauseModel().cut_offs(as_benchmarked) == pytest.approx(row["cut-offs"], abs=0.001)


def test_a_learner_can_move_smart_turns_errors():
    moved = SmartTurnOrTimeout(1.0, false_alarm_rate=0.07)
    assert {parts(turn_with("pipecat-defaults", endpointing=moved))["endpointing"]} == {0.22}


def test_finalisation_runs_beside_endpointing_in_both_frameworks():
    rng = np.random.default_rng(0)
    for name, median in (("pipecat-defaults", 0.247 - 0.212), ("livekit-defaults", 0.361 - 0.3)):
        left = preset(name).latencies.asr_finalization.samples(rng, 100_000)
        assert np.median(left) == pytest.approx(median, abs=0.005)
        assert left.min() == 0.0


def test_ten_turns_of_livekit_look_like_the_ten_that_were_measured():
    # They were measured with Silero's silence of 0.55 s, beside which finalisation has longer to run.
    livekit = preset("livekit-defaults")
    beside = LeftAfter(livekit.latencies.asr_finalization.latency, 0.55)
    latencies, turns = replace(livekit.latencies, asr_finalization=beside), []
    for seed in range(200):
        policy = MinMaxDelay(vad_silence=0.55, rng=np.random.default_rng(seed))
        turns.append(
            turn_with("livekit-defaults", seed=seed, latencies=latencies, endpointing=policy).metrics
        )
    delays = np.array([m.asr_complete - m.speech_ended - 0.114 for m in turns])  # less the way in
    tens = delays.reshape(20, 10)
    for percent, measured in ((50, "median"), (90, "p90")):
        of_tens = np.percentile(tens, percent, axis=1)
        assert of_tens.min() <= apresvous.END_OF_TURN_DELAY[measured] <= of_tens.max() + 0.02
    fast = share(apresvous.FAST_TURNS, apresvous.TURNS)
    assert fast.low < np.mean(delays < 0.60) < fast.high
    slow = share(apresvous.SLOW_TURNS, apresvous.TURNS)
    assert slow.low < np.mean(delays >= 2.49) < slow.high
    whole = livekit.latencies.asr_finalization.latency.samples(np.random.default_rng(0), 100_000)
    measured = [apresvous.TRANSCRIPTION_DELAY[name] for name in ("median", "p90")]
    assert np.percentile(whole, [50, 90]) == pytest.approx(measured, rel=0.02)


def test_the_median_services_of_the_frameworks_are_the_sources():
    rng = np.random.default_rng(0)
    for name in ("pipecat-defaults", "livekit-defaults"):
        took = preset(name).latencies
        for latency, median, p95 in (
            (took.llm_first_token, 0.536, 1.771),
            (took.tts_first_chunk, 0.19, 0.26),
        ):
            drawn = np.percentile(latency.samples(rng, 200_000), [50, 95])
            assert drawn == pytest.approx([median, p95], rel=0.02)
    local = preset("on-device").latencies
    drawn = np.percentile(local.llm_first_token.samples(rng, 200_000), [50, 95])
    assert drawn == pytest.approx([0.062, 0.070], rel=0.01)
    orca = 4 * local.llm_token_generation + local.tts_first_chunk.samples(rng, 200_000)
    assert (round(orca.mean(), 3), round(orca.std(), 3)) == (0.095, 0.018)


def test_transport_and_leading_silence_are_outside_the_agent():
    for name in ("pipecat-defaults", "livekit-defaults"):
        got = parts(turn_with(name))
        outside = [got[part] for part in ("input transport", "output transport", "leading silence")]
        assert outside == [0.114, 0.089, 0.16]
    got = parts(turn_with("on-device"))
    assert (got["input transport"], got["output transport"]) == (0.04, 0.015)


# --- Agents from presets --------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes():
    def log(seed):
        return turn_with("pipecat-defaults", seed=seed).log.to_json()

    assert log(3) == log(3)
    assert log(3) != log(4)


def test_every_agent_has_parts_of_its_own():
    one, other = (preset("livekit-defaults").agent() for _ in range(2))
    for part in ("audio", "endpointing", "asr", "llm", "tts", "playback"):
        assert getattr(one, part) is not getattr(other, part)


def test_anything_can_be_given_instead():
    timer = SilenceTimeout(0.6)
    agent = preset("pipecat-defaults").agent(endpointing=timer, overlap="sequential", seed=1)
    assert (agent.endpointing, agent.overlap) == (timer, "sequential")
    fixed = turn_with("pipecat-defaults", latencies=StageLatencies(), endpointing=timer)
    assert parts(fixed)["first token"] == 0.5
    assert parts(fixed)["first chunk"] == 0.2
    with pytest.raises(TypeError, match="speed"):
        preset("article").agent(speed=2)


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("pipecat", "pipecat-defaults"),
        ("LiveKit", "livekit-defaults"),
        ("tuned_cascade", "tuned-cascade-2025"),
        ("on device", "on-device"),
        ("the article", "article"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(wrong, nearest):
    with pytest.raises(
        ValueError, match=f"^name is '{wrong}'; did you mean '{nearest}'\\? There are 'article'"
    ):
        preset(wrong)


def test_a_preset_of_your_own():
    own = Preset("own", "Mine.", {"all": "measured"}, StageLatencies(), lambda rng: SilenceTimeout(0.3))
    agent = own.agent()
    simulate(agent.process_turn(PROMPT))
    assert parts(agent.turns[0])["endpointing"] == 0.3
