"""The catalogue of events holds every event that is recorded, with its details."""

import ast
from pathlib import Path

import pytest

import voice_agent_lab
from voice_agent_lab import Interruption, Playback, Say, StreamingASR, StreamingVoiceAgent, simulate
from voice_agent_lab.as_published import PublishedVoiceAgent
from voice_agent_lab.measure.events import CATALOGUE, STAGES, catalogue

KINDS = {(kind.stage, kind.name): kind for kind in CATALOGUE}
ROOMS = ("turns", "stages", "engines", "as_published.py", "streams.py")


def recorded_in_the_code():
    """Yield each call of record with constants: its place, stage and name, and its details."""
    package = Path(voice_agent_lab.__file__).parent
    for path in sorted(p for room in ROOMS for p in [package / room, *(package / room).rglob("*.py")]):
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "record" and len(node.args) == 2:
                    stage, name = (a.value if isinstance(a, ast.Constant) else None for a in node.args)
                    yield (
                        f"{path.name}:{node.lineno}",
                        stage,
                        name,
                        {k.arg for k in node.keywords} - {"at", None},
                    )


def test_no_kind_stands_there_twice():
    assert len(KINDS) == len(CATALOGUE) == len(catalogue())


@pytest.mark.parametrize(("place", "stage", "name", "details"), list(recorded_in_the_code()))
def test_what_the_code_records_is_in_the_catalogue(place, stage, name, details):
    of_name = [k for k in CATALOGUE if name in (None, k.name) and stage in (None, k.stage)]
    assert of_name, f"{place} records {stage} {name}"
    assert any(details <= set(kind.details) for kind in of_name)


CONVERSATION = [
    Say("Tell me the weather."),
    Say("mm-hm", after=0.7, during="speaking"),
    Say("Stop, that is enough.", after=2.0, during="speaking"),
]


@pytest.mark.parametrize("overlap", ["sequential", "chained", "concurrent", "eager"])
@pytest.mark.parametrize("min_words", [0, 1])
def test_every_event_of_a_conversation_is_in_the_catalogue_with_its_details(overlap, min_words):
    agent = StreamingVoiceAgent(
        overlap=overlap,
        interruption=Interruption(min_speech=0.3, min_words=min_words, resume_after=0.4),
        playback=Playback(0.05),
        asr=StreamingASR(0.05, 0.2, revision_rate=0.5),
    )
    simulate(agent.converse(CONVERSATION))
    events = [event for turn in agent.turns for event in turn.log]
    assert len({(event.stage, event.name) for event in events}) > 20
    for event in events:
        assert set(event.detail) <= set(KINDS[event.stage, event.name].details)


def test_the_articles_agent_records_nothing_else():
    agent = PublishedVoiceAgent()
    simulate(agent.process_turn("Hello, how are you today?"))
    assert {(event.stage, event.name) for event in agent.turns[0].log} <= set(KINDS)


def test_the_stages_are_in_the_order_of_the_chain():
    chain = (
        "user",
        "microphone",
        "vad",
        "endpointing",
        "asr",
        "llm",
        "tool",
        "aggregation",
        "tts",
        "playback",
        "agent",
    )
    assert chain == STAGES
