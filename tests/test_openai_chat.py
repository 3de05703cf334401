"""A real client of a language model, against a real server on loopback that behaves well and badly."""

import asyncio
import json
import logging
import sys
import traceback

import pytest

from tests.language_model_server import (
    Server,
    begins,
    calls,
    chunk,
    refuses,
    says,
    serving,
    silent,
    stalls,
    wishes,
)
from voice_agent_lab.engines import MissingExtra
from voice_agent_lab.engines.openai_chat import LanguageModelError, OpenAIChat
from voice_agent_lab.stages.distributions import StageLatencies
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.stages.llm import Message, StreamingLLM
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.tools import Tools
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.streams import StageError
from voice_agent_lab.traces.perfetto import chrome_trace
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.interruption import Interruption
from voice_agent_lab.turns.script import Say
from voice_agent_lab.turns.states import AgentState

pytest.importorskip("openai", reason="the extra engines, with the package openai, is not installed")

KEY = "sk-a-key-that-nobody-may-see"


def agent_with(llm, **options):
    """Return an agent that is quick, for these turns take real time."""
    quick = StageLatencies(asr_processing=0.001, asr_finalization=0.001)
    options = {"tts": StreamingTTS(0.01, 0.001, chars_per_second=60), **options}
    return StreamingVoiceAgent(
        latencies=quick,
        llm=llm,
        audio=AudioInputStream(chunk_duration_ms=50),
        endpointing=SilenceTimeout(0.3),
        **options,
    )


def run(use, *acts, **options):
    """Run what uses a model and its server; the model is closed at the end."""

    async def with_both():
        async with (
            Server(*acts) as server,
            OpenAIChat("m", base_url=server.url, **{"api_key": KEY, "retries": 0, **options}) as llm,
        ):
            return await use(llm, server)

    return asyncio.run(with_both())


def reply(*acts, messages=None, **options):
    """Return what the model yields, and what the server was asked."""

    async def use(llm, server):
        given = messages or [Message("user", "Hi.")]
        return [item async for item in llm.respond(given)], server.bodies

    return run(use, *acts, **options)


def failure(*acts, **options):
    """Return the sentence with which the model fails."""
    with pytest.raises(LanguageModelError) as caught:
        reply(*acts, **options)
    return str(caught.value)


# --- What is asked, and what comes -----------------------------------------------------------------


def test_chunks_come_as_they_are_those_without_text_included():
    assert reply(says("It is ", "two."))[0] == ["", "It is ", "two.", ""]


def test_the_server_is_told_the_instructions_and_the_conversation():
    said = [Message("user", "Hi."), Message("assistant", "Hello"), Message("user", "The time?")]
    _, (body,) = reply(says("Two."), messages=said, instructions="Be brief.", options={"temperature": 0})
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "The time?"},
    ]
    assert (body["model"], body["stream"], body["temperature"]) == ("m", True, 0)


def test_the_articles_method_asks_with_a_prompt_alone():
    async def use(llm, server):
        return [item async for item in llm.generate_response("Hi.")], server.bodies

    tokens, (body,) = run(use, says("Hello."))
    assert "".join(tokens) == "Hello." and body["messages"][-1] == {"role": "user", "content": "Hi."}


def test_key_and_server_come_from_the_usual_environment_variables(monkeypatch):
    async def use(llm, server):
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        async with OpenAIChat("m") as other:
            return [item async for item in other.generate_response("Hi.")]

    assert "".join(run(use, says("Hello."))) == "Hello."


def test_without_a_key_and_a_server_it_says_what_to_give(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ValueError, match="give api_key or set OPENAI_API_KEY"):
        OpenAIChat("m")


def test_one_model_serves_in_one_event_loop_after_the_other():
    asked = []
    with serving(says("Yes.")) as server:
        llm = OpenAIChat("m", base_url=server.url)

        async def ask():
            asked.append("".join([item async for item in llm.generate_response("Hi.")]))
            await llm.aclose()

        asyncio.run(ask())
        asyncio.run(ask())
    assert asked == ["Yes.", "Yes."]


# --- A turn ----------------------------------------------------------------------------------------


def turn(*acts, script=(), options=None, **given):
    """Return the agent after a turn, or a conversation, and the server."""

    async def use(llm, server):
        agent = agent_with(llm, **given)
        try:
            await (agent.converse(script) if script else agent.process_turn("Hi."))
        except StageError as error:
            return agent, server, error
        return agent, server, None

    return run(use, *acts, **(options or {}))


def test_first_chunk_and_first_token_are_apart_in_the_log():
    async def slow(writer):
        await begins(chunk(role="assistant"))(writer)
        await asyncio.sleep(0.1)
        await says("Yes.")(_WithoutHead(writer))

    agent, _, _ = turn(slow)
    metrics = agent.turns[0].metrics
    assert metrics.llm_started < metrics.llm_first_chunk < metrics.llm_first_token
    assert "time to first chunk" in str(metrics)


class _WithoutHead:
    """Writes all but the first thing, which is the head."""

    def __init__(self, writer):
        self.writer, self.begun = writer, False

    def write(self, data):
        if self.begun:
            self.writer.write(data)
        self.begun = True

    async def drain(self):
        await self.writer.drain()


def test_the_next_question_is_asked_with_what_was_said_and_heard():
    async def use(llm, server):
        agent = agent_with(llm)
        await agent.process_turn("Hi.")
        await agent.process_turn("And now?")
        return server.bodies

    bodies = run(use, says("Hello there."), says("Yes."))
    assert [(m["role"], m["content"]) for m in bodies[1]["messages"][1:]] == [
        ("user", "Hi."),
        ("assistant", "Hello there."),
        ("user", "And now?"),
    ]


LONG = tuple(f"word{k} " for k in range(200))
BARGE_IN = [Say("Hi."), Say("Stop it now.", after=0.3, during="speaking")]


def test_barge_in_closes_the_stream_at_once_and_the_model_is_told_what_was_heard():
    interrupted = {"interruption": Interruption(min_speech=0.1), "aggregation": "word"}
    agent, server, _ = turn(says(*LONG, gap=0.05), says("Yes."), script=BARGE_IN, **interrupted)
    assert server.left_after == [1]  # before the next question
    heard = agent.turns[0].heard
    assert heard and heard != agent.turns[0].reply
    told = [m["content"] for m in server.bodies[1]["messages"] if m["role"] == "assistant"]
    assert told == [heard]


def test_a_turn_that_is_cancelled_closes_the_stream():
    async def use(llm, server):
        agent = agent_with(llm)
        task = asyncio.create_task(agent.process_turn("Hi."))
        await server.asked.wait()
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(server.left.wait(), 5)
        return agent.state

    for act in (silent, says(*LONG, gap=0.05)):
        assert run(use, act) is AgentState.LISTENING


# --- Tools -----------------------------------------------------------------------------------------


def look_up(city: str, days: int = 1) -> str:
    """Look the weather up."""
    return f"{days} sunny days in {city}"


def test_a_tool_is_called_with_its_arguments_and_the_answer_follows_from_its_result():
    call = wishes("look_up", json.dumps({"city": "Bern", "days": 2}))
    agent, server, _ = turn(calls(*call), says("Sunny."), tools=Tools([look_up], filler="One moment."))
    told = server.bodies[1]["messages"]
    assert told[-2]["tool_calls"][0]["function"] == {
        "name": "look_up",
        "arguments": '{"city": "Bern", "days": 2}',
    }
    assert told[-1] == {"role": "tool", "tool_call_id": "call_0", "content": "2 sunny days in Bern"}
    (offered,) = server.bodies[0]["tools"]
    assert offered["function"]["description"] == "Look the weather up."
    assert offered["function"]["parameters"]["required"] == ["city"]
    assert agent.turns[0].reply.endswith("Sunny.")


def test_calls_at_once_are_told_apart():
    both = [*wishes("look_up", '{"city": "Bern"}'), *wishes("look_up", '{"city": "Rome"}', index=1)]
    _, server, _ = turn(calls(*both), says("Sunny."), tools=Tools([look_up]))
    results = {m["tool_call_id"]: m["content"] for m in server.bodies[1]["messages"] if m["role"] == "tool"}
    assert results == {"call_0": "1 sunny days in Bern", "call_1": "1 sunny days in Rome"}


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("look_up", '{"city": ', "JSONDecodeError"),
        ("look_up", '["Bern"]', "must be a JSON object"),
        ("look_up", '{"town": "Bern"}', "unexpected keyword argument 'town'"),
        ("look_down", "{}", "no tool is called 'look_down'"),
        ("raises", "{}", "OSError: the station is closed"),
    ],
)
def test_a_tool_that_fails_is_named_and_the_model_is_told_and_answers(name, arguments, told):
    def raises():
        raise OSError("the station is closed")

    acts = (calls(*wishes(name, arguments)), says("I cannot tell."))
    agent, server, error = turn(*acts, tools=Tools([look_up, raises]))
    assert error is None
    assert told in server.bodies[1]["messages"][-1]["content"]
    assert [e.stage for e in agent.turns[0].log if e.name == "failed"] == ["tool"]
    assert agent.turns[0].heard == "I cannot tell."


# --- Failures --------------------------------------------------------------------------------------

FAILURES = {
    "slow": ((silent,), {"patience": 0.3}, "sent nothing for 0.3 s"),
    "stalled": ((begins(chunk("It is "), then=stalls),), {"patience": 0.3}, "sent nothing for 0.3 s"),
    "401": ((refuses(401, f"Incorrect API key provided: {KEY}."),), {}, "refuses the key (401): Incorrect"),
    "404": ((refuses(404, "no such model"),), {}, "is not there (404): no such model"),
    "429": ((refuses(429, "slow down", retry_after="30"),), {"retries": 3}, "it may be asked again in 30 s"),
    "500": ((refuses(500, "out of memory"),), {}, "failed (500): out of memory"),
    "malformed": ((begins(chunk("It "), "{not json"),), {}, "sent what is no chat completion"),
    "foreign": ((begins('{"choices": "many"}'),), {}, "sent what is no chat completion"),
    "error event": ((begins({"error": {"message": "overloaded"}}),), {}, "in the middle of its reply: over"),
    "dropped": ((begins(chunk("It is ")),), {}, "the connection broke"),
    "unfinished": ((says("It is ", finish=None),), {}, "its stream ended before the reply did"),
}
"""How a service fails: what it does, the model's options, and a part of the sentence."""


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_is_one_sentence_that_names_the_model_and_the_server(case):
    acts, options, part = FAILURES[case]
    sentence = failure(*acts, **options)
    assert sentence.startswith("the language model 'm' at http://127.0.0.1:")
    assert part in sentence and "\n" not in sentence


@pytest.mark.parametrize("case", FAILURES)
def test_after_a_failure_the_agent_listens_again_and_the_next_turn_is_answered(case):
    acts, options, part = FAILURES[case]

    async def use(llm, server):
        agent = agent_with(llm)
        with pytest.raises(StageError, match="stage 'llm' failed") as caught:
            await agent.process_turn("Hi.")
        assert part in str(caught.value)
        assert agent.state is AgentState.LISTENING
        assert "failed" in [e.name for e in agent.turns[0].log if e.stage == "llm"]
        await agent.process_turn("And now?")
        return agent.turns[1].heard

    assert run(use, *acts, says("Here I am."), **options) == "Here I am."


@pytest.mark.parametrize("case", FAILURES)
def test_with_an_apology_a_conversation_survives_a_failure(case):
    acts, options, _ = FAILURES[case]
    agent, _, error = turn(
        *acts,
        says("Here I am."),
        script=[Say("Hi."), Say("So?", after=0.2)],
        apology="I am sorry.",
        options=options,
    )
    assert error is None
    assert agent.turns[0].heard.endswith("I am sorry.") and agent.turns[1].heard == "Here I am."


def test_a_server_that_is_not_there():
    async def use():
        async with Server(silent) as server:
            url = server.url
        async with OpenAIChat("m", base_url=url, retries=0) as llm:
            return [item async for item in llm.generate_response("Hi.")]

    with pytest.raises(LanguageModelError, match="cannot be reached"):
        asyncio.run(use())


@pytest.mark.parametrize("act", [refuses(429, retry_after="0.05"), refuses(503)])
def test_what_may_pass_is_asked_again_and_the_log_tells(act):
    agent, server, error = turn(act, says("Yes."), options={"retries": 1})
    assert error is None and len(server.bodies) == 2
    (retry,) = agent.turns[0].log.all("llm", "retry")
    assert retry.detail["wait"] == (0.05 if "429" in retry.detail["error"] else 0.5)


@pytest.mark.parametrize("status", [400, 401, 404])
def test_what_cannot_pass_is_not_asked_again(status):
    _, server, _ = turn(refuses(status), options={"retries": 2})
    assert len(server.bodies) == 1


@pytest.mark.parametrize("case", ["slow", "401", "429", "500", "malformed at once", "foreign"])
def test_another_model_is_asked_if_this_one_fails_before_it_has_said_anything(case):
    acts, options, _ = FAILURES.get(case, ((begins("{not json"),), {}, ""))
    fallback = StreamingLLM(0.01, 0.001, replies={"hi": "At your service."})
    agent, _, error = turn(*acts, options={**options, "fallback": fallback})
    assert error is None and agent.turns[0].log.all("llm", "fallback")
    assert agent.turns[0].heard == "At your service."


def test_no_other_model_takes_over_in_the_middle_of_a_sentence():
    acts, options, _ = FAILURES["stalled"]
    _, _, error = turn(*acts, options={**options, "fallback": StreamingLLM(0.01)})
    assert error.stage == "llm"


# --- The key ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", FAILURES)
def test_the_key_is_in_no_error_no_log_and_no_trace(case, caplog):
    caplog.set_level(logging.DEBUG)
    acts, options, _ = FAILURES[case]
    agent, _, error = turn(*acts, options={**options, "retries": 1})
    written = [turn.log.to_json() for turn in agent.turns]
    written += [
        chrome_trace(agent.turns),
        "".join(traceback.format_exception(error)),
        repr(agent.turns),
        caplog.text,
    ]
    with_locals = traceback.TracebackException.from_exception(error, capture_locals=True)  # as notebooks may
    written.append("".join(with_locals.format()))
    assert all(KEY not in text for text in written)
    while error is not None:  # nor in what an error hangs on to
        assert KEY not in f"{error!r} {vars(error)}"
        error = error.__cause__ or error.__context__


def test_the_key_and_a_password_in_the_url_are_in_no_repr():
    llm = OpenAIChat("m", base_url="https://me:secret@example.org/v1?token=secret", api_key=KEY)
    assert repr(llm) == "OpenAIChat('m', base_url='https://example.org/v1')"
    agent = StreamingVoiceAgent(llm=llm)
    assert KEY not in f"{llm} {agent.answering.thinking!r}"


# --- What it needs ---------------------------------------------------------------------------------


def test_without_the_client_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtra, match="needs the package openai"):
        OpenAIChat("m", api_key=KEY)
