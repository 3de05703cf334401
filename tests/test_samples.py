"""Statistics of samples: an interval holds the true value as often as it says, and none is made up."""

from math import inf, isnan, nan

import numpy as np
import pytest

from voice_agent_lab.measure.samples import Estimate, least_n, mean, percentile, percentiles, share


@pytest.mark.parametrize(("n", "low", "high"), [(6, 1, 6), (10, 2, 9), (20, 6, 15), (100, 40, 61)])
def test_the_interval_of_a_median_runs_between_the_ranks_of_the_binomial_tables(n, low, high):
    values = np.random.default_rng(0).permutation(np.arange(1, n + 1))
    found = percentile(values)
    assert (found.low, found.high, found.n) == (low, high, n)
    assert found.value == np.median(values)


def test_a_sample_that_is_too_small_has_no_bound_there():
    assert percentile([1.0, 2.0, 3.0, 4.0, 5.0]) == Estimate(3.0, -inf, inf, 5)
    tail = percentile(range(20), 95)
    assert (tail.low, tail.high) == (16.0, inf)


@pytest.mark.parametrize("percent", [50, 95])
def test_at_least_95_of_100_intervals_hold_the_true_percentile(percent):
    rng = np.random.default_rng(3)
    true = np.exp(0.5 * {50: 0.0, 95: 1.6448536}[percent])
    found = [percentile(np.exp(0.5 * rng.standard_normal(40)), percent) for _ in range(2000)]
    held = np.mean([each.low <= true <= each.high for each in found])
    assert 0.95 - 0.01 <= held < 1.0


def test_about_95_of_100_intervals_hold_the_true_mean():
    rng = np.random.default_rng(4)
    found = [mean(rng.exponential(0.5, 60)) for _ in range(2000)]
    held = np.mean([each.low <= 0.5 <= each.high for each in found])
    assert 0.92 < held < 0.97


def test_a_mean_of_one_value_has_no_interval():
    assert mean([2.0, nan]) == Estimate(2.0, -inf, inf, 1)
    assert isnan(mean([]).value)


def test_what_was_not_measured_is_left_out():
    assert percentile([nan, 2.0, nan]) == Estimate(2.0, -inf, inf, 1)
    empty = percentile([nan])
    assert isnan(empty.value) and empty.n == 0


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (46, 47, 0.8871, 0.9995), (2, 10, 0.0252, 0.5561)],
)
def test_the_interval_of_a_share_is_that_of_clopper_and_pearson(hits, n, low, high):
    found = share(hits, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)
    assert (found.value, found.n) == (hits / n, n)


def test_a_share_of_nothing_is_not_a_number_and_can_be_anything():
    found = share(0, 0)
    assert isnan(found.value) and (found.low, found.high) == (0.0, 1.0)


def test_an_estimate_is_written_with_its_interval_and_its_size():
    shown = Estimate(1.62, 1.584, 1.7, 20)
    assert str(shown) == f"{shown}" == "1.62 (1.58 to 1.70), n = 20"
    assert f"{Estimate(0.5, 0.25, inf, 9):.0%}" == "50% (25% or more)"
    assert f"{Estimate(0.5, -inf, 0.75, 9):.1f}" == "0.5 (0.8 or less)"
    assert f"{Estimate(0.5, -inf, inf, 3):.1f}" == "0.5 (no interval)"


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"^percent is 100; it must be more than 0 and less than 100"):
        percentile([1.0], 100)
    with pytest.raises(ValueError, match=r"^hits is 3; it must be between 0 and n, which is 2"):
        share(3, 2)


def test_several_percentiles_are_those_that_each_would_be():
    values = np.random.default_rng(0).standard_normal(500)
    assert percentiles(values, (50, 95, 99)) == [percentile(values, percent) for percent in (50, 95, 99)]


@pytest.mark.parametrize("percent", [50, 95, 99, 1])
def test_the_least_number_of_values_is_that_with_which_both_bounds_begin(percent):
    n = least_n(percent)
    enough, few = (percentile(np.arange(size), percent) for size in (n, n - 1))
    assert -inf < enough.low and enough.high < inf
    assert few.low == -inf or few.high == inf


def test_large_samples_have_the_intervals_of_the_normal_approximation():
    n = 400_000
    tail = percentile(np.arange(n), 99)
    spread = 1.96 * (n * 0.99 * 0.01) ** 0.5
    assert (tail.low, tail.high) == pytest.approx((0.99 * n - spread, 0.99 * n + spread), abs=2)
    found = share(390_000, n)
    error = 1.96 * (0.975 * 0.025 / n) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.975 - error, 0.975 + error), abs=1e-5)


def test_an_interval_does_not_jump_where_large_samples_begin():
    small, large = (percentile(np.arange(n) / n, 95) for n in (10_000, 10_001))
    assert (large.low, large.high) == pytest.approx((small.low, small.high), abs=2e-4)
    few, many = (share(n // 10, n) for n in (10_000, 10_010))
    assert (many.low, many.high) == pytest.approx((few.low, few.high), abs=1e-4)
