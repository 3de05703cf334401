"""The gate: promises in a file, what they are held against, the verdicts, and how a wrong file is named."""

from xml.etree import ElementTree

import numpy as np
import pytest

from voice_agent_lab import cli
from voice_agent_lab.gate import GateError, read_gate
from voice_agent_lab.traces.reading import sample_trace

PRESET = """\
agent = "livekit-defaults"
turns = 2000
seed = 1

[budgets]
voice_to_voice = { p50 = 1.2, p95 = 9.0 }
llm_first_token = { p95 = 2.0 }
"""


@pytest.fixture
def gate(tmp_path):
    def written(text, name="budgets.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return written


@pytest.fixture
def trace(tmp_path):
    def of(waits, more="", name="turns.csv"):
        rows = "\n".join(f"{wait},{more}" for wait in waits)
        (tmp_path / name).write_text(f"e2e_s,{'ttft_s' if more else 'note'}\n{rows}\n", encoding="utf-8")
        return tmp_path / name

    return of


def status(*arguments):
    return cli.main(["check", *map(str, arguments)])


# --- Verdicts ----------------------------------------------------------------------------------------


def test_a_preset_is_judged_with_intervals_and_the_owner_of_what_is_broken_is_named(gate, capsys):
    assert status(gate(PRESET)) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("2,000 turns, simulated")
    broken = next(line for line in said if "voice_to_voice p50" in line)
    assert "promised 1.200 s, measured 1." in broken and " to " in broken and ": missed; " in broken
    assert "most of it is first token (service): " in broken
    assert next(line for line in said if "voice_to_voice p95" in line).endswith(": met")
    assert said[-1] == "failed"


def test_promises_that_are_kept_pass(gate, capsys):
    assert status(gate(PRESET.replace("p50 = 1.2", "p50 = 3.0"))) == 0
    assert capsys.readouterr().out.endswith("passed\n")


def test_the_same_seed_gives_the_same_verdict_and_another_one_other_numbers(gate):
    def measured(text):
        return read_gate(gate(text)).judge().report["voice_to_voice p50"].measured

    assert measured(PRESET) == measured(PRESET)
    assert measured(PRESET) != measured(PRESET.replace("seed = 1", "seed = 2"))


def test_a_promise_is_broken_only_beyond_its_interval(gate, trace):
    waits = np.linspace(1.0, 2.0, 101)
    for promise, verdict in ((1.55, 0), (1.45, 0), (1.3, 1)):
        trace(waits)
        path = gate(f'trace = "turns.csv"\n[budgets]\nvoice_to_voice = {{ p50 = {promise} }}\n')
        assert status(path) == verdict, promise


def test_too_few_turns_to_see_a_tail_are_undecided_and_pass(gate, trace, capsys):
    trace([0.5, 0.9, 9.0])
    assert status(gate('trace = "turns.csv"\n[budgets]\nvoice_to_voice = { p99 = 1.0 }\n')) == 0
    assert "undecided" in capsys.readouterr().out


def test_a_plain_number_is_for_every_turn(gate, trace):
    trace([1.0] * 99 + [2.5])
    path = gate('trace = "turns.csv"\n[budgets]\nvoice_to_voice = 2.0\n')
    verdict = read_gate(path).judge().report["voice_to_voice"]
    assert (verdict.status, verdict.missed, verdict.worst) == ("missed", 1, 2.5)


def test_what_was_not_measured_is_not_kept(gate, trace, capsys):
    trace([1.0] * 10)
    assert status(gate('trace = "turns.csv"\n[budgets]\nllm_first_token = 2.0\n')) == 1
    assert "promised 2.000 s, not measured" in capsys.readouterr().out


def test_nothing_else_than_what_the_file_promises_is_judged(gate):
    report = read_gate(gate(PRESET)).judge().report
    assert [verdict.promise for verdict in report.verdicts] == [
        "llm_first_token p95",
        "voice_to_voice p50",
        "voice_to_voice p95",
    ]


def test_promises_about_the_rest_of_the_reply_follow_it_to_its_end(gate):
    text = PRESET.replace(
        "llm_first_token = { p95 = 2.0 }", "tts_chunk_generation = 0.04\ntts_first_chunk = 9"
    )
    report = read_gate(gate(text)).judge().report
    assert report["tts_chunk_generation"].status == report["tts_first_chunk"].status == "met"


@pytest.mark.parametrize(
    ("budget", "owner"),
    [
        ("llm_first_token", "its owner is the language model (service)"),
        ("asr_finalization", "its owner is the recogniser (service)"),
        ("tts_first_chunk", "its owner is the voice (service)"),
        ("time_to_first_audio", "most of it is first token (service)"),
    ],
)
def test_the_owner_of_each_budget_is_named(gate, budget, owner):
    path = gate(f'agent = "livekit-defaults"\nturns = 500\n[budgets]\n{budget} = {{ p95 = 0.01 }}\n')
    assert owner in str(read_gate(path).judge())


# --- Traces ------------------------------------------------------------------------------------------


def test_a_trace_on_the_command_line_stands_for_what_the_file_names(gate, capsys):
    assert status(gate(PRESET), "--trace", sample_trace("livekit-report.json")) == 0
    assert capsys.readouterr().out.startswith("80 turns, LiveKit: metrics of chat messages")


def test_a_trace_in_the_file_is_looked_for_beside_it(gate, trace, tmp_path, monkeypatch):
    trace([1.0] * 10)
    path = gate('trace = "turns.csv"\n[budgets]\nvoice_to_voice = 2.0\n')
    monkeypatch.chdir("/")
    assert status(path) == 0


def test_columns_of_a_table_may_be_named(gate, tmp_path):
    (tmp_path / "turns.csv").write_text("wait\n1200\n", encoding="utf-8")
    path = gate(
        'trace = "turns.csv"\n[budgets]\nvoice_to_voice = 2.0\n[columns]\nwait = "voice_to_voice_ms"\n'
    )
    assert read_gate(path).judge().report["voice_to_voice"].worst == 1.2


def test_what_is_left_out_of_a_trace_is_said_and_the_rest_is_judged(gate, trace, capsys):
    trace([1.0, -3, 1.0])
    assert status(gate('trace = "turns.csv"\n[budgets]\nvoice_to_voice = 2.0\n')) == 0
    assert "turns.csv:3: e2e_s is -3" in capsys.readouterr().err


def test_a_trace_that_is_not_there_is_named(gate, capsys):
    assert status(gate('trace = "none.csv"\n[budgets]\nvoice_to_voice = 2.0\n')) == 1
    assert "none.csv (No such file or directory)" in capsys.readouterr().err


# --- JUnit -------------------------------------------------------------------------------------------


def test_the_verdicts_are_written_as_junit(gate, trace, tmp_path):
    trace([3.0] * 100)
    path = gate(
        'trace = "turns.csv"\n[budgets]\nvoice_to_voice = { p50 = 1.0, p95 = 4.0 }\nllm_first_token = 1\n'
    )
    assert status(path, "--junit", tmp_path / "junit.xml") == 1
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert {key: suite.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "3",
        "failures": "1",
        "errors": "1",
    }
    outcomes = {case.get("name"): case[0].tag for case in suite}
    assert outcomes == {
        "llm_first_token": "error",
        "voice_to_voice p50": "failure",
        "voice_to_voice p95": "system-out",
    }
    assert "promised 1.000 s" in suite.find("testcase/failure").get("message")


def test_a_place_where_junit_cannot_be_written_is_named(gate, tmp_path, capsys):
    assert status(gate(PRESET), "--junit", tmp_path / "none" / "junit.xml") == 1
    assert "cannot write" in capsys.readouterr().err


# --- A file that says something else ------------------------------------------------------------------

WRONG = {
    "agent = \nturns = 3\n": r"budgets.toml is no TOML: .*line 1",
    PRESET.replace("turns =", "turnz ="): r":2: turnz is not known; there are agent, trace, turns",
    PRESET.replace("2000", '"many"'): r":2: turns is 'many'; it must be a whole number",
    PRESET.replace("2000", "true"): r":2: turns is True; it must be a whole number",
    PRESET.replace(
        "2000", "0"
    ): r":2: turns will not do: turns is 0; it must be a whole number of turns, 1 or more",
    PRESET.replace(
        "livekit-defaults", "livekit"
    ): r":1: agent will not do: name is 'livekit'; did you mean 'livekit-de",
    PRESET.replace(
        "voice_to_voice", "voice_to_vioce"
    ): r":6: budgets.voice_to_vioce is no budget; there are asr_proc",
    PRESET.replace(
        "p95 = 2.0", "p95 = -2"
    ): r":7: budgets.llm_first_token cannot be promised: llm_first_token p95 is -2",
    PRESET.replace(
        "p95 = 2.0", "95 = 2.0"
    ): r":7: budgets.llm_first_token cannot be promised: .*write a percentile as",
    PRESET.replace(
        "p95 = 9.0", "p95 = 1.0"
    ): r":6: budgets.voice_to_voice cannot be promised: .*quantiles cannot fall",
    PRESET.replace(
        "{ p95 = 2.0 }", "[2.0]"
    ): r":7: budgets.llm_first_token cannot be promised: .*must be a number",
    PRESET.replace("seed = 1", "seed = -1"): r":3: seed is -1; it must be 0 or more",
    PRESET.partition("[budgets]")[0]: "budgets.toml: budgets is missing or empty; promise something",
    PRESET.partition("\n")[2]: "budgets.toml: agent is missing, and so is trace; name a preset or a file",
    'trace = "a.csv"\n' + PRESET: r":1: trace stands beside agent; leave one of them out",
    PRESET + "[columns]\nwait = 3\n": r":9: columns.wait is 3; it must be our name with a unit, in quotes",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_malformed_file_is_named_by_line_and_key(gate, text, capsys):
    path = gate(text)
    with pytest.raises(GateError, match=WRONG[text]):
        read_gate(path)
    assert status(path) == 1
    said = capsys.readouterr().err
    assert said.startswith("voice-agent-lab: ") and said.count("\n") == 1


def test_a_file_that_is_not_there_is_named(tmp_path, capsys):
    assert status(tmp_path / "none.toml") == 1
    assert "none.toml (No such file or directory)" in capsys.readouterr().err
