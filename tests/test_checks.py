"""What an error says of a value that will not do: enough of it to know it again, and no more."""

import numpy as np
import pytest

from voice_agent_lab import LatencyBudgets, StreamingVoiceAgent, simulate
from voice_agent_lab.checks import check_component, check_kind, check_seconds, check_share, shown


def test_a_short_value_is_shown_whole():
    for value in (1.5, "x" * 70, [1, 2], None):
        assert shown(value) == repr(value)


def test_of_a_long_value_the_ends_are_shown_and_how_long_it_is():
    text = shown(b"ab" * 10_000)
    assert text.startswith("b'abab")
    assert text.endswith("abab' (20,003 characters)")
    assert len(text) < 120


@pytest.mark.parametrize("value", [b"\0" * 9000, "x" * 9000, list(range(9000)), np.zeros(5000).tolist()])
@pytest.mark.parametrize(
    "check",
    [
        lambda value: check_seconds("length", value),
        lambda value: check_share("share", value),
        lambda value: check_kind("a chunk", value, np.ndarray),
        lambda value: check_component("tts", value, "synthesize_stream"),
        lambda value: LatencyBudgets(asr_processing=value),
        lambda value: StreamingVoiceAgent(asr=value),
    ],
)
def test_no_value_makes_an_error_that_fills_the_screen(check, value):
    with pytest.raises(TypeError) as caught:
        check(value)
    assert len(str(caught.value)) < 300


def test_a_voice_that_yields_bytes_is_named_in_a_sentence():
    class Voice:
        sample_rate = 16000

        async def synthesize_stream(self, text_stream):
            async for _ in text_stream:
                yield bytes(6400)

    with pytest.raises(Exception, match="stage 'tts' failed") as caught:
        simulate(StreamingVoiceAgent(tts=Voice()).process_turn("Hello."))
    assert len(str(caught.value)) < 300
