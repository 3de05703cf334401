"""A conversation in Pipecat with small parts of fixed behaviour, recorded as Pipecat itself reports it.

It writes ``pipecat-breakdown.jsonl`` (what `UserBotLatencyObserver` says of each turn),
``pipecat-metrics.log`` (what `MetricsLogObserver` logs) and ``pipecat-spans.json`` (its OpenTelemetry spans as
the console exporter prints them). Only the services are ours: they wait as long as a seeded draw says.
Voice activity's states, turn strategies, aggregation, queues, observers and the transport are Pipecat's.
"""

import asyncio
import io
import sys
import time

import numpy as np
from loguru import logger
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams
from pipecat.frames.frames import (
    EndFrame,
    InputAudioRawFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.observers.loggers.metrics_log_observer import MetricsLogObserver
from pipecat.observers.user_bot_latency_observer import UserBotLatencyObserver
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.utils.tracing.service_decorators import traced_llm, traced_stt, traced_tts
from pipecat.workers.runner import WorkerRunner

from tests.recorders.draws import IN_FULL, REPLY, TURNS, Draws, settled

IN, OUT = 16_000, 24_000  # Hz
FRAME = 0.02  # seconds
WORDS = {"stt": "stt-part", "llm": "llm-part", "tts": "tts-part"}


class LoudIsSpeech(VADAnalyzer):
    """Says that whatever is not silent is speech."""

    def num_frames_required(self):
        return int(0.02 * self.sample_rate)

    def voice_confidence(self, buffer):
        return float(np.frombuffer(buffer, np.int16).any())


class Recogniser(STTService):
    """Is done with its transcript some time after voice activity has stopped."""

    def __init__(self, draws):
        super().__init__(
            ttfs_p99_latency=0.35,
            settings=STTSettings(model=WORDS["stt"], language=None),
            name="RecogniserSTT",
        )
        self._draws = draws

    def can_generate_metrics(self):
        return True

    async def run_stt(self, audio):
        yield None

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            self.create_task(self._finish(), "finish")

    @traced_stt
    async def _traced(self, transcript):
        """Only the decorator's wrapping of the class is needed."""

    async def _finish(self):
        await asyncio.sleep(self._draws.transcript())
        self.request_finalize()
        self.confirm_finalize()
        await self.push_frame(
            TranscriptionFrame("What is the weather?", "", str(time.time()), finalized=True)
        )


class Model(LLMService):
    """Says a fixed reply, its first token after some time."""

    def __init__(self, draws):
        super().__init__(settings=settled(LLMSettings, model=WORDS["llm"]), name="ModelLLM")
        self._draws = draws

    def can_generate_metrics(self):
        return True

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await self._answer(frame.context)
        await self.push_frame(LLMFullResponseEndFrame())

    @traced_llm
    async def _answer(self, context):
        await self.start_ttfb_metrics()
        await asyncio.sleep(self._draws.first_token())
        await self.stop_ttfb_metrics()
        for word in REPLY.split(" "):
            await self.push_frame(LLMTextFrame(word + " "))
            await asyncio.sleep(self._draws.token())


class Voice(TTSService):
    """Makes half a second of sound for each piece, after some time."""

    def __init__(self, draws):
        super().__init__(
            push_stop_frames=True,
            push_start_frame=True,
            stop_frame_timeout_s=0.5,
            sample_rate=OUT,
            settings=settled(TTSSettings, model=WORDS["tts"], voice="voice-part", language=None),
            name="VoiceTTS",
        )
        self._draws = draws

    def can_generate_metrics(self):
        return True

    @traced_tts
    async def run_tts(self, text, context_id):
        await asyncio.sleep(self._draws.first_chunk())
        await self.stop_ttfb_metrics()
        sound = (np.ones(OUT // 2, np.int16) * 3000).tobytes()
        yield TTSAudioRawFrame(sound, OUT, 1, context_id=context_id)


class Ears(BaseInputTransport):
    """Is given frames by the caller below."""

    async def start(self, frame):
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def hear(self, seconds, *, loud):
        loop = asyncio.get_running_loop()
        begin, samples = loop.time(), np.full(int(FRAME * IN), 2000 if loud else 0, np.int16).tobytes()
        for number in range(round(seconds / FRAME)):
            await asyncio.sleep(max(0.0, begin + (number + 1) * FRAME - loop.time()))
            await self.push_audio_frame(InputAudioRawFrame(samples, IN, 1))


class Mouth(BaseOutputTransport):
    """Plays in real time."""

    async def start(self, frame):
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame):
        await asyncio.sleep(len(frame.audio) / 2 / OUT)
        return True


async def conversation(turns, seed, breakdowns, after_turn):
    """Talk for so many turns; append each turn's breakdown as JSON, and call a function after each."""
    draws = Draws(seed)
    params = TransportParams(audio_in_enabled=True, audio_in_sample_rate=IN, audio_out_enabled=True,
                             audio_out_sample_rate=OUT)  # fmt: skip
    ears, mouth = Ears(params), Mouth(params)
    strategies = UserTurnStrategies(
        start=[VADUserTurnStartStrategy()], stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.4)]
    )
    vad = LoudIsSpeech(params=VADParams(min_volume=0.0, stop_secs=0.2, start_secs=0.2))
    user, assistant = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(vad_analyzer=vad, user_turn_strategies=strategies),
    )
    latency = UserBotLatencyObserver()

    @latency.event_handler("on_latency_breakdown")
    async def on_latency_breakdown(observer, breakdown):
        breakdowns.append(breakdown.model_dump_json())

    worker = PipelineWorker(
        Pipeline([ears, Recogniser(draws), user, Model(draws), Voice(draws), mouth, assistant]),
        params=PipelineParams(enable_metrics=True, audio_in_sample_rate=IN, audio_out_sample_rate=OUT),
        observers=[latency, MetricsLogObserver()],
        enable_tracing=True,
        enable_rtvi=False,
        conversation_id="sample",
        cancel_on_idle_timeout=False,
    )

    async def talk():
        await asyncio.sleep(1.0)
        for turn in range(1, turns + 1):
            await ears.hear(draws.speech(), loud=True)
            await ears.hear(7.0, loud=False)
            after_turn(turn)
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), talk())


async def record(folder):
    """Write the three files into a folder."""
    spans, log, breakdowns = io.StringIO(), io.StringIO(), []
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=spans)))
    trace.set_tracer_provider(provider)
    logger.remove()
    logger.add(
        log,
        level="DEBUG",
        format="{level: <8} | {name}:{function}:{line} - {message}",
        filter="pipecat.observers.loggers.metrics_log_observer",
    )
    logger.add(sys.stderr, level="WARNING")
    written = {}

    def keep_files(turn):
        if turn == IN_FULL:
            written["pipecat-spans.json"] = spans.getvalue()
            written["pipecat-metrics.log"] = log.getvalue()

    await conversation(TURNS, 1, breakdowns, keep_files)
    written["pipecat-breakdown.jsonl"] = "\n".join(breakdowns) + "\n"
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
