"""From measured turns to distributions: the family that fits, what is missing, what goes together."""

import numpy as np
import pytest

from voice_agent_lab import (
    Fixed,
    LearnedDetector,
    LogNormal,
    Measured,
    StageLatencies,
    StreamingVoiceAgent,
    WithStalls,
    fit,
    monte_carlo,
    sample,
)
from voice_agent_lab.models.families import fitted


def draws(distribution, size=400, seed=0):
    return distribution.samples(np.random.default_rng(seed), size)


def family(values):
    return fit({"llm_first_token": values}).stages["llm_first_token"]


def test_what_is_always_the_same_is_fixed():
    assert family([0.3] * 50).distribution == Fixed(0.3)
    hardly = family(0.3 + 0.001 * np.random.default_rng(0).random(50)).distribution
    assert type(hardly) is Fixed and hardly.seconds == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize("sigma", [0.1, 0.4, 1.0])
def test_a_log_normal_is_found_with_its_parameters(sigma):
    found = family(draws(LogNormal(0.45, sigma)))
    assert found.distribution.median == pytest.approx(0.45, rel=5 * sigma / 400**0.5)
    assert found.distribution.sigma == pytest.approx(sigma, rel=0.15)
    assert found.distance < found.allowed


def test_stalls_are_told_from_the_body():
    found = family(draws(WithStalls(LogNormal(0.45, 0.3), 0.03, 6.0), 1000))
    assert isinstance(found.distribution, WithStalls)
    assert found.distribution.body.median == pytest.approx(0.45, rel=0.05)
    assert found.distribution.body.sigma == pytest.approx(0.3, rel=0.15)
    assert found.distribution.probability == pytest.approx(0.03, abs=0.017)
    assert np.median(found.distribution.stall.values) == pytest.approx(6.0, rel=0.05)


@pytest.mark.parametrize(
    "values",
    [
        np.concatenate([draws(LogNormal(0.2, 0.1)), draws(LogNormal(0.9, 0.1))]),
        draws(LogNormal(0.45), 10),
        np.concatenate([np.zeros(30), draws(LogNormal(0.3), 30)]),
    ],
    ids=["two humps", "too few", "many zeros"],
)
def test_what_is_of_no_family_is_drawn_as_it_was_measured(values):
    assert family(values).distribution == Measured(values)


def test_a_true_log_normal_is_taken_for_something_else_once_in_twenty():
    rng = np.random.default_rng(0)
    for n in (25, 100):
        refused = [
            not isinstance(fitted(LogNormal(0.3, 0.4).samples(rng, n), 0, 0.0).distribution, LogNormal)
            for _ in range(1000)
        ]
        assert 0.03 < np.mean(refused) < 0.08


def test_what_is_missing_is_left_out_and_counted():
    found = family([0.3, np.nan, 0.3, np.nan, 0.3])
    assert (found.n, found.left_out, found.distribution) == (3, 2, Fixed(0.3))
    nothing = family([np.nan])
    assert (nothing.n, nothing.left_out, nothing.distribution) == (0, 1, StageLatencies().llm_first_token)
    assert nothing.family == "not measured; always 0.500 s"


def test_a_stage_without_measurements_is_taken_from_elsewhere():
    found = fit({"llm_first_token": [0.3]}, otherwise=StageLatencies(tts_first_chunk=LogNormal(0.1)))
    assert found.latencies.tts_first_chunk == LogNormal(0.1)


@pytest.mark.parametrize(
    ("measured", "sentence"),
    [
        ([], r"^measured is empty; give at least one turn$"),
        ({}, r"^measured is empty; give at least one turn$"),
        ({"llm_first_token": []}, r"^measured is empty; give at least one turn$"),
        ({"llm": [0.3]}, r"^measured has 'llm', which is no stage; there are asr_processing, "),
        ({"llm_first_token": [0.3, -0.1]}, r"^llm_first_token of turn 2 is -0.1; it must be a finite number"),
        ({"llm_first_token": [np.inf]}, r"^llm_first_token of turn 1 is inf; it must be a finite number"),
    ],
)
def test_what_cannot_have_been_measured_is_refused_in_a_sentence(measured, sentence):
    with pytest.raises(ValueError, match=sentence):
        fit(measured)


def test_what_is_no_turn_is_refused():
    with pytest.raises(TypeError, match=r"^a turn is 0.3; it must be a Turn"):
        fit([0.3])


@pytest.fixture(scope="module")
def turns():
    took = StageLatencies(
        LogNormal(0.03), LogNormal(0.2), LogNormal(0.5, 0.4), LogNormal(0.02), LogNormal(0.15), 0.05
    )
    agent = StreamingVoiceAgent(latencies=took, endpointing=LearnedDetector(0.8, 0.3, 1.0))
    return sample(agent, 150, keep_turns=True, progress=False).turns


def test_an_agent_that_was_fitted_waits_as_the_measured_one_did(turns):
    found = fit(turns)
    predicted = monte_carlo(found.agent(), 20_000).summary()
    measured = np.array([turn.metrics.voice_to_voice for turn in turns])
    spread = [np.percentile(np.random.default_rng(k).choice(measured, 150), [50, 90]) for k in range(300)]
    low, high = np.percentile(spread, [1, 99], axis=0)
    for percent, least, most in zip((50, 90), low, high, strict=True):
        assert least <= predicted.percentile(percent).value <= most


def test_endpointing_is_fitted_as_it_was_measured(turns):
    waits = monte_carlo(fit(turns).agent(), 5000).parts["endpointing"]
    assert set(waits.round(6)) == {0.3, 1.0}
    assert np.mean(waits < 0.5) == pytest.approx(
        np.mean([turn.parts[0].seconds < 0.5 for turn in turns]), abs=0.03
    )


def test_a_fit_shows_each_stage_and_how_well_it_fits(turns):
    table = fit(turns).table()
    assert table.loc["llm_first_token", "distribution"].startswith("log-normal, median 0.")
    assert float(table.loc["llm_first_token", "distance"]) < float(table.loc["llm_first_token", "allowed"])
    assert table.loc["tts_chunk_generation", "distribution"] == "always 0.050 s"
    assert table.loc["endpointing", "latencies"] == 150


def test_stages_that_go_together_are_seen_and_kept_together_if_asked():
    rng = np.random.default_rng(0)
    load = np.exp(0.5 * rng.standard_normal(300))
    found = fit(
        {
            "llm_first_token": 0.4 * load,
            "tts_first_chunk": 0.2 * load,
            "asr_finalization": draws(LogNormal(0.2), 300, seed=1),
        }
    )
    table = found.correlation()
    assert table.loc["llm_first_token", "tts_first_chunk"] == 1.0
    assert abs(table.loc["llm_first_token", "asr_finalization"]) < 0.2
    apart, together = (
        monte_carlo(found.agent(), 5000, **chances) for chances in ({}, {"chances": found.whole_turns})
    )
    for waits, expected in ((apart, 0.0), (together, 1.0)):
        seen = np.corrcoef(waits.parts["first token"], waits.parts["first chunk"])[0, 1]
        assert seen == pytest.approx(expected, abs=0.06)
    assert together.summary().percentile(99).value > apart.summary().percentile(99).value
