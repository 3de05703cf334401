"""Turns from tables: units, names, what is not measured, and what is wrong."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent_lab import read_turns
from voice_agent_lab.traces.placing import BACKWARD, placed
from voice_agent_lab.traces.trouble import TraceError, TraceWarning

TABLE = "eou_delay_ms,ttft_ms,tts_ttfb_ms,e2e_s\n500,400,200,1.2\n300,,200,0.9\n"


@pytest.fixture
def csv(tmp_path):
    def write(text, name="turns.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def parts(turn):
    return {part.name: part.seconds for part in turn.parts}


def test_latencies_are_laid_about_the_wait_and_what_no_column_accounts_for_is_the_hand_over(csv):
    turn = read_turns(csv(TABLE))[0]
    assert parts(turn) == {"endpointing": 0.5, "hand-over": 0.1, "first token": 0.4, "first chunk": 0.2}
    assert turn.metrics.voice_to_voice == 1.2


def test_an_empty_cell_is_not_measured(csv):
    turns = read_turns(csv(TABLE))
    assert np.isnan(turns.latency("llm_first_token")[1])
    assert turns[1].latencies["llm_first_token"] == []


def test_a_wait_of_which_no_more_is_known_is_nobodys_in_particular(csv):
    assert parts(read_turns(csv("e2e_s\n1.2\n"))[0]) == {"hand-over": 1.2}
    assert parts(read_turns(csv(TABLE))[1]) == {"endpointing": 0.3, "hand-over": 0.4, "first chunk": 0.2}


def test_minus_one_is_not_measured_and_zero_is_zero(csv):
    turns = read_turns(csv("ttft_s,e2e_s\n-1,1.0\n0,1.0\n"))
    assert np.isnan(turns.latency("llm_first_token")[0])
    assert turns.latency("llm_first_token")[1] == 0.0


def test_latencies_that_overlap_are_an_early_start_and_the_parts_still_sum_to_the_wait(csv):
    turn = read_turns(
        csv("endpointing_s,llm_first_token_s,tts_first_chunk_s,voice_to_voice_s\n0.5,0.6,0.2,1.0\n")
    )[0]
    assert parts(turn) == {"endpointing": 0.5, "first token": 0.3, "first chunk": 0.2}
    assert turn.lead == 0.3


def test_without_the_wait_as_a_whole_voice_to_voice_is_not_measured_and_the_stages_are(csv):
    turns = read_turns(csv("ttft_ms,tts_ttfb_ms\n400,200\n"))
    assert np.isnan(turns.voice_to_voice).all()
    assert turns[0].latencies["llm_first_token"] == [0.4]
    assert turns[0].parts == ()


def test_stamps_are_taken_as_they_are(csv):
    text = "speech_ended_s,end_of_turn_s,llm_first_token_at_s,playback_started_s\n101,101.5,102,102.25\n"
    turn = read_turns(csv(text))[0]
    assert turn.metrics.voice_to_voice == 1.25
    assert turn.metrics.llm_first_token == 1.0
    assert parts(turn) == {"endpointing": 0.5, "first token": 0.5, "leading silence": 0.25}


def test_names_of_others_are_mapped_by_a_dictionary(csv):
    turns = read_turns(
        csv("Model (ms),Wait\n400,1.2\n"),
        columns={"Model (ms)": "llm_first_token_ms", "Wait": "voice_to_voice_s"},
    )
    assert turns.latency("llm_first_token").tolist() == [0.4]


def test_names_are_read_in_any_case_and_with_spaces(csv):
    assert read_turns(csv("E2E latency (ms)\n1200\n")).voice_to_voice.tolist() == [1.2]


def test_texts_come_along(csv):
    turns = read_turns(csv('transcription_s,ttft_s,e2e_s,transcript,reply\n0.3,0.4,1.0,"Hello, you",Hi\n'))
    assert (turns[0].transcript, turns[0].reply) == ("Hello, you", "Hi")


@pytest.mark.parametrize("suffix", [".parquet", ".tsv", "a frame"])
def test_a_table_says_the_same_in_every_form(csv, tmp_path, suffix):
    frame = pd.DataFrame({"ttft_ms": [400.0], "e2e_ms": [1200.0]})
    path = tmp_path / f"turns{suffix}"
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(path)
    elif suffix == ".tsv":
        frame.to_csv(path, sep="\t", index=False)
    turns = read_turns(frame if suffix == "a frame" else path)
    assert turns.voice_to_voice.tolist() == [1.2]
    assert turns.latency("llm_first_token").tolist() == [0.4]


def test_a_frame_that_came_from_another_index_is_read_by_its_rows():
    frame = pd.DataFrame({"e2e_s": [1.0, 2.0]}, index=[7, 7])
    assert read_turns(frame).voice_to_voice.tolist() == [1.0, 2.0]


BAD_ROWS = {
    "-30,1\n": "ttft_s is -30; it must be a finite number, 0 or more, or empty if it was not measured",
    "abc,1\n": "ttft_s is 'abc'; it must be a finite number, 0 or more",
    "inf,1\n": "ttft_s is .*inf.*; it must be a finite number, 0 or more",
    "1,2,3\n": "[Ee]xpected 2 fields, saw 3; quote a field with a comma in it",
}


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_malformed_row_is_named_by_file_and_line_and_the_rest_is_kept(csv, row):
    path = csv(f"ttft_s,e2e_s\n0.4,1.0\n\n{row}0.5,1.1\n")
    with pytest.warns(TraceWarning, match=r"turns.csv: 1 was left out, 2 turns kept"):
        turns = read_turns(path)
    assert turns.voice_to_voice.tolist() == [1.0, 1.1]
    (problem,) = turns.problems
    assert problem.place == f"{path}:4"
    with pytest.raises(AssertionError, match=BAD_ROWS[row]):
        raise AssertionError(problem.what)


def test_lines_after_one_that_was_skipped_keep_their_numbers(csv):
    path = csv("ttft_s,e2e_s\n1,2,3\n0.4,1.0\n-5,1.0\n")
    with pytest.warns(TraceWarning, match="2 were left out"):
        problems = read_turns(path).problems
    assert [problem.place for problem in problems] == [f"{path}:2", f"{path}:4"]


def test_a_clock_that_goes_back_is_a_malformed_row(csv):
    path = csv("speech_ended_s,playback_started_s\n1.0,2.0\n5.0,4.0\n")
    with pytest.warns(TraceWarning, match=r"csv:3: playback_started .* is before speech_ended"):
        assert len(read_turns(path)) == 1


REFUSED = {
    "": "is empty; its first line must name the columns",
    "ttft_s,e2e_s\n": "has no row; give at least one turn",
    "ttft,e2e_s\n0.4,1.0\n": "the column 'ttft' of .* has no unit; name it ttft_s or ttft_ms, or give columns=",
    "ttft_s,ttft_ms\n0.4,400\n": "the columns 'ttft_s' and 'ttft_ms' of .* are both llm_first_token",
    "ttft_s,e2e_s\n400,1200\n": "'ttft_s' of .* in seconds by its name, and its median is 400; if these are milli",
    "a,b\n1,2\n": r"has no column that is known \(a, b\); name one voice_to_voice_s",
    "e2e_s\nx\n": "has no row that can be read; .*:2: e2e_s is 'x'",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_table_that_cannot_be_read_is_refused_in_a_sentence(csv, text):
    with pytest.raises(TraceError, match=REFUSED[text]):
        read_turns(csv(text))


def test_a_mapping_must_be_of_columns_that_are_there_and_to_names_that_are_known(csv):
    with pytest.raises(TraceError, match=r"columns names 'model', which .* does not have; it has ttft_s"):
        read_turns(csv("ttft_s\n1\n"), columns={"model": "llm_first_token_s"})
    with pytest.raises(
        TraceError, match="'a' is 'tokens_s', which is no stamp and no latency; there are endpoint"
    ):
        read_turns(csv("a\n1\n"), columns={"a": "tokens_s"})


def test_what_is_no_parquet_is_refused_in_a_sentence(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "turns.parquet"
    path.write_text("nothing", encoding="utf-8")
    with pytest.raises(TraceError, match="is no Parquet file"):
        read_turns(path)


def test_many_rows_stay_columns(csv):
    n = 20_000
    rng = np.random.default_rng(0)
    waits = rng.lognormal(7, 0.3, n).round(1)
    path = csv("")
    pd.DataFrame({"e2e_ms": waits, "ttft_ms": waits / 4}).to_csv(path, index=False)
    turns = read_turns(path)
    assert len(turns) == n
    assert np.allclose(turns.voice_to_voice, waits / 1000)
    assert np.allclose(sum(turns.parts().values()), waits / 1000)


@given(
    st.dictionaries(st.sampled_from([*BACKWARD]), st.integers(1, 500), min_size=1),
    st.integers(1, 900),
    st.integers(0, 900),
)
def test_known_lengths_come_back_as_parts_and_the_rest_is_the_hand_over(lengths, endpointing, rest):
    whole = sum(lengths.values()) + endpointing + rest
    frame = pd.DataFrame(
        {
            f"{name}_ms": [ms]
            for name, ms in {**lengths, "endpointing": endpointing, "voice_to_voice": whole}.items()
        }
    )
    found = parts(read_turns(frame)[0])
    names = {"llm_first_token": "first token", "tts_first_chunk": "first chunk"}
    for name, ms in lengths.items():
        if name in ("llm_first_token", "tts_first_chunk"):
            assert found[names[name]] >= ms / 1000 - 1e-9
    assert sum(found.values()) == pytest.approx(whole / 1000)
    if "llm_first_token" in lengths and rest:
        assert found["hand-over"] == pytest.approx(rest / 1000)


def test_of_a_wait_alone_nothing_else_is_placed():
    stamps = placed({"voice_to_voice": np.array([1.0])})
    assert {name: column.tolist() for name, column in stamps.items()} == {
        "speech_ended": [0.0],
        "llm_started": [1.0],  # all of the wait is before it: the hand-over
        "playback_started": [1.0],
    }


def test_a_good_table_warns_of_nothing(csv):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_turns(csv(TABLE)).problems) == 0
