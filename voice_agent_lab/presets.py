"""Named sets of latencies and settings, each number with its source.

``preset("pipecat-defaults").agent(seed=1)`` is an agent; ``preset("pipecat-defaults")`` shows where its
numbers come from.

Conventions
-----------
Seconds, but for names that end in ``_ms``. A log-normal latency is given here by its median and 95th
percentile, as published. In this agent finalisation *follows* endpointing; where a source measured the
two side by side, the preset's finalisation is what is left of it when the turn has been decided, often nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import log
from typing import Any

import numpy as np
import pandas as pd

from voice_agent_lab.as_published import DEMO_BUDGETS
from voice_agent_lab.measure.latency import LatencyBudgets, _Shown
from voice_agent_lab.models.pauses import PauseModel
from voice_agent_lab.published import aiewf_eval, apresvous, eot_bench, smart_turn, stt_benchmark
from voice_agent_lab.published.primer import PRIMER_MS, TO_AGENT_MS, TO_USER_MS
from voice_agent_lab.stages.distributions import LeftAfter, LogNormal, StageLatencies
from voice_agent_lab.stages.endpointing import (
    LearnedDetector,
    MinMaxDelay,
    Policy,
    SilenceTimeout,
    SmartTurnOrTimeout,
)
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.playback import Playback
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.turns.agent import StreamingVoiceAgent


@dataclass(frozen=True, repr=False)
class Preset(_Shown):
    """A named set of latencies and settings, and where they come from.

    Attributes
    ----------
    name, summary : str
        What it is called, and what it stands for.
    sources : mapping of str to str
        For each setting its value and its source.
    latencies : StageLatencies
        What the simulated stages take.
    endpointing : callable
        Given a generator, returns a new policy of endpointing.
    budgets : LatencyBudgets or None
        The promises; None for the agent's default, if the source makes none.
    aggregation : str or int
        How much text synthesis is given at a time.
    frame_ms, chunk_ms : float
        How much sound a frame of the microphone, and a chunk of the voice, holds.
    input_latency, output_latency : float
        Seconds from the capture of a frame to the agent, and from the agent to the user's ear.
    leading_silence : float
        Seconds of silence before the voice.
    """

    name: str
    summary: str
    sources: Mapping[str, str]
    latencies: StageLatencies
    endpointing: Callable[[np.random.Generator], Policy]
    budgets: LatencyBudgets | None = None
    aggregation: str | int = "sentence"
    frame_ms: float = 20
    chunk_ms: float = 100
    input_latency: float = 0.0
    output_latency: float = 0.0
    leading_silence: float = 0.0

    def agent(self, **overrides: Any) -> StreamingVoiceAgent:
        """Return a new agent with these settings.

        Parameters
        ----------
        **overrides
            What `StreamingVoiceAgent` takes, instead of the preset's: a `seed`, other `latencies`, a
            component.
        """
        took = overrides.get("latencies") or self.latencies
        # The first two children are the agent's recogniser and language model.
        *_, tts_rng, endpointing_rng = np.random.default_rng(overrides.get("seed", 0)).spawn(4)
        voice = StreamingTTS(
            took.tts_first_chunk,
            took.tts_chunk_generation,
            chunk_duration_ms=self.chunk_ms,
            leading_silence=self.leading_silence,
            rng=tts_rng,
        )
        settings: dict[str, Any] = {
            "latency_budgets": self.budgets,
            "latencies": self.latencies,
            "aggregation": self.aggregation,
            "audio": AudioInputStream(chunk_duration_ms=self.frame_ms, latency=self.input_latency),
            "endpointing": self.endpointing(endpointing_rng),
            "tts": voice,
            "playback": Playback(self.output_latency),
        }
        return StreamingVoiceAgent(**{**settings, **overrides})

    def table(self) -> pd.DataFrame:
        """Return one row for each setting: its value and its source."""
        return pd.DataFrame(
            {"value and source": list(self.sources.values())}, index=pd.Index(self.sources, name=self.name)
        )


@dataclass(frozen=True)
class _Policy:
    """Makes a policy of endpointing: which, and with which settings."""

    kind: type[Policy]
    settings: Mapping[str, float]

    def __call__(self, rng: np.random.Generator) -> Policy:
        """Return a new one; only a policy with chance takes the generator."""
        chance = {"rng": rng} if issubclass(self.kind, LearnedDetector) else {}
        return self.kind(**self.settings, **chance)


def _spread(median: float, high: float, percent: int = 95) -> LogNormal:
    """Return the log-normal latency with this median, and this 90th or 95th percentile."""
    return LogNormal(
        median, log(high / median) / {90: 1.2816, 95: 1.6449}[percent]
    )  # the normal distribution's


_PRIMER = "Voice AI & Voice Agents primer, 2025-10"

ARTICLE = Preset(
    "article",
    "The budgets of the article's demonstration, taken as latencies, as it does.",
    {
        "recognition of a frame": "0.08 s, the article's demonstration",
        "finalisation": "0.3 s, the article's default",
        "endpointing": "0.5 s of silence, the article's default",
        "first token, token": "0.3 s, the article's demonstration; 0.02 s, its default",
        "text aggregation": "20 characters, the article's",
        "first chunk, chunk": "0.15 s, the article's demonstration; 0.05 s, its default",
        "frames and chunks": "100 ms, the article's default",
        "transport": "none, as in the article",
    },
    StageLatencies.exactly(DEMO_BUDGETS),
    _Policy(SilenceTimeout, {"timeout": 0.5}),
    DEMO_BUDGETS,
    aggregation=20,
    frame_ms=100,
)
"""The article's demonstration, in an agent without the article's faults."""

_WEBRTC: dict[str, Any] = {
    "input_latency": sum(TO_AGENT_MS.values()) / 1000,
    "output_latency": sum(TO_USER_MS.values()) / 1000,
}
_WEBRTC_SOURCES = {
    "input transport": f"0.114 s: microphone 40, Opus encoder 21, network 10, packets 2, jitter buffer 40, "
    f"Opus decoder 1 ms; {_PRIMER}",
    "output transport": f"0.089 s: Opus encoder 21, packets 2, network 10, jitter buffer 40, Opus decoder 1, "
    f"loudspeaker 15 ms; {_PRIMER}",
}

_TUNED = LatencyBudgets(
    asr_processing=0.0,
    asr_finalization=0.1,
    llm_first_token=PRIMER_MS["language model, first token"] / 1000,
    tts_first_chunk=PRIMER_MS["synthesis, first audio"] / 1000,
    time_to_first_audio=0.49,
)

TUNED_CASCADE = Preset(
    "tuned-cascade-2025",
    "The primer's budget of a tuned cascade: 993 ms from voice to voice, if the first sentence is short.",
    {
        **_WEBRTC_SOURCES,
        "endpointing and finalisation": f"0.3 s together; {_PRIMER}. Split by us: 0.2 s of silence, which is "
        "Pipecat's stop_secs, and 0.1 s. Recognition keeps up with the audio.",
        "first token": f"0.35 s; {_PRIMER}",
        "text aggregation": f"sentence, 0.02 s; {_PRIMER}. With a token each 0.02 s (the article's default) that "
        'is a sentence of two words, such as "Hello there!"; each further word costs 0.02 s more.',
        "first chunk": f"0.12 s; {_PRIMER}, which counts no silence before the voice",
        "later chunks": "0.05 s for 100 ms, the article's default",
        "frames": "20 ms, the usual Opus frame",
        "budgets": "the same numbers; time to first audio 0.35 + 0.02 + 0.12 s",
    },
    StageLatencies.exactly(_TUNED),
    _Policy(SilenceTimeout, {"timeout": 0.2}),
    _TUNED,
    **_WEBRTC,
)
"""The 16 rows of the primer's table, mapped to the parts of this agent."""

# Language model and voice of both frameworks are the same, and so is the recogniser, but it was measured in
# each of them.
_GPT_41 = [ms / 1000 for ms in aiewf_eval.HOSTED_MS["gpt-4.1"][:2]]
_LLM = _spread(_GPT_41[0], _GPT_41[1])
_VOICE = _spread(0.19, 0.26)
_SERVICES = {
    "first token": f"LogNormal, median {_GPT_41[0]:.3f} s, 95th percentile {_GPT_41[1]:.3f} s: gpt-4.1, time to "
    f"the first answer token; {aiewf_eval.SOURCE}",
    "token": f"0.01 s: 100 tokens a second, the example of the {_PRIMER}",
    "first chunk": "LogNormal, median 0.19 s, 95th percentile 0.26 s: Cartesia, time to first byte, 2025-02; "
    f"{_PRIMER}",
    "leading silence": f"0.16 s: Cartesia, mean, 2025-02; {_PRIMER}",
}

# Nothing was published for Pipecat's threshold of 0.5. This is the row of eot-bench in which Smart Turn acts
# after 0.2 s, as it does in Pipecat; its own timeout only serves to tell false alarms from long pauses.
_ROW, _COMPLETE, _INCOMPLETE = "0.3 s", 0.212, 3.2
_SMART_TURN_ROW = eot_bench.setting("SmartTurn v3.2", _ROW)
_SMART_TURN_ROWS = eot_bench.OPERATING_POINTS.xs("SmartTurn v3.2")
_SMART_TURN_CUT_OFFS = _SMART_TURN_ROWS["cut-offs"].to_dict()[_ROW]
_SMART_TURN_THRESHOLD = _SMART_TURN_ROWS["threshold"].to_dict()[_ROW]
_SMART_TURN = {
    "detection_rate": _SMART_TURN_ROW["detection_rate"],
    "false_alarm_rate": round(
        PauseModel().false_alarm_rate(
            _SMART_TURN_CUT_OFFS, _SMART_TURN_ROW["delay"], _SMART_TURN_ROW["timeout"]
        ),
        3,
    ),
}
_DETECTED = _SMART_TURN_ROWS["detection rate"]
_AT_5 = eot_bench.setting("SmartTurn v3.2", "5 %")
_TAKEN = smart_turn.TAKEN_FOR_THE_END
_SMART_TURN_SOURCES = {
    "endpointing": "COMPLETE after 0.2 + 0.012 s, INCOMPLETE after 0.2 + 3.0 s: Pipecat's defaults, code of "
    "2026-08; 12 ms on a modern CPU, Smart Turn v3, 2025-09",
    "errors of the detector": f"detection rate {_SMART_TURN['detection_rate']}: Smart Turn v3.2 acting after "
    f"{_SMART_TURN_ROW['delay']} s, as here, in {eot_bench.SOURCE}, at a mean wait of {_ROW}; false alarm rate "
    f"{_SMART_TURN['false_alarm_rate']}, computed by us from its {_SMART_TURN_CUT_OFFS:.1%} of cut-offs with a "
    f"timeout of {_SMART_TURN_ROW['timeout']} s. That row has a threshold of {_SMART_TURN_THRESHOLD}, Pipecat has "
    f"{smart_turn.THRESHOLD}, for which nothing of the kind was published",
    "range of these errors": f"detection rate {_DETECTED.min()} to {_DETECTED.max()} in the rows of "
    f"{eot_bench.SOURCE}, at thresholds of 0.21 down to 0.01; at 5 % cut-offs "
    f"{_AT_5['detection_rate']}, acting after {_AT_5['delay']} s. Pipecat's threshold is above all of these, so that "
    f"it would detect fewer of these ends; of the model's own clips {smart_turn.CLIPS['false negatives']:.2%} are "
    "finished and missed. Taken for the end with Pipecat's threshold: from "
    f"{_TAKEN['200 English clips']:.0%} of unfinished clips to {_TAKEN['pauses in meetings']:.0%} of the pauses in "
    "real meetings (reports of others, 2026)",
}
_V1 = eot_bench.LIVEKIT_V1
_LIVEKIT = {
    "detection_rate": _V1["detection_rate"],
    "false_alarm_rate": round(PauseModel().false_alarm_rate(0.05, _V1["delay"], _V1["timeout"]), 3),
}

# Finalisation runs beside endpointing; what is left of it when the turn has been decided.
_NOVA, _NEMOTRON_ASR = stt_benchmark.DEEPGRAM_NOVA_3, stt_benchmark.NEMOTRON_3
_LIVEKIT_MIN = 0.3
_IN_LIVEKIT = apresvous.TRANSCRIPTION_DELAY

PIPECAT = Preset(
    "pipecat-defaults",
    "Pipecat's default settings with a hosted recogniser, language model and voice.",
    {
        **_WEBRTC_SOURCES,
        **_SMART_TURN_SOURCES,
        "finalisation": f"what is left after {_COMPLETE} s of endpointing, beside which it runs, of a LogNormal with "
        f"median {_NOVA['median']} s and 95th percentile {_NOVA['p95']} s: Deepgram nova-3 from the end of speech; "
        f"{stt_benchmark.SOURCE}. After INCOMPLETE there would be none.",
        **_SERVICES,
        "text aggregation": "sentence, Pipecat's default",
        "frames and chunks": "20 ms, as in its evaluations, so that COMPLETE comes after 0.22 s; 40 ms, its "
        "default (a chunk takes half its length to synthesise, as in the article)",
    },
    StageLatencies(
        0.0, LeftAfter(_spread(_NOVA["median"], _NOVA["p95"]), _COMPLETE), _LLM, 0.01, _VOICE, 0.02
    ),
    _Policy(SmartTurnOrTimeout, _SMART_TURN),
    chunk_ms=40,
    leading_silence=0.16,
    **_WEBRTC,
)
"""Pipecat as it comes; its answers fall into two groups, three seconds apart."""

LIVEKIT = Preset(
    "livekit-defaults",
    "LiveKit's default endpointing with the same services; it does not begin to answer early.",
    {
        **_WEBRTC_SOURCES,
        "endpointing": "max(0.25, 0.3) or max(0.25, 2.5) s: silence of its voice activity detection, minimum "
        "and maximum delay, LiveKit's defaults with the streaming detector, code of 2026-08",
        "errors of the detector": f"detection rate {_V1['detection_rate']}, LiveKit v1 after {_V1['delay']} s, "
        f"{eot_bench.SOURCE}; false alarm rate {_LIVEKIT['false_alarm_rate']}, computed by us from its 5 % of "
        f"cut-offs with a timeout of {_V1['timeout']} s",
        "finalisation": f"what is left after {_LIVEKIT_MIN} s of endpointing, beside which it runs, of a LogNormal "
        f"with median {_IN_LIVEKIT['median']} s and 90th percentile {_IN_LIVEKIT['p90']} s: LiveKit's "
        f"transcription_delay with Deepgram nova-3; {apresvous.SOURCE}, so its tail is a guess. After 2.5 s "
        "there would be less.",
        **_SERVICES,
        "text aggregation": "sentence, LiveKit's default (at least 20 characters there)",
        "frames and chunks": "50 ms, LiveKit's default (a chunk takes half its length, as in the article)",
    },
    StageLatencies(
        0.0,
        LeftAfter(_spread(_IN_LIVEKIT["median"], _IN_LIVEKIT["p90"], 90), _LIVEKIT_MIN),
        _LLM,
        0.01,
        _VOICE,
        0.025,
    ),
    _Policy(MinMaxDelay, {"min_delay": _LIVEKIT_MIN, **_LIVEKIT}),
    frame_ms=50,
    chunk_ms=50,
    leading_silence=0.16,
    **_WEBRTC,
)
"""LiveKit as it comes, but for its preemptive generation.

With Silero's 0.55 s of silence instead of the bundled detector's 0.25 s it can be held against the ten turns
of `published.apresvous`: their fast turns ended after 0.58 s, their slow ones after 2.50 s.
"""

_NEMOTRON = [ms / 1000 for ms in aiewf_eval.NEMOTRON_LIGHTNING_MS[:2]]

ON_DEVICE = Preset(
    "on-device",
    "Everything on one machine with a large GPU, and no network.",
    {
        "input transport": f"0.040 s: microphone; {_PRIMER}",
        "output transport": f"0.015 s: loudspeaker; {_PRIMER}",
        **_SMART_TURN_SOURCES,
        "finalisation": f"what is left after {_COMPLETE} s of endpointing, beside which it runs, of a LogNormal with "
        f"median {_NEMOTRON_ASR['median']} s and 95th percentile {_NEMOTRON_ASR['p95']} s: NVIDIA Nemotron 3.0 ASR "
        f"from the end of speech; {stt_benchmark.SOURCE}; where it ran is not said",
        "first token": f"LogNormal, median {_NEMOTRON[0]:.3f} s, 95th percentile {_NEMOTRON[1]:.3f} s: Nemotron 3.5 "
        f"Lightning on an RTX 5090; {aiewf_eval.SOURCE}",
        "token": "1/70 s: Llama 3.2 1B on a CPU, the model beside which Orca was measured; "
        "Picovoice/tts-latency-benchmark",
        "text aggregation": "20 characters, as in the article: it stands for a voice that takes streaming text",
        "first chunk": "LogNormal, median 0.034 s, sigma 0.45, so 0.038 ± 0.018 s: Picovoice Orca, 0.095 ± 0.018 s "
        "from the first token to the first audio (same source), less four tokens: 20 characters are about five words",
        "later chunks": "0.05 s for 100 ms, the article's default",
        "frames": "20 ms, as in the other presets",
    },
    StageLatencies(
        0.0,
        LeftAfter(_spread(_NEMOTRON_ASR["median"], _NEMOTRON_ASR["p95"]), _COMPLETE),
        _spread(_NEMOTRON[0], _NEMOTRON[1]),
        1 / 70,
        LogNormal(0.034, 0.45),
        0.05,
    ),
    _Policy(SmartTurnOrTimeout, _SMART_TURN),
    aggregation=20,
    input_latency=PRIMER_MS["microphone"] / 1000,
    output_latency=PRIMER_MS["loudspeaker"] / 1000,
)
"""Models measured apart by different people, not as a whole."""

PRESETS: Mapping[str, Preset] = {
    each.name: each for each in (ARTICLE, TUNED_CASCADE, PIPECAT, LIVEKIT, ON_DEVICE)
}
"""All presets by name."""


def preset(name: str) -> Preset:
    """Return the preset of this name.

    Raises
    ------
    ValueError
        If there is none; the sentence says which name is nearest.

    Examples
    --------
    >>> livekit = preset("livekit-defaults")
    >>> livekit.latencies.llm_first_token.median  # seconds; ``livekit`` alone shows every source
    0.536
    >>> agent = livekit.agent(seed=1)
    """
    if name in PRESETS:
        return PRESETS[name]
    nearest = get_close_matches(str(name).lower(), PRESETS, n=1, cutoff=0.0)[0]
    raise ValueError(f"name is {name!r}; did you mean {nearest!r}? There are {', '.join(map(repr, PRESETS))}")
