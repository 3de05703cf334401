"""A conversation in LiveKit Agents with small parts of fixed behaviour, recorded as LiveKit itself reports it.

It writes ``livekit-report.json`` (the session report, with `ChatMessage.metrics` of every message) and
``livekit-spans.json`` (its OpenTelemetry spans as the console exporter prints them). Only the services, voice
activity detection and the sound's way in and out are ours: they wait as long as a seeded draw says. Endpointing,
preemptive generation, aggregation into sentences, queues and measurements are LiveKit's, with its defaults.
"""

import asyncio
import io
import json
import logging
import time

import numpy as np
from livekit import rtc
from livekit.agents import Agent, AgentSession, llm, stt, tts, vad
from livekit.agents.telemetry import set_tracer_provider
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.voice.io import AudioInput, AudioOutput, AudioOutputCapabilities
from livekit.agents.voice.report import SessionReport
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from tests.recorders.draws import IN_FULL, REPLY, TURNS, Draws

IN, OUT = 16_000, 24_000  # Hz
FRAME = 0.05  # seconds
SILENCE = 0.25  # seconds, after which voice activity has stopped


class Vad(vad.VAD):
    """Says that whatever is not silent is speech."""

    def __init__(self):
        super().__init__(capabilities=vad.VADCapabilities(update_interval=FRAME))
        self.stopped = asyncio.Event()

    @property
    def min_silence_duration(self):
        return SILENCE

    def stream(self):
        return VadStream(self)


class VadStream(vad.VADStream):
    async def _main_task(self):
        speaking, speech, silence, samples = False, 0.0, 0.0, 0
        async for frame in self._input_ch:
            if not isinstance(frame, rtc.AudioFrame):
                continue
            samples += frame.samples_per_channel
            loud = bool(np.frombuffer(frame.data, np.int16).any())
            speech, silence = (speech + FRAME, 0.0) if loud else (speech, silence + FRAME)

            def event(kind, *, samples=samples, speech=speech, silence=silence, loud=loud, frame=frame):
                return vad.VADEvent(
                    type=kind,
                    samples_index=samples,
                    timestamp=time.time(),
                    speech_duration=speech,
                    silence_duration=silence,
                    frames=[frame],
                    probability=float(loud),
                    speaking=loud,
                    raw_accumulated_silence=silence,
                    raw_accumulated_speech=speech if loud else 0.0,
                )

            if loud and not speaking:
                speaking = True
                self._event_ch.send_nowait(event(vad.VADEventType.START_OF_SPEECH))
            self._event_ch.send_nowait(event(vad.VADEventType.INFERENCE_DONE))
            if speaking and silence >= SILENCE - 1e-6:
                speaking, speech = False, 0.0
                self._event_ch.send_nowait(event(vad.VADEventType.END_OF_SPEECH))
                self._vad.stopped.set()


class Recogniser(stt.STT):
    """Is done with its transcript some time after voice activity has stopped."""

    def __init__(self, draws, ears):
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))
        self.draws, self.ears = draws, ears

    async def _recognize_impl(self, buffer, *, language, conn_options):
        raise NotImplementedError

    def stream(self, *, language=None, conn_options=DEFAULT_API_CONNECT_OPTIONS):
        return RecogniserStream(stt=self, conn_options=conn_options)


class RecogniserStream(stt.RecognizeStream):
    async def _run(self):
        async def swallow():
            async for _ in self._input_ch:
                pass

        swallowing = asyncio.create_task(swallow())
        try:
            while True:
                await self._stt.ears.stopped.wait()
                self._stt.ears.stopped.clear()
                await asyncio.sleep(self._stt.draws.transcript())
                said = stt.SpeechData(language="en", text="What is the weather?", confidence=1.0)
                self._event_ch.send_nowait(
                    stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[said])
                )
        finally:
            swallowing.cancel()


class Model(llm.LLM):
    """Says a fixed reply, its first token after some time."""

    def __init__(self, draws):
        super().__init__()
        self.draws = draws

    def chat(self, *, chat_ctx, tools=None, conn_options=DEFAULT_API_CONNECT_OPTIONS, **rest):
        return ModelStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class ModelStream(llm.LLMStream):
    async def _run(self):
        await asyncio.sleep(self._llm.draws.first_token())
        for word in REPLY.split(" "):
            delta = llm.ChoiceDelta(role="assistant", content=word + " ")
            self._event_ch.send_nowait(llm.ChatChunk(id="chunk", delta=delta))
            await asyncio.sleep(self._llm.draws.token())


class Voice(tts.TTS):
    """Makes half a second of sound for each sentence, after some time."""

    def __init__(self, draws):
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=OUT, num_channels=1)
        self.draws = draws

    def synthesize(self, text, *, conn_options=DEFAULT_API_CONNECT_OPTIONS):
        return VoiceStream(tts=self, input_text=text, conn_options=conn_options)


class VoiceStream(tts.ChunkedStream):
    async def _run(self, output_emitter):
        output_emitter.initialize(
            request_id="request", sample_rate=OUT, num_channels=1, mime_type="audio/pcm", frame_size_ms=50
        )
        await asyncio.sleep(self._tts.draws.first_chunk())
        output_emitter.push((np.ones(OUT // 2, np.int16) * 3000).tobytes())
        output_emitter.flush()


class Ears(AudioInput):
    """Is given frames by the caller below."""

    def __init__(self):
        super().__init__(label="ears")
        self._frames = asyncio.Queue()

    async def __anext__(self):
        return await self._frames.get()

    async def hear(self, seconds, *, loud):
        loop = asyncio.get_running_loop()
        begin, samples = loop.time(), np.full(int(FRAME * IN), 2000 if loud else 0, np.int16).tobytes()
        for number in range(round(seconds / FRAME)):
            await asyncio.sleep(max(0.0, begin + (number + 1) * FRAME - loop.time()))
            self._frames.put_nowait(rtc.AudioFrame(samples, IN, 1, len(samples) // 2))


class Mouth(AudioOutput):
    """Plays in real time."""

    def __init__(self):
        super().__init__(label="mouth", capabilities=AudioOutputCapabilities(pause=False), sample_rate=OUT)
        self._queued, self._playing = 0.0, None

    async def capture_frame(self, frame):
        await super().capture_frame(frame)
        if not self._queued:
            self.on_playback_started(created_at=time.time())
        self._queued += frame.duration

    def flush(self):
        super().flush()
        if self._queued:
            self._playing = asyncio.create_task(self._play())

    async def _play(self):
        seconds, self._queued = self._queued, 0.0
        await asyncio.sleep(seconds)
        self.on_playback_finished(playback_position=seconds, interrupted=False)

    def clear_buffer(self):
        pass


async def record(folder):
    """Write the two files into a folder."""
    logging.getLogger("livekit.agents").setLevel(logging.WARNING)
    spans, draws = io.StringIO(), Draws(1)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=spans)))
    set_tracer_provider(provider)
    ears, activity, events = Ears(), Vad(), []
    session = AgentSession(
        stt=Recogniser(draws, activity),
        vad=activity,
        llm=Model(draws),
        tts=Voice(draws),
        turn_handling={"turn_detection": "vad"},
        user_away_timeout=None,
    )
    session.on("conversation_item_added", events.append)
    session.input.audio, session.output.audio = ears, Mouth()
    await session.start(Agent(instructions="Answer."))
    await asyncio.sleep(1.0)
    for turn in range(1, TURNS + 1):
        await ears.hear(draws.speech(), loud=True)
        await ears.hear(7.0, loud=False)
        if turn == IN_FULL:
            (folder / "livekit-spans.json").write_text(spans.getvalue(), encoding="utf-8")
    report = SessionReport(
        job_id="job", room_id="room", room="sample", options=session.options, events=events,
        chat_history=session.history, started_at=None,
    )  # fmt: skip
    await session.aclose()
    text = json.dumps(report.to_dict(include_events=False), indent=1)
    (folder / "livekit-report.json").write_text(text + "\n", encoding="utf-8")
