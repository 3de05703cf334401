"""How long a stage takes: the draws, their seeds, and what is refused."""

from math import inf, nan

import numpy as np
import pytest

from voice_agent_lab.measure.latency import LatencyBudgets
from voice_agent_lab.stages.distributions import (
    Fixed,
    LeftAfter,
    LogNormal,
    Measured,
    StageLatencies,
    WithStalls,
    as_distribution,
    drawn,
)

MANY = 100_000


def draws(distribution, size=MANY, seed=1):
    return distribution.samples(np.random.default_rng(seed), size)


ALL = [
    Fixed(0.3),
    Measured((0.1, 0.2, 0.5)),
    LogNormal(0.3),
    WithStalls(LogNormal(0.3), 0.1, 2.0),
    LeftAfter(LogNormal(0.3), 0.25),
]


@pytest.mark.parametrize("distribution", ALL)
def test_draws_are_non_negative_seconds_in_the_shape_that_was_asked_for(distribution):
    for size in (0, 1, 1000):
        samples = draws(distribution, size)
        assert (samples.shape, samples.dtype) == ((size,), np.float64)
        assert (samples >= 0).all()


@pytest.mark.parametrize("distribution", ALL)
def test_the_same_seed_gives_the_same_draws(distribution):
    assert draws(distribution).tobytes() == draws(distribution).tobytes()


@pytest.mark.parametrize("distribution", ALL[1:])
def test_another_seed_gives_other_draws(distribution):
    assert draws(distribution).tobytes() != draws(distribution, seed=2).tobytes()


def test_fixed_is_always_the_same_and_leaves_the_generator_alone():
    rng = np.random.default_rng(1)
    assert Fixed(0.3).samples(rng, 4).tolist() == [0.3] * 4
    assert rng.random() == np.random.default_rng(1).random()


def test_measured_gives_only_what_was_measured_each_as_often_as_it_was():
    values, counts = np.unique(draws(Measured((0.1, 0.2, 0.2, 0.5))), return_counts=True)
    assert values.tolist() == [0.1, 0.2, 0.5]
    np.testing.assert_allclose(counts / MANY, [0.25, 0.5, 0.25], atol=0.007)  # five standard errors


def test_measured_takes_any_sequence_and_keeps_floats():
    assert Measured([1, 2]) == Measured(np.array([1.0, 2.0])) == Measured((1.0, 2.0))


@pytest.mark.parametrize(("median", "sigma"), [(0.3, 0.25), (2.0, 0.0), (0.05, 1.0)])
def test_log_normal_has_its_median_and_its_sigma(median, sigma):
    logs = np.log(draws(LogNormal(median, sigma)))
    five_errors = 5 * sigma / MANY**0.5 + 1e-12
    assert abs(logs.mean() - np.log(median)) < five_errors
    assert abs(logs.std() - sigma) < five_errors
    assert abs(np.mean(np.exp(logs) < median * np.exp(sigma)) - 0.8413) < 0.006 or sigma == 0


def test_what_is_left_after_something_is_the_rest_or_nothing():
    whole, left = draws(LogNormal(0.3)), draws(LeftAfter(LogNormal(0.3), 0.3))
    assert np.array_equal(left, np.where(whole > 0.3, whole - 0.3, 0.0))
    assert draws(LeftAfter(0.5, 0.2), 3) == pytest.approx([0.3] * 3)


def test_stalls_come_as_often_as_they_should_and_are_added_to_the_body():
    samples = draws(WithStalls(0.3, 0.02, 6.0))
    values, counts = np.unique(samples, return_counts=True)
    assert values.tolist() == [0.3, 6.3]
    assert abs(counts[1] / MANY - 0.02) < 5 * (0.02 * 0.98 / MANY) ** 0.5


@pytest.mark.parametrize(("probability", "expected"), [(0, 0.3), (1, 6.3)])
def test_stalls_can_be_never_or_always(probability, expected):
    assert set(draws(WithStalls(0.3, probability, 6.0), 1000)) == {expected}


def test_stalls_leave_the_body_as_it_was_drawn():
    body = LogNormal(0.3)
    assert draws(WithStalls(body, 0.0, LogNormal(6.0))).tobytes() == draws(body).tobytes()


def test_drawn_gives_one_latency_at_each_call_all_from_the_generator():
    draw = drawn("processing", LogNormal(0.3), np.random.default_rng(5))
    rng = np.random.default_rng(5)
    assert [draw() for _ in range(3)] == [float(LogNormal(0.3).samples(rng, 1)[0]) for _ in range(3)]
    assert type(draw()) is float


@pytest.mark.parametrize("number", [0, 0.25, np.float32(0.25), np.int64(2)])
def test_a_number_stands_for_a_fixed_latency(number):
    assert as_distribution("x", number) == Fixed(float(number))


def test_a_distribution_stands_for_itself():
    for distribution in ALL:
        assert as_distribution("x", distribution) is distribution


def test_stages_can_take_exactly_what_was_promised():
    budgets = LatencyBudgets(0.01, 0.02, 0.03, 0.04, 0.05, 0.06)
    assert StageLatencies.exactly(budgets) == StageLatencies(0.01, 0.02, 0.03, 0.04, 0.05, 0.06)
    assert StageLatencies.exactly(LatencyBudgets()) == StageLatencies()


@pytest.mark.parametrize("bad", [-0.1, nan, inf])
@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (Fixed, "seconds"),
        (lambda v: Measured((0.1, v)), "values"),
        (LogNormal, "median"),
        (lambda v: LogNormal(0.3, v), "sigma"),
        (lambda v: as_distribution("asr_processing", v), "asr_processing"),
        (lambda v: drawn("asr_processing", v, np.random.default_rng(0)), "asr_processing"),
    ],
)
def test_what_is_no_length_of_time_is_named(make, argument, bad):
    with pytest.raises(
        ValueError, match=f"^{argument} is {bad!r}; it must be a finite number of seconds, 0 or"
    ):
        make(bad)


@pytest.mark.parametrize("bad", [-0.1, 1.1, nan, inf])
def test_what_is_no_probability_is_named(bad):
    with pytest.raises(ValueError, match=f"^probability is {bad!r}; it must be between 0 and 1$"):
        WithStalls(0.3, bad, 6.0)


def test_measuring_nothing_is_refused():
    with pytest.raises(ValueError, match=r"^values is empty; give at least one measured latency"):
        Measured(())


@pytest.mark.parametrize("bad", ["0.3", None, True, [0.3]])
def test_what_is_neither_number_nor_distribution_is_refused(bad):
    with pytest.raises(TypeError, match=r"^asr_processing is .*; give seconds as a number, or a dist"):
        as_distribution("asr_processing", bad)


@pytest.mark.parametrize("arguments", [(-0.1, 0.1, 6.0), (0.3, 0.1, -6.0), ("slow", 0.1, 6.0)])
def test_the_parts_of_a_stalling_distribution_are_looked_at_when_it_is_made(arguments):
    with pytest.raises((ValueError, TypeError), match=r"^(body|stall) is "):
        WithStalls(*arguments)


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (Fixed, "seconds"),
        (LogNormal, "median"),
        (lambda v: LatencyBudgets(asr_processing=v), "asr_processing"),
    ],
)
def test_what_is_no_number_at_all_is_named(make, argument):
    with pytest.raises((ValueError, TypeError), match=f"^{argument} is '0.3'"):
        make("0.3")


def test_a_stages_latency_is_named_as_it_was_given():
    with pytest.raises(ValueError, match=r"^llm_first_token is -1; it must be a finite number of seconds"):
        StageLatencies(llm_first_token=-1)
    with pytest.raises(TypeError, match=r"^asr_processing is 'fast'; give seconds as a number"):
        StageLatencies(asr_processing="fast")


def test_an_array_that_was_measured_is_not_copied():
    values = np.array([0.1, 0.2])
    measured = Measured(values)
    assert np.shares_memory(np.asarray(measured.values), values)
    with pytest.raises(ValueError, match="read-only"):
        measured.values[0] = 0.0
    assert values.flags.writeable


def test_what_was_measured_is_compared_and_shown_by_its_latencies():
    assert Measured((0.1, 0.2)) == Measured([0.1, 0.2]) != Measured((0.2, 0.1))
    assert len({Measured((0.1, 0.2)), Measured([0.1, 0.2])}) == 1
    assert repr(Measured((0.1,))) == "Measured((0.1,))"
    assert repr(Measured(np.arange(5000) / 10)) == "Measured((0, 0.1, 0.2, ...), 5,000 latencies)"


@pytest.mark.parametrize("quantiles", [{"p50": 0.45, "p95": 0.87}, {"p90": 2.0, "p10": 0.1}])
def test_a_log_normal_is_known_by_two_quantiles(quantiles):
    samples = draws(LogNormal.from_quantiles(**quantiles), 200_000)
    for percent, seconds in quantiles.items():
        assert np.percentile(samples, float(percent[1:])) == pytest.approx(seconds, rel=0.02)


@pytest.mark.parametrize(
    ("quantiles", "sentence"),
    [
        (
            {"p50": 0.9, "p95": 0.4},
            r"^seconds has 0.4 s at p95, less than the 0.9 s at p50; quantiles cannot fall$",
        ),
        (
            {"p50": 0.9},
            r"^seconds is {'p50': 0.9}; give two quantiles above 0 s, such as p50=0.45, p95=0.87$",
        ),
        ({"p50": 0.0, "p95": 0.4}, r"^seconds is .*; give two quantiles above 0 s"),
        (
            {"p50": 0.1, "p95": -0.4},
            r"^seconds p95 is -0.4; it must be a finite number of seconds, 0 or more$",
        ),
        ({"median": 0.1, "p95": 0.4}, r"^seconds has 'median'; write a percentile as"),
        ({}, r"^seconds is empty; give at least one percentile"),
    ],
)
def test_what_makes_no_log_normal_is_refused(quantiles, sentence):
    with pytest.raises(ValueError, match=sentence):
        LogNormal.from_quantiles(**quantiles)
