"""Random scenarios: agents of any make, users who speak at any time, and every way to stop; and what must hold.

Run many of them, and see the seed of each that breaks a rule::

    python -m tests.random_scenarios --number 20000

One of them again, alone::

    python -m tests.random_scenarios --first 1234 --number 1
"""

import argparse
import asyncio
import json
import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import isnan
from random import Random

from tqdm import tqdm

from tests.components import (
    ERRORS,
    METHODS,
    Alarm,
    Call,
    Calls,
    Filler,
    Mute,
    ReadsAhead,
    ReadsAll,
    SlowTimeout,
    Tokens,
    Trouble,
    Troubled,
    Voice,
)
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.measure.words import word_ends, words
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.endpointing import LearnedDetector, SilenceTimeout, TranscriptArrival
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.playback import Playback
from voice_agent_lab.stages.tools import Tool, Tools, simulated_tool
from voice_agent_lab.stages.vad import EnergyVAD
from voice_agent_lab.streams import StageError
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.interruption import Interruption
from voice_agent_lab.turns.script import Say
from voice_agent_lab.turns.speculation import Eager
from voice_agent_lab.turns.states import AgentState

REPLIES = (
    "Yes. It is sunny, and warm.",
    "No.",
    "Antidisestablishmentarianism is long to say.",
    "今天很好，去散步。",
    "はい、晴れです。",
    "วันนี้อากาศดี",
    "आज मौसम अच्छा है। हाँ।",
    "It is 2:30 PM, Dr. Smith. (Yes.) Good.",
    "  Well …  then — go!  ",
    "",
)
LINES = ("Hi.", "Stop it.", "mm", "Go on, tell me.", "请停下来", 'Oh <break time="0.4s"/> no.', "रुको अब")
WAITS = (0.0, 0.0, 0.01, 0.05, 0.1, 0.3, 1.0, 3.0)


async def up_to_a_space(tokens):
    """Aggregate up to the last space of each token."""
    text = ""
    async for token in tokens:
        text += token
        cut = text.rfind(" ") + 1
        if text[:cut].strip():
            yield text[:cut]
            text = text[cut:]
    if text:
        yield text


@dataclass
class Scenario:
    """One agent, one user, and what goes wrong; made of a source of randomness, and alike for the same."""

    settings: dict[str, object]
    lines: list[dict[str, object]]  # none for a single turn
    trouble: tuple | None
    cancelled: tuple[float, int] | None  # when, and how many steps of the loop later again; 0 for never
    apart: bool  # whether the next turn has a simulation of its own
    talks: bool  # whether the next turn is one of a conversation

    @classmethod
    def of(cls, rng: Random) -> "Scenario":
        """Draw a scenario."""
        reply = rng.choice(REPLIES)
        settings = {
            "frame": rng.choice((100, 100, 50, 150)),
            "delivery": rng.choice((0.0, 0.0, 0.05, 0.5)),
            "vad": rng.choice((0.0, 0.0, 0.02, 0.25)),
            "ear": rng.choice((0.0, 0.0, 0.1, 0.4)),
            "asr": (rng.choice((0.0, 0.01, 0.1, 0.2)), rng.choice(WAITS), rng.choice((0.0, 1.0))),
            "endpointing": rng.choice(("timeout", "timeout", "slow", "detector", "alarmed", "transcript")),
            "silence": rng.choice((0.1, 0.3, 0.5)),
            "tokens": _cut(reply, rng),
            "llm": (rng.choice(WAITS), rng.choice((0.0, 0.02, 0.3)), rng.choice((0.0, 0.0, 0.0, 0.2, 2.0))),
            "voice": rng.choice(("piece", "piece", "gathers", "all", "ahead", "filler", "mute", "silent")),
            "tts": (rng.choice(WAITS[:-1]), rng.choice((0.0, 0.02, 0.15)), rng.choice((0.05, 0.1, 0.3))),
            "silences": tuple(rng.choice((0.0, 0.0, 0.06, 0.16, 0.5)) for _ in range(3)),
            "overlap": rng.choice(("sequential", "chained", "concurrent", "concurrent", "eager", "eager")),
            "aggregation": rng.choice(("sentence", "clause", "word", 5, 20, "own")),
            "eager": (rng.choice((0.0, 0.1, 0.2)), rng.choice((True, False))),
            "interruption": (rng.choice((0.1, 0.3, 0.5)), rng.choice((0, 0, 1, 2)), rng.choice((0.3, 1.0))),
            "max_listening": rng.choice((3.0, 8.0, 60.0)),
        }
        lines = []
        if rng.random() < 0.6:
            lines = [{"text": rng.choice(LINES), "after": rng.choice((0.0, 0.2, 0.5))}]
            for _ in range(rng.randint(0, 2)):
                during = rng.choice(("speaking", "speaking", "thinking", "listening", "processing_speech"))
                after = round(rng.choice((0.0, 0.1, 0.3, 0.7, rng.uniform(0, 2))), 3)
                lines.append({"text": rng.choice(LINES), "after": after, "during": during})
        trouble = cancelled = None
        if rng.random() < 0.45:
            after = rng.choice((0, 0, 1, 2, 3, rng.randint(0, 40)))
            trouble = (rng.choice(list(METHODS)), after, rng.choice(list(ERRORS)), rng.random() < 0.15)
            if trouble[0] == "microphone" and rng.random() < 0.3:
                trouble = ("microphone", rng.randint(0, 80), "end", False)
        if rng.random() < 0.35:
            at = rng.uniform(0.001, rng.choice((2, 8)))
            at = round(at, 3) if rng.random() < 0.5 else max(1, round(at / 0.05)) * 0.05  # when much happens
            cancelled = (at, rng.choice((0, 1, 1, 2, 3, 5)))
        apart, talks = rng.random() < 0.5, rng.random() < 0.4
        settings["tools"] = None
        if rng.random() < 0.4:
            settings["tools"] = {
                "rounds": rng.choice((1, 1, 2, 9)),
                "at_once": rng.choice((1, 1, 2, 3)),
                "preface": rng.choice(((), (), ("Well", ", let me see."), ("One. ", "Two. ", "Three. "))),
                "takes": (rng.choice(WAITS), rng.choice((0.2, "fails"))),
                "filler": (rng.choice(("", "", "One moment.", "Hm ")), rng.choice((0.0, 0.0, 0.2))),
            }
        settings["apology"] = rng.choice(("", "", "I am sorry."))
        return cls(settings, lines, trouble, cancelled, apart, talks)

    def options(self) -> dict[str, object]:
        """Make the components, new ones each time."""
        s = self.settings
        processing, finalization, revised = s["asr"]
        detection = 1.0 if s["endpointing"] == "alarmed" else 0.0
        timeout = SilenceTimeout(s["silence"])
        return {
            "audio": AudioInputStream(16000, s["frame"], s["delivery"]),
            "vad": _SlowVAD(s["vad"]),
            "endpointing": {
                "timeout": timeout,
                "slow": SlowTimeout(s["silence"], 0.03),
                "transcript": TranscriptArrival(timeout, 0.4),
            }.get(
                s["endpointing"],
                LearnedDetector(1.0, s["silence"] / 2, s["silence"], false_alarm_rate=detection),
            ),
            "asr": StreamingASR(processing, finalization, revision_rate=revised),
            "llm": self._llm(),
            "tools": self._tools(),
            "apology": s["apology"],
            "tts": self._voice(),
            "playback": Playback(s["ear"]),
            "overlap": s["overlap"],
            "aggregation": up_to_a_space if s["aggregation"] == "own" else s["aggregation"],
            "eager": Eager(silence=s["eager"][0], speak=s["eager"][1]) if s["overlap"] == "eager" else None,
            "interruption": Interruption(*s["interruption"]),
            "max_listening": s["max_listening"],
        }

    def _llm(self) -> Tokens:
        first, wait, closing = self.settings["llm"]
        given = (self.settings["tokens"], wait, first, closing)
        tools = self.settings["tools"]
        if not tools:
            return Tokens(*given)
        return Calls(*given, **{key: tools[key] for key in ("rounds", "at_once", "preface")})

    def _tools(self) -> Tools:
        if not self.settings["tools"]:
            return Tools()
        first, second = self.settings["tools"]["takes"]

        async def fails() -> None:
            await asyncio.sleep(0.1)
            raise KeyError("no such city")

        other = Tool("second", fails) if second == "fails" else simulated_tool("second", second)
        return Tools([simulated_tool("first", first), other], *self.settings["tools"]["filler"])

    def _voice(self) -> Voice:
        s = self.settings
        if s["voice"] in ("mute", "silent"):
            return Mute(0.3 if s["voice"] == "silent" else 0.0)
        kind = {"all": ReadsAll, "ahead": ReadsAhead, "filler": Filler}.get(s["voice"], Voice)
        leading, inside, trailing = s["silences"]
        gathers = 2 if s["voice"] == "gathers" else 1
        return kind(*s["tts"], leading=leading, inside=inside, trailing=trailing, gathers=gathers)


def _cut(reply: str, rng: Random) -> list[str]:
    """Cut a reply into tokens: words, or parts of words as models write them."""
    if rng.random() < 0.5:
        return [word + " " for word in reply.split(" ")]
    tokens, begin = [], 0
    while begin < len(reply):
        end = begin + rng.randint(1, 9)
        tokens.append(reply[begin:end])
        begin = end
    return tokens


class _SlowVAD(EnergyVAD):
    """A detector that takes a while for each fifth frame."""

    def __init__(self, took: float) -> None:
        super().__init__()
        self.took, self.frames = took, 0

    async def hears_speech(self, frame):
        self.frames += 1
        if self.took and self.frames % 5 == 0:
            await asyncio.sleep(self.took)
        return await super().hears_speech(frame)

    def reset(self) -> None:
        self.frames = 0


@dataclass
class Outcome:
    """How a scenario went."""

    error: BaseException | None = None
    cancelled: bool = False
    tasks: list[str] = field(default_factory=list)
    generators: list[str] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)


class _Generators:
    """Knows every async generator that was begun in the running loop, and which are open."""

    def __init__(self) -> None:
        self._begun: list[weakref.ref] = []
        before = sys.get_asyncgen_hooks()

        def begun(generator) -> None:
            self._begun.append(weakref.ref(generator))
            before.firstiter(generator)

        sys.set_asyncgen_hooks(firstiter=begun)

    def open(self) -> list[str]:
        alive = (reference() for reference in self._begun)
        return [g.__qualname__ for g in alive if g is not None and g.ag_frame is not None]


async def _live(agent: StreamingVoiceAgent, scenario: Scenario) -> Outcome:
    """Run a scenario; return what came of it and what is left."""
    outcome, generators, before = Outcome(), _Generators(), asyncio.all_tasks()
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: outcome.reported.append(f"{context['message']}: {context.get('exception')!r}")
    )
    lines = [Say(**line) for line in scenario.lines]
    task = asyncio.create_task(agent.converse(lines) if lines else agent.process_turn(LINES[0]))
    if scenario.cancelled:
        at, steps = scenario.cancelled
        await asyncio.wait([task], timeout=at)
        outcome.cancelled = task.cancel()
        for _ in range(steps):
            await asyncio.sleep(0)
        if steps:
            task.cancel()
    await asyncio.wait([task])
    outcome.tasks = sorted(left.get_name() for left in asyncio.all_tasks() - before)
    outcome.generators = generators.open()
    if task.cancelled():
        outcome.error = asyncio.CancelledError()
    else:
        outcome.error = task.exception()
    return outcome


async def _next(agent: StreamingVoiceAgent, talks: bool) -> str:
    """Take a turn; return its events, all but its place on the agent's axis."""
    if talks:
        await agent.converse([Say("Hi.", after=0.3)])
    else:
        await agent.process_turn("Hi.")
    return agent.turns[-1].log.to_json().split("\n", 1)[1]


def violations(scenario: Scenario) -> list[str]:
    """Run a scenario, twice; return every rule that it breaks."""
    found, logs, following = _once(scenario)
    fresh = _simulated(_next(StreamingVoiceAgent(**scenario.options()), scenario.talks), found)
    if following != fresh:
        found.append(f"the next turn is not as a fresh agent's: {_difference(following, fresh)}")
    if logs != _once(scenario, judge=False)[1]:
        found.append("the same scenario had another log")
    return found


def _once(scenario: Scenario, judge: bool = True) -> tuple[list[str], list[str], str | None]:
    """Run a scenario and a turn after it; return the rules that it breaks, its logs, and the next turn's."""
    options = scenario.options()
    trouble = Trouble(*scenario.trouble) if scenario.trouble else None
    if trouble:
        trouble.befalls(options)
    agent = StreamingVoiceAgent(**options)
    found: list[str] = []

    async def all_of_it() -> str | None:
        outcome = await _live(agent, scenario)
        if judge:
            found.extend(_broken(agent, outcome, trouble, options))
        if trouble:
            trouble.armed = False
        return None if scenario.apart else await _next(agent, scenario.talks)

    following = _simulated(all_of_it(), found)
    if scenario.apart:
        following = _simulated(_next(agent, scenario.talks), found)
    return found, [turn.log.to_json() for turn in agent.turns], following


def _simulated(coroutine, found: list[str]):
    try:
        return simulate(coroutine, max_virtual_time=600)
    except Exception as error:
        found.append(f"{type(error).__name__}: {error}")
        return None


def _difference(one: str | None, other: str | None) -> str:
    pairs = zip((one or "").split("\n"), (other or "").split("\n"), strict=False)
    return next((f"{a} / {b}" for a, b in pairs if a != b), "one is longer")[:300]


def _broken(agent, outcome: Outcome, trouble: Trouble | None, options: dict) -> Iterator[str]:
    """Yield each rule that a scenario broke."""
    if agent.state is not AgentState.LISTENING:
        yield f"the agent is {agent.state.value}"
    for what, left in (("tasks", outcome.tasks), ("generators", outcome.generators)):
        if left:
            yield f"{what} are left: {left}"
    if outcome.reported:
        yield f"asyncio reported {outcome.reported}"
    yield from _wrong_end(outcome, trouble)
    policy = options["endpointing"]
    if isinstance(policy, Troubled):
        policy = policy.policy
    if isinstance(policy, SlowTimeout):
        begun = policy.begun
        if not begun <= len(agent.turns) <= begun + 1:
            yield f"{begun} turns were begun and {len(agent.turns)} are kept"
    said = []
    for turn in agent.turns:
        if turn.transcript:
            said.append(("user", turn.transcript))
        if turn.heard:
            said.append(("assistant", turn.heard))
        for rule in _wrong_in(turn, options["tts"]):
            yield f"turn at {turn.log.origin}: {rule}"
    if agent.history != said:
        yield "the history is not what was heard"
    yield from _wrong_recording(agent)


def _wrong_recording(agent: StreamingVoiceAgent) -> Iterator[str]:
    """Yield what is wrong with the recording: it has each frame once, and of the answers what was played."""
    frames = [at for speaker, at, _, _ in agent.recording.sounds if speaker == "user"]
    seconds = agent.audio.chunk_size / agent.audio.sample_rate
    if any(abs(later - sooner - seconds) > 1e-6 for sooner, later in pairwise(frames)):
        yield f"the user's frames began at {frames}"
    sounded = sum(len(samples) / rate for who, _, samples, rate in agent.recording.sounds if who == "agent")
    if abs(sounded - sum(map(_played, agent.turns))) > 1e-3:
        yield f"{sounded} s of the agent are recorded"


def _played(turn: Turn) -> float:
    """Return how much sound was played in a turn, in seconds."""
    played = sum(event.detail["seconds"] for event in turn.log.all("playback", "chunk"))
    cut = (event for name in ("paused", "stopped") for event in turn.log.all("playback", name))
    return played - sum(event.detail["unheard"] for event in cut)


def _wrong_end(outcome: Outcome, trouble: Trouble | None) -> Iterator[str]:
    """Yield what is wrong with how a scenario ended: only what was caused may come out, and by its name."""
    error = outcome.error
    if error is None:
        return
    fired = trouble is not None and trouble.fired
    if isinstance(error, StageError):
        if not fired or error.stage != trouble.stage:
            yield f"{error!r} is not what failed"
    elif isinstance(error, Alarm):
        notes = getattr(error, "__notes__", [])
        if not any(repr(trouble.stage) in note for note in notes):
            yield f"the stage of {error!r} is not named: {notes}"
    elif isinstance(error, asyncio.CancelledError):
        if not outcome.cancelled:
            yield "nobody had cancelled it"
    elif not (isinstance(error, TimeoutError) and "has only listened" in str(error)):
        yield f"it ended with {error!r}"


ORDER = (
    ("asr_started", "asr_partial", "asr_complete"),
    ("audio_chunk_received", "end_of_turn", "asr_complete"),
    ("speech_ended", "asr_complete"),  # of a user who was cut off, after the end of the turn
    ("llm_started", "llm_first_token", "llm_complete"),
    ("llm_first_token", "tts_started", "tts_complete"),
    ("tts_first_chunk", "playback_started", "playback_ended"),
    ("tts_first_chunk", "tts_complete"),
    ("asr_complete", "playback_started"),
)
"""Stamps that follow one another."""


def _wrong_in(turn: Turn, voice: Voice) -> Iterator[str]:
    """Yield the rules that a turn breaks."""
    metrics = turn.metrics
    asides = turn.counted.all("agent", "aside")  # which the voice is given before the first token
    for names in ORDER if not asides else [names for names in ORDER if names[0] != "llm_first_token"]:
        times = [getattr(metrics, name) for name in names]
        measured = [time for time in times if not isnan(time)]
        if measured != sorted(measured) or any(time < 0 for time in measured):
            yield f"stamps {dict(zip(names, times, strict=True))}"
    for event in turn.log:
        lengths = [
            event.detail.get(name, 0.0) for name in ("took", "seconds", "waited", "vad_took", "unheard")
        ]
        if event.time < 0 or any(length < 0 for length in lengths):
            yield f"negative {event}"
    try:
        _ = metrics.get_total_latency(), metrics.get_time_to_first_audio(), turn.latencies, turn.spans
        _ = turn.barge_in_to_silence, turn.underruns, turn.wasted_tokens
        json.loads(turn.log.to_json(), parse_constant=lambda name: 1 / 0)
    except Exception as error:
        yield f"reading it: {error!r}"
    yield from _wrong_parts(turn)
    yield from _wrongly_heard(turn, voice)


def _wrong_parts(turn: Turn) -> Iterator[str]:
    metrics = turn.metrics
    yield from _wrong_sum(turn, turn.parts, metrics.voice_to_voice, metrics.playback_started)
    yield from _wrong_sum(turn, turn.parts_to_answer, metrics.time_to_answer, metrics.answer_started)
    if metrics.time_to_answer < metrics.voice_to_voice:
        yield "the answer came before the first sound"
    called, done = (
        sum(e.stage == "tool" and (e.name == "called") is began for e in turn.log) for began in (True, False)
    )
    if done > called:
        yield f"{called} tools were called and {done} are done"


def _wrong_sum(turn: Turn, parts: tuple, wait: float, end: float) -> Iterator[str]:
    if isnan(wait):
        if parts:
            yield "parts of a wait that was not measured"
        return
    if abs(sum(part.seconds for part in parts) - wait) > 1e-9:
        yield f"parts {parts} do not sum to {wait}"
    edges = [turn.metrics.speech_ended, *(t for p in parts for t in (p.start, p.end))]
    edges.append(end)
    if edges[::2] != edges[1::2]:
        yield f"gaps between parts {parts}"


def _wrongly_heard(turn: Turn, voice: Voice) -> Iterator[str]:
    """Yield what is wrong with what was heard, by what the voice says that it spoke when."""
    heard, reply = words(turn.heard), words(turn.reply)
    if heard != reply[: len(heard)] or not turn.reply.startswith(turn.heard):
        yield f"{turn.heard!r} is not how {turn.reply!r} begins"
        return
    played = _played(turn)
    taken = [(turn.log.origin + e.time, e.detail["text"]) for e in turn.counted.all("tts", "piece")]
    calls = [call for call in voice.calls if call.taken and taken and _same(call, taken)]
    least, most = _words_in(calls[-1], played) if calls else (0, 0)
    loose = isinstance(voice, ReadsAhead)  # it does not say which sound is of which text
    if not least - loose <= len(heard) <= most + loose:
        yield f"{turn.heard!r} was heard in {played:.3f} s of {turn.reply!r}: {least} to {most} words sounded"


def _same(call: Call, taken: list[tuple[float, str]]) -> bool:
    return abs(call.taken[0][0] - taken[0][0]) < 1e-6 and [t for _, t in call.taken] == [t for _, t in taken]


def _words_in(call: Call, played: float) -> tuple[int, int]:
    """Return the least and the greatest number of words that sounded, to what windows of 10 ms can tell."""
    stretches = [stretch for spoken in call.spoken for stretch in spoken.stretches]
    audible = sum(max(0.0, min(end, played) - start) for start, end in stretches)
    ends, before = [], 0.0
    for spoken in call.spoken:
        seconds = sum(end - start for start, end in spoken.stretches)
        ends += [before + seconds * end / len(spoken.text) for end in word_ends(spoken.text)]
        before += seconds
    return sum(end <= audible - 0.025 for end in ends), sum(end <= audible + 0.025 for end in ends)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--number", type=int, default=20_000, help="how many scenarios")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first")
    arguments = parser.parse_args()
    bad = 0
    for seed in tqdm(range(arguments.first, arguments.first + arguments.number), mininterval=10):
        scenario = Scenario.of(Random(seed))
        found = violations(scenario)
        bad += bool(found)
        for rule in found:
            tqdm.write(f"seed {seed}: {rule}")
    print(f"{arguments.number} scenarios, {bad} of them with a violation")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
