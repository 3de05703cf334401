"""Notebook 00: the parts of one turn."""

import re

import pytest

from voice_agent_lab.lessons.start_here import first_turn

# Besides the four settings, 0.5 + 0.3 + 0.5 + 0.2 s: recognition 0.1 s, and 20 ms for the second token.
DEFAULTS = {"timeout": 0.5, "finalization": 0.3, "first_token": 0.5, "first_chunk": 0.2}


@pytest.mark.parametrize(
    ("values", "wait"),
    [
        ({}, 1.62),
        ({"timeout": 1.0}, 2.12),
        ({"first_token": 0.0}, 1.12),
        ({"finalization": 0.85, "first_chunk": 0.0}, 1.97),
    ],
)
def test_the_wait_follows_the_settings_and_its_parts_add_up(values, wait):
    _, sentence = first_turn.draw(**{**DEFAULTS, **values})
    said, *parts = (float(seconds) for seconds in re.findall(r"([\d.]+) s\b", sentence))
    assert said == pytest.approx(wait)
    assert sum(parts) == pytest.approx(wait, abs=0.005 * len(parts))


def test_it_starts_at_the_turn_of_the_notebook():
    explorer = first_turn()
    assert {name: control.value for name, control in explorer.controls.items()} == DEFAULTS
