"""What was promised and what happened: not measured is never zero, and a promise can be broken."""

from dataclasses import FrozenInstanceError, fields
from math import inf, isnan, nan

import numpy as np
import pandas as pd
import pytest

from voice_agent_lab import StageLatencies, StreamingVoiceAgent
from voice_agent_lab.measure.latency import (
    BudgetReport,
    LatencyBudgets,
    LatencyMetrics,
    Verdict,
    check_seconds,
    format_seconds,
    interval,
)
from voice_agent_lab.measure.samples import percentile

METRICS = {
    "voice-to-voice": (lambda m: m.voice_to_voice, "speech_ended", "playback_started"),
    "time to first token": (lambda m: m.time_to_first_token, "llm_started", "llm_first_token"),
    "time to first audio": (lambda m: m.get_time_to_first_audio(), "asr_complete", "tts_first_chunk"),
    "total latency": (lambda m: m.get_total_latency(), "audio_chunk_received", "tts_complete"),
}


# --- Not measured is never zero -------------------------------------------------------------------


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("missing", ["first", "second", "both"])
def test_a_metric_that_lacks_a_stamp_is_not_a_number(name, missing):
    metric, start, end = METRICS[name]
    stamps = {"first": {end: 1.0}, "second": {start: 1.0}, "both": {}}[missing]
    assert isnan(metric(LatencyMetrics(**stamps)))


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_of_two_equal_stamps_is_a_measured_zero(name):
    metric, start, end = METRICS[name]
    assert metric(LatencyMetrics(**{start: 2.0, end: 2.0})) == 0.0


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_depends_on_its_two_stamps_alone(name):
    metric, start, end = METRICS[name]
    others = {f.name: 9.0 for f in fields(LatencyMetrics)}
    assert metric(LatencyMetrics(**{**others, start: 1.0, end: 3.5})) == 2.5


def test_a_turn_in_which_nothing_happened_says_so_in_every_row():
    table = LatencyMetrics().table()
    assert len(table) == len(fields(LatencyMetrics)) + len(METRICS)
    assert set(table["time"]) == {"not measured"}


def test_a_zero_is_shown_as_a_number():
    assert [format_seconds(s) for s in (0.0, 0.0004, 1.2345, nan)] == [
        "0.000 s",
        "0.000 s",
        "1.234 s",
        "not measured",
    ]


def test_the_table_has_the_stamps_as_they_happened_then_the_missing_ones_then_the_intervals():
    metrics = LatencyMetrics(llm_started=2.0, audio_chunk_received=0.1, llm_first_token=2.5, speech_ended=1.0)
    assert metrics.table()["time"].to_dict() == {
        "audio_chunk_received": "0.100 s",
        "speech_ended": "1.000 s",
        "llm_started": "2.000 s",
        "llm_first_token": "2.500 s",
        "asr_started": "not measured",
        "asr_partial": "not measured",
        "asr_complete": "not measured",
        "llm_complete": "not measured",
        "tts_started": "not measured",
        "tts_first_chunk": "not measured",
        "tts_complete": "not measured",
        "end_of_turn": "not measured",
        "playback_started": "not measured",
        "playback_ended": "not measured",
        "time to first token": "0.500 s",
        "time to first audio (the article's)": "not measured",
        "total latency (the article's)": "not measured",
        "voice-to-voice": "not measured",
    }
    assert list(metrics.table().index)[:5] == [
        "audio_chunk_received",
        "speech_ended",
        "llm_started",
        "llm_first_token",
        "asr_started",
    ]


# --- Intervals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_that_ends_before_it_starts_is_an_error_that_names_it(name):
    metric, start, end = METRICS[name]
    with pytest.raises(ValueError, match=f"^{name} is negative: it starts at 2.0 s and ends at 1.5 s"):
        metric(LatencyMetrics(**{start: 2.0, end: 1.5}))


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [(2.88, 3.18, 0.3), (0.1, 0.3, 0.2), (0.3, 0.1 + 0.2, 0.0), (0.1 + 0.2, 0.3, 0.0), (0.0, 1e-9, 1e-9)],
)
def test_an_interval_is_rounded_to_the_nanosecond(start, end, seconds):
    assert interval(start, end) == seconds


def test_metrics_cannot_be_changed_afterwards():
    with pytest.raises(FrozenInstanceError):
        LatencyMetrics().asr_complete = 0.0


# --- Budgets and verdicts -------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [f.name for f in fields(LatencyBudgets)])
@pytest.mark.parametrize("value", [-0.001, nan, inf, -inf])
def test_a_budget_that_is_no_length_of_time_is_named(budget, value):
    with pytest.raises(ValueError, match=f"^{budget} is {value!r}; it must be a finite number of seconds"):
        LatencyBudgets(**{budget: value})


def test_a_budget_of_nothing_is_a_promise_too():
    assert LatencyBudgets(llm_first_token=0).judge({"llm_first_token": [1e-9]})["llm_first_token"].missed == 1


def test_what_was_measured_may_come_in_any_mapping_of_lists():
    measured = pd.Series({"llm_first_token": np.array([0.4, 0.6])})
    assert LatencyBudgets().judge(measured)["llm_first_token"].missed == 1
    with pytest.raises(TypeError, match=r"measured llm_first_token is 0\.4; it must be a list"):
        LatencyBudgets().judge({"llm_first_token": 0.4})
    with pytest.raises(TypeError, match="it must be a mapping"):
        LatencyBudgets().judge(LatencyMetrics())


def test_check_seconds_returns_what_it_accepts():
    assert [check_seconds("x", value) for value in (0, 0.0, 3, 1e9)] == [0, 0.0, 3, 1e9]


def test_the_worst_item_decides_and_the_report_says_how_many_missed_and_by_how_much():
    budgets = LatencyBudgets(asr_processing=0.1, llm_first_token=0.5, tts_first_chunk=0.2)
    report = budgets.judge(
        {"asr_processing": [0.1, 0.14, 0.05, 0.12], "llm_first_token": [0.5], "tts_first_chunk": []}
    )
    assert report.table().to_dict("index") == {
        "asr_processing": {"budget": "0.100 s", "worst": "0.140 s", "verdict": "missed by 0.040 s (2 of 4)"},
        "asr_finalization": {"budget": "0.300 s", "worst": "not measured", "verdict": "not measured"},
        "llm_first_token": {"budget": "0.500 s", "worst": "0.500 s", "verdict": "met"},
        "llm_token_generation": {"budget": "0.020 s", "worst": "not measured", "verdict": "not measured"},
        "tts_first_chunk": {"budget": "0.200 s", "worst": "not measured", "verdict": "not measured"},
        "tts_chunk_generation": {"budget": "0.050 s", "worst": "not measured", "verdict": "not measured"},
        "time_to_first_audio": {"budget": "1.000 s", "worst": "not measured", "verdict": "not measured"},
    }


def test_the_whole_wait_can_be_promised_and_is_judged_like_any_part():
    parts_kept = {name: [0.0] for name in LatencyBudgets().promised}
    report = LatencyBudgets(voice_to_voice=0.8).judge({**parts_kept, "voice_to_voice": [1.62]})
    assert report["voice_to_voice"] == Verdict("voice_to_voice", 0.8, (1.62,))
    assert [v.status for v in report.verdicts] == ["met"] * 7 + ["missed"]
    assert report.table().loc["voice_to_voice", "verdict"] == "missed by 0.820 s (1 of 1)"


def test_a_wait_that_nobody_promised_has_no_verdict():
    report = LatencyBudgets().judge({"voice_to_voice": [9.0]})
    assert [v.name for v in report.verdicts] == list(LatencyBudgets().promised)
    assert "voice_to_voice" not in report.table().index


@pytest.mark.parametrize(
    ("items", "status", "worst", "over", "missed"),
    [
        ((0.2, 0.3), "met", 0.3, 0.0, 0),
        ((0.0,), "met", 0.0, 0.0, 0),
        ((0.2, 0.35, 0.31), "missed", 0.35, 0.05, 2),
        ((0.300000001,), "missed", 0.300000001, 1e-9, 1),
    ],
)
def test_a_verdict_on_what_was_measured(items, status, worst, over, missed):
    verdict = Verdict("asr_finalization", 0.3, items)
    assert (verdict.status, verdict.worst, verdict.over, verdict.missed) == (status, worst, over, missed)


def test_a_verdict_on_nothing_is_neither_met_nor_zero():
    verdict = Verdict("asr_finalization", 0.3)
    assert verdict.status == "not measured"
    assert isnan(verdict.worst)
    assert isnan(verdict.over)
    assert verdict.missed == 0


def test_an_interval_of_two_stamps_keeps_the_budget_that_it_exactly_fills():
    assert 3.18 - 2.88 > 0.3
    took = interval(2.88, 3.18)
    assert Verdict("asr_finalization", 0.3, (took,)).status == "met"


def test_a_verdict_counts_as_missed_only_what_is_over_by_a_nanosecond():
    verdict = Verdict("asr_finalization", 0.3, (3.18 - 2.88,))
    assert (verdict.status, verdict.over) == ("met", 0.0)


@pytest.mark.parametrize("items", [(nan,), (0.2, nan), (nan, 0.2)])
def test_an_item_that_was_not_measured_does_not_meet_a_budget(items):
    measured = [item for item in items if not isnan(item)]
    verdict = Verdict("asr_finalization", 0.3, items)
    assert (verdict.status, repr(verdict.worst)) == (("met", "0.2") if measured else ("not measured", "nan"))


def test_a_report_knows_its_budgets_by_name():
    report = BudgetReport((Verdict("a", 0.1), Verdict("b", 0.2)))
    assert report["b"].budget == 0.2
    with pytest.raises(KeyError, match="no budget is called 'c'; there are a, b"):
        report["c"]


@pytest.mark.parametrize(
    "shown", [LatencyMetrics(asr_complete=1.5), LatencyBudgets().judge({"asr_finalization": [0.4]})]
)
def test_tables_show_themselves_as_text_and_as_html(shown):
    for row, cells in shown.table().iterrows():
        for view in (str(shown), shown._repr_html_()):
            assert row in view.replace("&#x27;", "'")
            assert all(cell in view for cell in cells)
    assert "<table" in shown._repr_html_()


# --- Promises about percentiles -------------------------------------------------------------------

TAIL = LatencyBudgets(voice_to_voice={"p95": 2.5, "p50": 1.2}, llm_first_token={"p99": 2.0})


def test_promises_about_percentiles_come_beside_the_others_in_order():
    assert TAIL.promises[-3:] == [
        ("time_to_first_audio", None, 1.0),
        ("voice_to_voice", 50.0, 1.2),
        ("voice_to_voice", 95.0, 2.5),
    ]
    assert ("llm_first_token", 99.0, 2.0) in TAIL.promises
    assert "voice_to_voice" not in TAIL.promised and "llm_first_token" not in TAIL.promised


@pytest.mark.parametrize(
    ("seconds", "status"),
    [
        ([1.0] * 100, "met"),
        ([3.0] * 100, "missed"),
        ([1.0] * 80 + [3.0] * 20, "missed"),
        ([1.0] * 20, "undecided"),
    ],
)
def test_a_promise_about_a_percentile_is_judged_with_its_interval(seconds, status):
    verdict = TAIL.judge({"voice_to_voice": seconds})["voice_to_voice p95"]
    assert verdict.status == status
    assert verdict.measured == percentile(seconds, 95)


def test_a_percentile_is_judged_on_what_was_measured_alone():
    report = TAIL.judge({"voice_to_voice": [1.0, nan] * 50, "llm_first_token": [nan]})
    assert report["voice_to_voice p50"].measured.n == 50
    assert report["llm_first_token p99"].status == "not measured"


@pytest.mark.parametrize(
    ("measured", "status", "sentence"),
    [
        ({}, "not measured", "not measured: 9 not measured"),
        ({"voice_to_voice": [1.0] * 100}, "met", "met: 2 met, 7 not measured"),
        ({"voice_to_voice": [1.0] * 20}, "undecided", "undecided: 1 met, 1 undecided, 7 not measured"),
        (
            {"voice_to_voice": [1.0] * 100, "asr_finalization": [0.5]},
            "missed",
            "missed: 2 met, 1 missed, 6 not measured; by most asr_finalization, by 0.200 s",
        ),
    ],
)
def test_all_promises_together_have_a_verdict(measured, status, sentence):
    report = TAIL.judge(measured)
    assert (report.status, report.sentence) == (status, sentence)


def test_a_report_shows_percentiles_with_their_intervals():
    table = TAIL.judge({"voice_to_voice": np.linspace(1.0, 1.1, 100)}).table()
    assert table.loc["voice_to_voice p50", "measured"].startswith("1.050 (1.0")
    assert "worst" in LatencyBudgets().judge({}).table()


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        ({}, r"^voice_to_voice is empty; give at least one percentile, such as"),
        ({"p95": -1.0}, r"^voice_to_voice p95 is -1.0; it must be a finite number of seconds, 0 or more$"),
        ({"95": 1.0}, r'^voice_to_voice has \'95\'; write a percentile as "p50", "p95" or "p99.9"$'),
        ({"p100": 1.0}, r"^voice_to_voice has 'p100'; write a percentile as"),
        ({"p95": 1.0, "p50": 2.0}, r"^voice_to_voice has 1.0 s at p95, less than the 2.0 s at p50; quant"),
    ],
)
def test_a_promise_about_no_percentile_is_refused(budget, sentence):
    with pytest.raises(ValueError, match=sentence):
        LatencyBudgets(voice_to_voice=budget)


def test_no_latency_follows_from_a_promise_about_percentiles():
    with pytest.raises(
        ValueError, match=r"^llm_first_token is promised at percentiles only; give the agent's lat"
    ):
        StreamingVoiceAgent(TAIL)
    assert StreamingVoiceAgent(TAIL, StageLatencies()).budgets == TAIL
