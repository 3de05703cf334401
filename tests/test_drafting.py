"""Speculative decoding by hand, by formula and by lot."""

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent_lab.models.drafting import accepted_runs, expected_tokens, speedup


@pytest.mark.parametrize(
    ("a", "g", "c", "expected", "faster"),
    [
        (0.8, 4, 0.1, 1 + 0.8 + 0.64 + 0.512 + 0.4096, 3.3616 / 1.4),
        (0.5, 2, 0.25, 1.75, 1.75 / 1.5),
        (0.0, 4, 0.1, 1.0, 1 / 1.4),
        (1.0, 4, 0.0, 5.0, 5.0),
        (1.0, 4, 1.0, 5.0, 1.0),
        (0.7, 0, 0.3, 1.0, 1.0),
    ],
)
def test_speculative_decoding_by_hand(a, g, c, expected, faster):
    assert expected_tokens(a, g) == pytest.approx(expected)
    assert speedup(a, g, c) == pytest.approx(faster)


@given(st.floats(0, 1), st.integers(0, 16))
def test_the_formula_is_the_sum_of_the_powers(a, g):
    assert expected_tokens(a, g) == pytest.approx(sum(a**k for k in range(g + 1)))
    assert 1 <= round(expected_tokens(a, g), 9) <= g + 1


@pytest.mark.parametrize(
    ("a", "g", "c", "named"),
    [
        (1.1, 4, 0.1, "a is"),
        (-0.1, 4, 0.1, "a is"),
        (0.5, -1, 0, "g is"),
        (0.5, 1.5, 0, "g is"),
        (0.5, 4, -1.0, "c"),
        (nan, 4, 0.1, "a is"),
    ],
)
def test_drafts_that_cannot_be_are_errors(a, g, c, named):
    with pytest.raises(ValueError, match=named):
        speedup(a, g, c)


def test_simulated_drafts_agree_with_the_formula():
    runs = accepted_runs(0.8, 4, 200_000)
    assert (runs.min(), runs.max()) == (1, 5)
    assert runs.mean() == pytest.approx(3.3616, abs=0.02)
    assert (accepted_runs(0.8, 4, 100) == accepted_runs(0.8, 4, 100)).all()
    assert set(accepted_runs(0.8, 0, 10)) == {1}
