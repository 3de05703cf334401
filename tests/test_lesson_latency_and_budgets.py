"""Notebook 01: a budget is shared out."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from voice_agent_lab.lessons.latency_and_budgets import share_the_budget
from voice_agent_lab.published.primer import PRIMER_MS, SERVICES_MS, TO_AGENT_MS, TO_USER_MS

SHARES = ("endpointing", "finalisation", "first_token", "sentence", "first_chunk", "transport")


def milliseconds(sentence):
    return [int(ms) for ms in re.findall(r"(\d+) ms", sentence)]


def test_the_primer_has_sixteen_rows_of_993_ms():
    rows = (TO_AGENT_MS, SERVICES_MS, TO_USER_MS)
    assert [sum(part.values()) for part in rows] == [114, 790, 89]
    assert len(PRIMER_MS) == sum(map(len, rows)) == 16
    assert sum(PRIMER_MS.values()) == 993


def test_the_explorer_starts_at_the_primer_and_its_target():
    sentence = share_the_budget().sentence
    assert milliseconds(sentence) == [993, 800, 193, 350]  # spent, budget, overdrawn, the largest share
    assert "overdrawn" in sentence
    assert "first token" in sentence


@settings(max_examples=15, deadline=None)
@given(st.integers(300, 2000), st.lists(st.integers(0, 600), min_size=6, max_size=6))
def test_what_is_spent_and_what_is_left_make_the_budget(budget, shares):
    _, sentence = share_the_budget.draw(budget, **dict(zip(SHARES, shares, strict=True)))
    spent, promised, rest, *largest = milliseconds(sentence)
    assert (spent, promised, rest) == (sum(shares), budget, abs(budget - sum(shares)))
    assert ("overdrawn" in sentence) == (sum(shares) > budget)
    assert largest == [max(shares)] * any(shares)


def test_a_budget_can_be_kept_to_the_millisecond_and_nothing_can_be_spent():
    kept = dict(zip(SHARES, (200, 100, 350, 20, 120, 10), strict=True))
    assert milliseconds(share_the_budget.draw(800, **kept)[1])[:3] == [800, 800, 0]
    assert milliseconds(share_the_budget.draw(800, **dict.fromkeys(SHARES, 0))[1]) == [0, 800, 800]
