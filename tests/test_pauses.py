"""Pauses inside turns, held against the points they were fitted to; and the two errors of a policy."""

from math import exp, inf, isnan, nan, sqrt

import numpy as np
import pytest

from voice_agent_lab.models.pauses import PauseModel, TradeOff, trade_off, trade_off_curve
from voice_agent_lab.published import eot_bench
from voice_agent_lab.stages.endpointing import HangoverTimeout, LearnedDetector, Policy, SilenceTimeout

ENGLISH = eot_bench.points("silence timer")  # cut-offs per pause
PAUSES = eot_bench.PAUSES  # that these shares are of
MODEL = PauseModel()
V1 = eot_bench.LIVEKIT_V1


def sampling_error(share, n):
    return sqrt(share * (1 - share) / n)


# --- The model ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("timeout", "published"), ENGLISH.items())
def test_the_published_cut_offs_are_met_within_their_sampling_error(timeout, published):
    assert abs(MODEL.exceeds(timeout) - published) < sampling_error(published, PAUSES)


def test_clipping_meets_the_published_points_better_than_truncation():
    beyond = MODEL.exceeds(MODEL.longest)
    assert round(beyond, 3) == 0.010
    truncated = {t: (MODEL.exceeds(t) - beyond) / (1 - beyond) for t in ENGLISH}
    assert [round(100 * share, 1) for share in truncated.values()] == [55.6, 20.0, 9.1, 4.2]
    assert [round(100 * MODEL.exceeds(t), 1) for t in ENGLISH] == [56.0, 20.8, 10.0, 5.1]

    def misfit(shares):
        return sum(((shares[t] - p) / sampling_error(p, PAUSES)) ** 2 for t, p in ENGLISH.items())

    assert misfit({t: MODEL.exceeds(t) for t in ENGLISH}) < misfit(truncated) / 5


@pytest.mark.parametrize("alpha", [1.43, 1.0, 2.3])
def test_drawn_lengths_follow_the_closed_form(alpha):
    model, n = PauseModel(alpha=alpha), 1_000_000
    lengths = model.lengths(np.random.default_rng(7), n)
    assert lengths.min() >= 0.2 and lengths.max() == 5.0
    for seconds in (0.21, 0.3, 0.6, 1.0, 1.6, 3.0, 4.999, 5.0):
        share = model.exceeds(seconds)
        assert abs((lengths >= seconds).mean() - share) < 4 * sampling_error(share, n)


def test_the_closed_form_at_its_ends_and_for_arrays():
    assert MODEL.exceeds(0.0) == MODEL.exceeds(0.2) == 1.0
    assert MODEL.exceeds(5.0) == pytest.approx(0.04**1.43)
    assert MODEL.exceeds(5.000000001) == 0.0
    assert np.array_equal(MODEL.exceeds(np.array([0.1, 0.3, 6.0])), [1.0, MODEL.exceeds(0.3), 0.0])


def test_turns_have_as_many_pauses_as_published():
    counts = MODEL.counts(np.random.default_rng(7), 100_000)
    assert MODEL.per_turn == round(PAUSES / eot_bench.TURNS, 2)
    assert abs(counts.mean() - 1.76) < 4 * sqrt(1.76 / 100_000)
    assert abs(counts.var() - 1.76) < 0.05  # a Poisson distribution's variance is its mean


# --- The trade-off --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeout", "per_turn"), [(0.3, 0.63), (0.6, 0.31), (1.0, 0.16), (2.0, 0.06), (5.5, 0.0)]
)
def test_a_timer_cuts_off_what_the_closed_form_says(timeout, per_turn):
    turns = 200_000
    result = trade_off(SilenceTimeout(timeout), MODEL, turns, np.random.default_rng(1))
    share = MODEL.exceeds(timeout)
    assert result.mean_wait == pytest.approx(timeout, abs=1e-9)
    assert abs(result.cut_off_per_pause - share) <= 4 * sampling_error(share, result.pauses.sum())
    # Cut-offs are a thinned Poisson process: no cut-off in a turn with chance exp(-1.76 * share).
    closed = 1 - exp(-MODEL.per_turn * share)
    assert abs(result.cut_off_per_turn - closed) <= 4 * sampling_error(closed, turns)
    assert round(closed, 2) == per_turn


def test_the_published_points_are_those_of_the_timer():
    assert ENGLISH == {0.3: 0.556, 0.6: 0.217, 1.0: 0.10, 1.6: 0.05}
    assert eot_bench.points("Soniox") == {0.512: 0.081, 0.580: 0.055, 0.647: 0.047}  # one was not published


def test_the_shares_in_closed_form_are_those_of_many_turns():
    detector = LearnedDetector(0.8, 0.4, 1.5, false_alarm_rate=0.2)
    result = trade_off(detector, MODEL, 200_000, np.random.default_rng(4))
    share = MODEL.cut_offs(detector)
    assert abs(result.cut_off_per_pause - share) < 4 * sampling_error(share, result.pauses.sum())
    turns = MODEL.turns_cut_off(share)
    assert abs(result.cut_off_per_turn - turns) < 4 * sampling_error(turns, 200_000)


def test_after_a_silence_the_ends_are_that_share_of_the_silences_that_last_as_long():
    rng = np.random.default_rng(5)
    lasting = int((MODEL.lengths(rng, int(MODEL.counts(rng, 100_000).sum())) >= 0.6).sum())
    ends = 100_000 / (100_000 + lasting)
    assert MODEL.finished_after(0.6) == pytest.approx(ends, abs=0.005)
    assert (np.diff(MODEL.finished_after(np.linspace(0.2, 4.0, 20))) > 0).all()


def test_livekits_row_comes_out_of_its_three_numbers():
    rate = MODEL.false_alarm_rate(0.05, V1["delay"], V1["timeout"])
    detector = LearnedDetector(**V1, false_alarm_rate=rate)
    result = trade_off(detector, MODEL, 200_000, np.random.default_rng(1))
    assert abs(result.mean_wait - 0.543) < 4 * 2.7 * sampling_error(0.91, 200_000)
    assert abs(result.cut_off_per_pause - 0.05) < 4 * sampling_error(0.05, result.pauses.sum())
    assert list(result.wait_percentile([5, 50, 90, 95])) == [0.3, 0.3, 0.3, 3.0]


def by_three_numbers(row):
    return LearnedDetector(row["detection rate"], row["delay"], row["timeout"]).mean_wait


def test_three_numbers_give_the_mean_wait_of_the_detectors_that_do_not_fire_late():
    for (detector, _), row in eot_bench.OPERATING_POINTS.iterrows():
        if detector not in eot_bench.LATE:
            assert row["mean wait"] == pytest.approx(by_three_numbers(row), abs=0.0025)


def test_three_numbers_give_too_short_a_wait_for_a_detector_that_fires_late():
    for detector in eot_bench.LATE:
        for _, row in eot_bench.OPERATING_POINTS.loc[detector].iterrows():
            a_timer = row["threshold"] == 0.0 and row["detection rate"] == 1.0
            assert a_timer or row["mean wait"] - by_three_numbers(row) > 0.01


def test_a_budget_is_kept_by_each_of_its_rows():
    kept = {
        "5 %": ("cut-offs", 0.05),
        "10 %": ("cut-offs", 0.10),
        "0.3 s": ("mean wait", 0.3),
        "0.6 s": ("mean wait", 0.6),
    }
    for (_, budget), row in eot_bench.OPERATING_POINTS.iterrows():
        column, most = kept[budget]
        assert row[column] <= most


def test_one_turn_by_hand():
    class TwoPauses(PauseModel):
        def counts(self, rng, turns):
            return np.array([2, 0, 3])

        def lengths(self, rng, n):
            return np.array([0.3, 0.5, 0.2, 1.0, 0.499999999])

    class Told(Policy):
        def decides_after(self, more_to_come, rng=None):
            return np.where(more_to_come, 0.5, 0.25 * np.arange(len(more_to_come)))

    result = trade_off(Told(), TwoPauses(), 3, np.random.default_rng(0))
    assert result.waits.tolist() == [0.0, 0.25, 0.5]
    assert result.pauses.tolist() == [2, 0, 3]
    assert result.cut_offs.tolist() == [1, 0, 1]  # a pause of just 0.5 s is cut off, as frame by frame
    assert (result.mean_wait, result.wait_percentile(50)) == (0.25, 0.25)
    assert (result.cut_off_per_pause, result.cut_off_per_turn) == (0.4, 2 / 3)


def test_without_pauses_the_share_of_them_is_not_a_number():
    result = trade_off(SilenceTimeout(), PauseModel(per_turn=0), 10, np.random.default_rng(0))
    assert isnan(result.cut_off_per_pause)
    assert result.cut_off_per_turn == 0.0


def test_the_same_seed_gives_the_same_turns_to_every_policy():
    one, other = (
        trade_off(policy, MODEL, 1000, np.random.default_rng(5))
        for policy in (SilenceTimeout(0.8), HangoverTimeout())
    )
    for name in ("waits", "pauses", "cut_offs"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    another = trade_off(SilenceTimeout(0.8), MODEL, 1000, np.random.default_rng(6))
    assert not np.array_equal(one.pauses, another.pauses)


def test_the_curve_trades_wait_for_cut_offs():
    policies = [SilenceTimeout(t) for t in (0.3, 0.6, 1.0, 1.6)]
    curve = trade_off_curve(policies, MODEL, turns=2000, seed=3)
    assert list(curve.index) == [repr(policy) for policy in policies]
    assert list(curve["mean wait"].round(9)) == [0.3, 0.6, 1.0, 1.6]
    for column in ("cut-offs per pause", "turns cut off"):
        assert curve[column].is_monotonic_decreasing
    assert curve.equals(trade_off_curve(policies, MODEL, turns=2000, seed=3))
    first = trade_off(policies[0], MODEL, 2000, np.random.default_rng(3))
    assert isinstance(first, TradeOff)
    assert curve["cut-offs per pause"].iloc[0] == first.cut_off_per_pause


# --- Bad arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": 0}, "alpha is 0; it must be a positive exponent"),
        ({"alpha": nan}, "alpha is nan"),
        ({"shortest": 0}, "shortest is 0 and longest 5.0"),
        ({"longest": 0.1}, "shortest is 0.2 and longest 0.1"),
        ({"longest": inf}, "longest is inf"),
        ({"per_turn": -1}, "per_turn is -1; it must be a finite number of pauses"),
    ],
)
def test_bad_models_are_refused(options, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        PauseModel(**options)


@pytest.mark.parametrize("turns", [0, -1, 2.5, True])
def test_turns_are_whole(turns):
    with pytest.raises(ValueError, match=r"^turns is"):
        trade_off(SilenceTimeout(), MODEL, turns, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0.001, 0.3, 3.0), "cut_offs is 0.001; acting after 0.3 or 3.0 s cuts off between 0.021 and 0.560"),
        ((0.9, 0.3, 3.0), "cut_offs is 0.9"),
        ((1.5, 0.3, 3.0), "cut_offs is 1.5; it must be between 0 and 1"),
        ((0.05, -0.3, 3.0), "delay is -0.3"),
        ((1.0, 0.1, 0.15), "cut_offs is 1.0"),
    ],
)
def test_a_false_alarm_rate_that_cannot_be_is_refused(arguments, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        MODEL.false_alarm_rate(*arguments)
