"""Questions about many turns: samples of any agent, comparisons, what buys most, what each stage may take."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from math import inf, isnan

import numpy as np
import pytest

from tests.components import Tokens, Voice
from voice_agent_lab import (
    LatencyBudgets,
    LogNormal,
    StageError,
    StageLatencies,
    StreamingLLM,
    StreamingVoiceAgent,
    WithStalls,
    compare,
    monte_carlo,
    preset,
    sample,
    simulate,
    what_if,
)
from voice_agent_lab.measure.waits import Waits

RANDOM = StageLatencies(
    0.03, LogNormal(0.2), WithStalls(LogNormal(0.45, 0.4), 0.03, 6.0), LogNormal(0.02), LogNormal(0.15)
)


# --- sample ---------------------------------------------------------------------------------------


def test_a_sample_is_the_same_wherever_its_turns_run():
    agent = preset("livekit-defaults").agent()
    here = sample(agent, 60, seed=3, progress=False)
    with ProcessPoolExecutor(2) as processes:
        there = sample(agent, 60, seed=3, progress=False, executor=processes)
    with ThreadPoolExecutor(1) as thread:
        beside = sample(agent, 60, seed=3, progress=False, executor=thread)
    for other in (there, beside):
        assert other.voice_to_voice.tobytes() == here.voice_to_voice.tobytes()
        assert {n: p.tobytes() for n, p in other.parts.items()} == {
            n: p.tobytes() for n, p in here.parts.items()
        }


def test_each_turn_has_chances_of_its_own_which_do_not_depend_on_the_others():
    agent = StreamingVoiceAgent(latencies=RANDOM)
    many, few = (sample(agent, n, progress=False).voice_to_voice for n in (30, 10))
    assert many[:10].tolist() == few.tolist()
    assert len(set(many)) == 30
    assert not set(sample(agent, 10, seed=1, progress=False).voice_to_voice) & set(many)


def test_an_agent_that_is_sampled_stays_as_it_was():
    agent, twin = (StreamingVoiceAgent(latencies=RANDOM) for _ in range(2))
    sample(agent, 3, progress=False)
    assert agent.turns == [] and agent.recording.sounds == []
    assert simulate(agent.process_turn("Hi.")) == simulate(twin.process_turn("Hi."))


def test_components_of_ones_own_can_be_sampled():
    agent = StreamingVoiceAgent(llm=Tokens(["It is ", "late. "]), tts=Voice())
    waits = sample(agent, 3, progress=False)
    simulate(agent.process_turn("What's the weather like?"))
    assert waits.voice_to_voice.tolist() == [agent.turns[0].metrics.voice_to_voice] * 3


def test_turns_are_kept_if_asked_for():
    waits = sample(
        StreamingVoiceAgent(latencies=RANDOM), 4, said=("Hi.", "Bye."), keep_turns=True, progress=False
    )
    assert [turn.user_input for turn in waits.turns] == ["Hi.", "Bye."] * 2
    assert [turn.metrics.voice_to_voice for turn in waits.turns] == waits.voice_to_voice.tolist()
    assert sample(StreamingVoiceAgent(), 1, progress=False).turns == []


def test_the_progress_is_shown_if_asked_for(capsys):
    sample(StreamingVoiceAgent(), 2, progress=False)
    assert capsys.readouterr().err == ""
    sample(StreamingVoiceAgent(), 2)
    assert "/2" in capsys.readouterr().err


class FailsOn(StreamingLLM):
    """Fails with a share of its answers."""

    async def generate_response(self, prompt):
        if self.rng.random() < 0.3:
            raise ConnectionError("no answer")
        async for token in super().generate_response(prompt):
            yield token


def test_a_turn_that_fails_is_named():
    with pytest.raises(StageError) as failed:
        sample(StreamingVoiceAgent(llm=FailsOn()), 20, seed=2, progress=False)
    (note,) = failed.value.__notes__
    number = int(note.removeprefix("in turn ").partition(" ")[0])
    assert note == f"in turn {number} of sample(..., seed=2)" and 0 <= number < 20


@pytest.mark.parametrize("n", [0, -3, 1.5])
def test_no_turns_cannot_be_sampled(n):
    with pytest.raises(ValueError, match=r"^n is .*; it must be a whole number of turns, 1 or more$"):
        sample(StreamingVoiceAgent(), n)


# --- compare --------------------------------------------------------------------------------------


def faster(seconds):
    return StreamingVoiceAgent(latencies=StageLatencies(llm_first_token=LogNormal(seconds, 0.4)))


def test_two_agents_meet_the_same_turns_and_a_small_difference_shows():
    pairs = compare(faster(0.5), faster(0.49), 2000, names=("before", "after"))
    assert pairs.paired
    found = pairs.difference(50)
    assert found.low < -0.01 + 1e-3 and found.high < 0
    assert pairs.sentence.startswith("The wait of after is 0.0")
    assert "shorter than that of before at the 95th percentile" in pairs.sentence
    assert pairs.sentence.endswith("2,000 pairs of turns).")


def test_turns_with_other_chances_are_no_pairs():
    one, other = (monte_carlo(faster(0.5), 2000, seed=seed) for seed in (1, 2))
    apart = compare(one, other)
    assert not apart.paired
    assert apart.difference(50).low < 0 < apart.difference(50).high
    assert apart.sentence.startswith("No difference is shown between the first and the second at the 95th")


def test_turns_of_the_event_simulation_are_pairs_too():
    one, other = (sample(faster(seconds), 30, progress=False) for seconds in (0.5, 0.4))
    assert compare(one, other).paired
    assert compare(one, other).difference(50).high < 0


@pytest.mark.parametrize("n", [300, 6000])
def test_of_twenty_intervals_nineteen_hold_the_true_difference(n):
    true = 0.05 * np.exp(0.4 * 1.6449)
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(100):
        both = [Waits(s * np.exp(0.4 * rng.standard_normal(n)), {}) for s in (0.5, 0.55)]
        found = compare(*both).difference(95)
        held += found.low <= true <= found.high
    assert held >= 88


def test_too_few_turns_are_said_to_be_too_few():
    one, other = (sample(faster(seconds), 5, progress=False) for seconds in (0.5, 0.4))
    found = compare(one, other)
    assert (found.difference(50).low, found.difference(50).high) == (-inf, inf)
    assert found.sentence == "There are too few turns to compare: 5, and a median takes 6."


def test_turns_in_which_nothing_was_heard_are_left_out():
    one = Waits(np.array([1.0, np.nan, 2.0]), {})
    nothing = Waits(np.array([np.nan]), {})
    assert compare(one, one).difference(50).n == 2
    assert isnan(compare(one, nothing).difference(50).value)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(TypeError, match=r"^second is 'article'; give an agent, a preset, waits or a list of"):
        compare(StreamingVoiceAgent(), "article")


def test_a_comparison_shows_its_sentence_and_each_percentile():
    shown = repr(compare(faster(0.5), faster(0.45), 1000, names=("old", "new")))
    assert shown.startswith("The wait of new is")
    assert all(word in shown for word in ("old", "new", "difference", "p50", "p99"))


# --- what if --------------------------------------------------------------------------------------


def test_a_stage_that_always_takes_the_same_gains_just_its_share():
    gains = what_if(StreamingVoiceAgent(), 100, faster=0.1).gains
    assert gains["llm_first_token 10% faster"].value == pytest.approx(0.05)
    assert gains["tts_first_chunk 10% faster"].value == pytest.approx(0.02)
    assert gains["tts_chunk_generation 10% faster"].value == 0
    assert gains["endpointing 10% faster"].value == 0  # 0.45 s is as many frames of 0.1 s as 0.5 s
    assert what_if(StreamingVoiceAgent(), 100, faster=0.2).gains[
        "endpointing 20% faster"
    ].value == pytest.approx(0.1)


def test_at_the_99th_percentile_the_stalls_are_worth_most_and_at_the_median_nothing():
    agent = StreamingVoiceAgent(latencies=RANDOM)
    tail, middle = (what_if(agent, 5000, percent=percent) for percent in (99, 50))
    assert next(iter(tail.gains)) == "llm_first_token without stalls"
    assert tail.gains["llm_first_token without stalls"].low > 4
    assert middle.gains["llm_first_token without stalls"].value < 0.05
    assert tail.sentence.startswith("llm_first_token without stalls buys most at p99: ")


def test_gains_are_ordered_and_shown_with_their_intervals():
    question = what_if(preset("livekit-defaults"), 2000)
    values = [gain.value for gain in question.gains.values()]
    assert values == sorted(values, reverse=True)
    assert question.table().loc["endpointing 10% faster", "gain at p95"].count(" to ") == 1
    assert repr(question).startswith(question.sentence)


def test_when_nothing_buys_anything_that_is_said():
    assert (
        what_if(StreamingVoiceAgent(), 10, faster=0).sentence
        == "None of these changes shortens the wait at p95."
    )


def test_a_split_keeps_its_budget_and_asks_for_no_more_than_that():
    question = what_if(StreamingVoiceAgent(latencies=RANDOM), 4000, percent=90)
    split = question.split(1.4)
    assert split.waits.summary().percentile(90).high <= 1.4
    assert question.today.value > 1.4 > split.waits.summary().percentile(90).value > 1.3
    assert all(0 < factor <= 1 for factor in split.factors.values())
    assert split.waits.judge(split.budgets)["voice_to_voice p90"].status == "met"


def test_a_wait_that_is_kept_already_asks_for_nothing():
    split = what_if(StreamingVoiceAgent(), 100).split(1.8)
    assert set(split.factors.values()) == {1.0}


def test_a_stage_that_costs_more_is_spared():
    question = what_if(StreamingVoiceAgent(latencies=RANDOM), 2000, percent=75)
    dear = {"llm_first_token": 100.0, "tts_first_chunk": 1.0, "asr_finalization": 1.0}
    cheap = {**dear, "llm_first_token": 0.01}
    assert question.split(1.45, dear).factors["llm_first_token"] == 1.0
    assert question.split(1.45, cheap).factors["tts_first_chunk"] == 1.0


def test_a_wait_that_no_split_keeps_is_refused_with_how_far_one_comes():
    with pytest.raises(
        ValueError, match=r"^seconds is 0.3; even with .* as fast as can be, p95 is 0\.\d+ s: change"
    ):
        what_if(StreamingVoiceAgent(), 100).split(0.3)


@pytest.mark.parametrize("costs", [{"llm": 1.0}, {"llm_first_token": 0.0}])
def test_a_cost_must_be_of_a_stage_and_positive(costs):
    with pytest.raises(
        ValueError, match=r"^costs has 'llm.*; give a positive cost for any of asr_processing, "
    ):
        what_if(StreamingVoiceAgent(), 10).split(1.0, costs)


@pytest.mark.parametrize(("faster_", "n", "sentence"), [(1.5, 10, "^faster is 1.5"), (0.1, 0, "^n is 0")])
def test_what_if_refuses_what_cannot_be(faster_, n, sentence):
    with pytest.raises(ValueError, match=sentence):
        what_if(StreamingVoiceAgent(), n, faster=faster_)


def test_budgets_of_a_split_are_promises_about_its_percentile():
    budgets = what_if(StreamingVoiceAgent(), 100).split(1.5).budgets
    assert isinstance(budgets, LatencyBudgets)
    assert {percent for _, percent, _ in budgets.promises} == {95}
