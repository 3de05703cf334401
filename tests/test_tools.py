"""Tools in a turn: who waits for them, what is said meanwhile, and what that is worth."""

import asyncio
from itertools import pairwise
from math import isnan

import pytest

from tests.components import Calls, Filler, ReadsAhead, Voice
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.critical_path import critical_path
from voice_agent_lab.measure.events import CATALOGUE
from voice_agent_lab.measure.turn import turns_table
from voice_agent_lab.stages.endpointing import SilenceTimeout
from voice_agent_lab.stages.llm import StreamingLLM, ToolCallingLLM
from voice_agent_lab.stages.tools import Tool, Tools, simulated_tool
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.streams import StageError
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.answering import OVERLAPS
from voice_agent_lab.turns.interruption import Interruption
from voice_agent_lab.turns.script import Say
from voice_agent_lab.turns.states import AgentState

QUESTION = "How is the weather?"
LONG = "One moment, please, I am going to look that up for you."


def agent_with(*, takes=0.8, filler="", filler_after=0.0, preface="", tools=None, **options):
    llm = ToolCallingLLM({"weather": "look_up"}, replies={"weather": "It is {result}."}, preface=preface)
    tools = tools or Tools([simulated_tool("look_up", takes, "sunny")], filler, filler_after)
    return StreamingVoiceAgent(llm=llm, tools=tools, **options)


def turn(**options):
    agent = agent_with(**options)
    simulate(agent.process_turn(QUESTION))
    return agent.turns[0]


def parts(of):
    return {part.name: (part.owner, part.seconds) for part in of}


# --- Where the time goes ---------------------------------------------------------------------------


def test_the_tool_owns_its_time_and_the_model_that_of_deciding_and_of_answering():
    found = parts(turn().parts)
    assert found["tool call"] == ("service", 0.3)
    assert found["tool"] == ("tool", 0.8)
    assert found["first token"] == ("service", 0.3)


def test_without_a_filler_the_answer_is_the_first_sound():
    metrics = turn().metrics
    assert metrics.time_to_answer == metrics.voice_to_voice == 2.54
    assert "to the answer" not in turn().table()


def test_a_filler_shortens_the_silence_and_not_the_wait_for_the_answer():
    metrics = turn(filler="One moment.").metrics
    assert (metrics.voice_to_voice, metrics.time_to_answer) == (1.4, 2.54)


def test_a_long_filler_makes_the_answer_wait_for_its_end():
    late = turn(filler=LONG)
    owner, seconds = parts(late.parts_to_answer)["filler"]
    assert owner == "setting" and seconds > 1
    assert late.metrics.time_to_answer > 2.54
    last = late.log.all("playback", "chunk")
    ends = last[0].time + sum(e.detail["seconds"] for e in last[: len(LONG)])
    assert late.metrics.answer_started <= ends


def test_a_filler_that_waits_a_while_is_not_said_when_the_tool_is_quick():
    assert turn(filler="One moment.", filler_after=0.5, takes=0.4).reply == "It is sunny."
    slow = turn(filler="One moment.", filler_after=0.5, takes=0.6)
    assert slow.reply == "One moment. It is sunny."
    assert parts(slow.parts)["filler delay"] == ("setting", 0.5)


def test_what_the_model_says_before_a_call_is_no_answer_either():
    found = turn(preface="Let me see.")
    assert found.heard == "Let me see. It is sunny."
    assert found.metrics.voice_to_voice < found.metrics.time_to_answer
    assert "tool" not in parts(found.parts) and parts(found.parts_to_answer)["tool"] == ("tool", 0.8)


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("filler", ["", "One moment.", LONG])
@pytest.mark.parametrize("preface", ["", "Let me see."])
@pytest.mark.parametrize("unit", ["word", "clause", "sentence"])
@pytest.mark.parametrize("voice", [StreamingTTS, Voice, ReadsAhead, Filler])
def test_the_parts_sum_to_both_waits(overlap, filler, preface, unit, voice):
    found = turn(overlap=overlap, filler=filler, preface=preface, aggregation=unit, tts=voice())
    for sequence, wait in (
        (found.parts, found.metrics.voice_to_voice),
        (found.parts_to_answer, found.metrics.time_to_answer),
    ):
        assert sum(part.seconds for part in sequence) == pytest.approx(wait, abs=1e-9)
        assert all(b.start == a.end for a, b in pairwise(sequence))
    assert found.metrics.time_to_answer >= found.metrics.voice_to_voice


def test_the_page_of_a_turn_has_both_waits_side_by_side():
    table = turn(filler="One moment.").table()
    assert list(table.columns) == ["owner", "seconds", "to the answer"]
    assert table.loc["tool"].tolist() == ["tool", "", "0.800 s"]
    assert table.loc["voice-to-voice", "seconds"] == "1.400 s"
    assert table.loc["time to answer", "to the answer"] == "2.540 s"
    assert "time to answer" in str(turn(filler="One moment.").metrics)


def test_a_voices_own_sound_before_any_text_is_no_answer():
    agent = StreamingVoiceAgent(tts=Filler())
    metrics = simulate(agent.process_turn("What time is it?"))
    assert metrics.time_to_answer > metrics.voice_to_voice


def test_each_time_the_model_is_asked_counts_as_a_first_token():
    assert turn().latencies["llm_first_token"] == [0.3, 0.3]
    assert turn(preface="Well.").latencies["llm_token_generation"] == [0.02, 0.02]


def test_the_critical_path_goes_through_the_tool():
    steps = [(s.name, round(s.end - s.start, 9)) for s in critical_path(turn())]
    assert steps[3:6] == [("tool call", 0.3), ("tool", 0.8), ("first token", 0.3)]


def test_the_critical_path_is_contiguous_with_a_filler_too():
    for filler in ("One moment.", LONG):
        path = critical_path(turn(filler=filler))
        assert all(b.start == pytest.approx(a.end) for a, b in pairwise(path))


def test_two_rounds_of_tools_make_two_parts_of_a_name_and_one_column():
    tools = Tools([simulated_tool("a", 0.2)])
    agent = StreamingVoiceAgent(llm=Calls(["Yes."], 0.1, rounds=2), tools=tools)
    simulate(agent.process_turn("Hi."))
    (one,) = agent.turns
    assert [p.seconds for p in one.parts if p.name == "tool"] == [0.2, 0.2]
    assert turns_table([one])["tool"].tolist() == [0.4]


def test_tools_that_are_called_at_once_work_at_once():
    tools = Tools([simulated_tool("a", 0.2), simulated_tool("b", 0.5)])
    agent = StreamingVoiceAgent(llm=Calls(["Yes."], 0.1, at_once=2), tools=tools)
    simulate(agent.process_turn("Hi."))
    assert parts(agent.turns[0].parts)["tool"] == ("tool", 0.5)


def test_a_model_that_calls_for_ever_must_answer_at_last():
    agent = StreamingVoiceAgent(
        llm=Calls(["Yes."], 0.1, rounds=99), tools=Tools([simulated_tool("a", 0.1)], max_rounds=2)
    )
    simulate(agent.process_turn("Hi."))
    assert len(agent.turns[0].log.all("tool", "called")) == 2 and agent.turns[0].heard == "Yes."


def test_every_event_of_such_turns_is_in_the_catalogue_with_its_details():
    kinds = {(kind.stage, kind.name): set(kind.details) for kind in CATALOGUE}
    for overlap in OVERLAPS:
        for event in turn(overlap=overlap, filler="One moment.", preface="Well.").log:
            assert set(event.detail) <= kinds[event.stage, event.name]


# --- Bets and interruptions ------------------------------------------------------------------------


def test_an_eager_answer_calls_no_tool_before_its_bet_is_won():
    found = turn(overlap="eager", filler="One moment.")
    (kept,), (called,) = found.log.all("llm", "kept"), found.log.all("tool", "called")
    assert kept.time <= called.time
    assert found.log.first("llm", "call") < kept.time
    assert "tool call" not in parts(found.parts)  # it was decided before the user had to wait


def test_a_bet_that_is_lost_calls_no_tool():
    worked = []
    tools = Tools([Tool("look_up", lambda: worked.append(1) or "sunny")])
    agent = agent_with(overlap="eager", tools=tools, endpointing=SilenceTimeout(1.2))
    simulate(agent.converse([Say('How is the weather <break time="0.9s"/> in Bern?')]))
    (only,) = agent.turns
    withdrawn = only.log.all("llm", "withdrawn")[0]
    assert only.log.first("llm", "call") < withdrawn.time < only.log.first("tool", "called")
    assert len(worked) == 1


def test_a_tool_that_works_when_the_user_interrupts_is_cancelled():
    ended = []

    async def look_up():
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(asyncio.get_running_loop().time())

    agent = agent_with(
        tools=Tools([look_up], filler="One moment."), interruption=Interruption(min_speech=0.2)
    )
    simulate(agent.converse([Say(QUESTION), Say("Stop it.", after=0.8, during="speaking")]))
    (stopped,) = ended
    assert stopped < 6  # and not after 30 s
    assert agent.history[1] == ("assistant", "One moment.")


# --- What goes wrong -------------------------------------------------------------------------------


def test_a_tool_that_raises_is_named_in_the_log_and_the_turn_goes_on():
    def look_up():
        raise OSError("no station")

    found = turn(tools=Tools([look_up]))
    (failed,) = found.log.all("tool", "failed")
    assert failed.detail == {"error": "OSError: no station"}
    assert found.heard == "It is The tool look_up failed: OSError: no station."
    assert parts(found.parts_to_answer)["first token"] == ("service", 0.3)


class Breaks(StreamingLLM):
    """Fails in the middle of its reply."""

    async def generate_response(self, prompt):
        await asyncio.sleep(0.1)
        yield "It is "
        raise ConnectionError("gone")


class Fails(StreamingLLM):
    """Fails at once."""

    async def generate_response(self, prompt):
        await asyncio.sleep(0.4)
        raise ConnectionError("gone")
        yield ""


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize(("llm", "heard"), [(Fails(), "I am sorry."), (Breaks(), "It is I am sorry.")])
def test_an_apology_is_said_where_the_model_failed_and_the_agent_listens_again(overlap, llm, heard):
    agent = StreamingVoiceAgent(llm=llm, apology="I am sorry.", overlap=overlap)
    simulate(agent.process_turn("Hi."))
    assert agent.turns[0].heard == heard and agent.state is AgentState.LISTENING
    assert agent.turns[0].log.all("llm", "failed")


def test_an_apology_is_no_answer_and_the_wait_for_it_is_the_failures():
    agent = StreamingVoiceAgent(llm=Fails(), apology="I am sorry.")
    metrics = simulate(agent.process_turn("Hi."))
    assert isnan(metrics.time_to_answer) and not isnan(metrics.voice_to_voice)
    assert parts(agent.turns[0].parts)["failure"] == ("service", 0.4)
    assert agent.turns[0].table().loc["time to answer", "to the answer"] == "not measured"


def test_without_an_apology_a_failure_is_raised():
    with pytest.raises(StageError, match="'llm' failed: ConnectionError: gone"):
        simulate(StreamingVoiceAgent(llm=Fails()).process_turn("Hi."))


# --- Arguments -------------------------------------------------------------------------------------


def test_tools_need_a_model_that_can_call():
    with pytest.raises(TypeError, match="has no respond"):
        StreamingVoiceAgent(tools=Tools([simulated_tool("a")]))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Tools([3]), "a tool is 3; it must be a function"),
        (lambda: Tools([simulated_tool("a"), simulated_tool("a")]), "give each a name of its own"),
        (lambda: Tools(max_rounds=0), "max_rounds is 0"),
        (lambda: Tools(filler_after=-1.0), "filler_after is -1.0"),
        (lambda: Tool.of(lambda at: None), None),
        (lambda: simulated_tool("a", -1.0), "takes"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_in_one_sentence(make, sentence):
    if sentence is None:
        assert make().parameters["properties"] == {"at": {"type": "string"}}
        return
    with pytest.raises((TypeError, ValueError), match=sentence):
        make()


def test_an_annotation_that_json_lacks_is_refused():
    def look_up(at: complex):
        return at

    with pytest.raises(TypeError, match="parameter 'at' of the tool look_up is annotated"):
        Tool.of(look_up)
