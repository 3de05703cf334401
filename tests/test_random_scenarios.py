"""Whatever the agent, the user and the trouble, the rules of `random_scenarios` hold."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.random_scenarios import Scenario, violations


@settings(max_examples=300, deadline=None)
@given(rng=st.randoms(use_true_random=False))
def test_no_scenario_breaks_a_rule(rng):
    assert violations(Scenario.of(rng)) == []
