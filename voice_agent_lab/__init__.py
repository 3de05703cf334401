"""Take a voice agent apart, millisecond by millisecond.

A turn in virtual time, which takes milliseconds and gives the same numbers every time::

    from voice_agent_lab import StreamingVoiceAgent, simulate

    agent = StreamingVoiceAgent()
    metrics = simulate(agent.process_turn("Hello, how are you today?"))
    print(metrics)          # every stamp of the turn
    print(agent.turns[0])   # the wait, in parts that sum to it

The same turn in real time is ``asyncio.run(agent.process_turn(...))``.

The clock
    simulate : run asyncio code in virtual time
The turn
    StreamingVoiceAgent : the agent; its ``process_turn`` is one turn
    AgentState : what the agent is doing
    StageError : names the stage that failed
Its parts, in the order of the pipeline
    AudioInputStream : the microphone
    EnergyVAD : hears whether a frame is speech
    SilenceTimeout : decides when the user has finished
    LearnedDetector : decides sooner, and is sometimes wrong
    StreamingASR : recognition
    StreamingLLM : the language model
    StreamingTTS : the voice
    Playback : the loudspeaker
A conversation; ``agent.converse`` takes a script
    Say : what the user says, and when
    Interruption : what counts as one
    Eager : when to answer before being sure
    preset : an agent with named, sourced settings
How long each part takes
    StageLatencies : of the simulated parts
    Fixed : always the same
    Measured : as measured once
    LogNormal : spread as real services are
    WithStalls : with a rare, long stall
What happened
    LatencyMetrics : the stamps of a turn
    LatencyBudgets : the promises, and the verdicts on them
    Turn : a turn, read off its event log
    EventLog : what happened, when, in which stage
    turns_table : many turns as a table
    read_turns : turns from your own traces, whichever tool wrote them
    Recording : the conversation as stereo sound
    Sound : a sound to listen to in a notebook

Many turns, and what they say
    monte_carlo : a million turns at once, on arrays
    sample : many turns of any agent, event by event
    fit : distributions of turns that were measured
    compare : is the change an improvement?
    what_if : which stage buys most

Further rooms, imported by name: ``tiny`` (the whole agent on one page), ``as_published`` (the article's
pipeline with its faults), ``presets``, ``clock``, ``measure``, ``stages``, ``turns``, ``models``,
``published``, ``studies``, ``engines`` (real speech recognition, synthesis and voice activity), ``traces``,
``gate``, ``plots``, ``lessons``, ``streams``, ``checks``.
"""

from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.latency import LatencyBudgets, LatencyMetrics
from voice_agent_lab.measure.log import EventLog
from voice_agent_lab.measure.recording import Recording, Sound
from voice_agent_lab.measure.turn import Turn, turns_table
from voice_agent_lab.models.calibration import fit
from voice_agent_lab.models.monte_carlo import monte_carlo
from voice_agent_lab.presets import preset
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.distributions import Fixed, LogNormal, Measured, StageLatencies, WithStalls
from voice_agent_lab.stages.endpointing import LearnedDetector, SilenceTimeout
from voice_agent_lab.stages.llm import StreamingLLM
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.playback import Playback
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.stages.vad import EnergyVAD
from voice_agent_lab.streams import StageError
from voice_agent_lab.studies.comparison import compare
from voice_agent_lab.studies.improvement import what_if
from voice_agent_lab.studies.sampling import sample
from voice_agent_lab.traces.reading import read_turns
from voice_agent_lab.turns.agent import StreamingVoiceAgent
from voice_agent_lab.turns.interruption import Interruption
from voice_agent_lab.turns.script import Say
from voice_agent_lab.turns.speculation import Eager
from voice_agent_lab.turns.states import AgentState

__version__ = "0.2.0"

__all__ = [
    "AgentState",
    "AudioInputStream",
    "Eager",
    "EnergyVAD",
    "EventLog",
    "Fixed",
    "Interruption",
    "LatencyBudgets",
    "LatencyMetrics",
    "LearnedDetector",
    "LogNormal",
    "Measured",
    "Playback",
    "Recording",
    "Say",
    "SilenceTimeout",
    "Sound",
    "StageError",
    "StageLatencies",
    "StreamingASR",
    "StreamingLLM",
    "StreamingTTS",
    "StreamingVoiceAgent",
    "Turn",
    "WithStalls",
    "compare",
    "fit",
    "monte_carlo",
    "preset",
    "read_turns",
    "sample",
    "simulate",
    "turns_table",
    "what_if",
]
