"""The names that the readers of traces look for are those of the frameworks; where these are installed."""

import importlib

import pytest


def needed(name):
    """Return a module of a framework; most who run the tests have none."""
    pytest.importorskip(name.partition(".")[0] if "." not in name else name.rpartition(".")[0])
    return importlib.import_module(name)


def test_livekits_messages_have_the_metrics_that_are_read():
    report = needed("livekit.agents.llm.chat_context").MetricsReport
    assert report.__annotations__.keys() >= {
        "started_speaking_at",
        "stopped_speaking_at",
        "transcription_delay",
        "end_of_turn_delay",
        "llm_node_ttft",
        "llm_node_ttfs",
        "tts_node_ttfb",
        "playback_latency",
        "e2e_latency",
    }


def test_livekits_spans_have_the_attributes_that_are_read():
    names = {
        value
        for value in vars(needed("livekit.agents.telemetry.trace_types")).values()
        if isinstance(value, str)
    }
    assert names >= {
        "lk.speech_id",
        "lk.e2e_latency",
        "lk.end_of_turn_delay",
        "lk.transcription_delay",
        "lk.eou.endpointing_delay",
        "lk.response.ttft",
        "lk.response.ttfb",
        "gen_ai.response.time_to_first_chunk",
    }


def test_pipecats_breakdowns_have_the_fields_that_are_read():
    observer = needed("pipecat.observers.user_bot_latency_observer")
    assert observer.LatencyBreakdown.model_fields.keys() >= {
        "ttfb",
        "contributions",
        "measured_from",
        "total_secs",
        "user_turn_start_time",
        "user_turn_secs",
    }
    assert observer.LatencyContribution.model_fields.keys() >= {"key", "start_time", "duration_secs"}
    assert observer.MIN_CONTRIBUTION_SECS == 0.005
