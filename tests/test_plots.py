import asyncio
import io
import re
import subprocess
import sys
from functools import cache
from html import escape
from itertools import pairwise
from math import isnan

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from voice_agent_lab import plots
from voice_agent_lab.clock.simulation import simulate
from voice_agent_lab.measure.events import STAGES
from voice_agent_lab.measure.latency import LatencyBudgets
from voice_agent_lab.measure.log import Event, EventLog
from voice_agent_lab.measure.turn import Turn
from voice_agent_lab.plots import drawing
from voice_agent_lab.plots.drawing import line_colour
from voice_agent_lab.plots.fonts import families
from voice_agent_lab.stages.asr import StreamingASR
from voice_agent_lab.stages.microphone import AudioInputStream
from voice_agent_lab.stages.playback import Playback
from voice_agent_lab.stages.speech import speech_like
from voice_agent_lab.stages.tts import StreamingTTS
from voice_agent_lab.streams import StageError
from voice_agent_lab.turns.agent import AgentState, StreamingVoiceAgent


class FailingLLM:
    async def generate_response(self, prompt):
        await asyncio.sleep(0.3)
        yield "Hi "
        await asyncio.sleep(0.3)
        raise OSError("gone")


def a_turn(text="Hello, how are you today?", **options):
    agent = StreamingVoiceAgent(**options)
    try:
        simulate(agent.process_turn(text))
    except StageError:
        assert isinstance(agent.llm, FailingLLM)
    return agent.turns[-1]


TURNS = {
    "sequential": a_turn(overlap="sequential"),
    "chained": a_turn(overlap="chained"),
    "concurrent": a_turn(overlap="concurrent"),
    "slow voice": a_turn(tts=StreamingTTS(chunk_generation=0.13)),
    "revised": a_turn(asr=StreamingASR(revision_rate=0.5)),
    "failed": a_turn(llm=FailingLLM()),
    "one word": a_turn("Hi"),
    "far away": a_turn(
        audio=AudioInputStream(chunk_duration_ms=20, latency=0.13),
        asr=StreamingASR(0.008),
        tts=StreamingTTS(0.06, leading_silence=0.04),
        playback=Playback(0.2),
    ),
    "empty": Turn(EventLog()),
}
SOUND = np.concatenate([np.zeros(8000), speech_like("Hello there", 1.0), np.zeros(8000)]).astype(np.float32)
every_turn = pytest.mark.parametrize("name", TURNS)


def parts_twice(turn):
    return plots.voice_to_voice_parts([turn, turn], 1.0)


OF_A_TURN = (
    plots.turn_timeline,
    plots.stage_breakdown,
    plots.state_ribbon,
    plots.partials_over_time,
    parts_twice,
)


@cache
def drawn(draw, name):
    """Draw a figure of one of the turns, once for all tests that only look at it."""
    return draw(TURNS[name])


def figures_by_function():
    turns = list(TURNS.values())
    # Turns that differ only in who waits for whom have the same marks, at other times.
    different = [name for name in TURNS if name not in ("sequential", "chained")]
    yield from ([drawn(draw, name) for name in different] for draw in OF_A_TURN)
    yield [plots.turn_timeline(turns[2], LatencyBudgets(llm_first_token=0.3))]
    yield [plots.voice_to_voice_parts(turns, 1.0), plots.voice_to_voice_parts(turns[:1])]
    yield [plots.time_to_first_audio_across_turns(turns, 1.0)]
    yield [plots.waveform_and_energy(SOUND, 16000, -26)]
    yield [plots.spectrogram(SOUND, 16000)]


@pytest.fixture(autouse=True)
def settings_that_are_left_alone():
    """Look after each test whether drawing has changed matplotlib's settings."""
    before = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == before


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts if text.get_text()]


def labelled(axes, label):
    return [artist for artist in axes.get_children() if artist.get_label() == label]


def extents(collection):
    """The boxes of a collection of bars, as (start, end)."""
    return [
        (round(box.x0, 9), round(box.x1, 9))
        for box in (path.get_extents() for path in collection.get_paths())
    ]


# What all figures share.


def test_a_figure_is_a_value_with_alt_text():
    for figures in figures_by_function():
        pictures = [plots.png(figure) for figure in figures]
        assert plots.png(figures[0]) == pictures[0]
        for figure in figures:
            assert isinstance(figure, Figure)
            assert plots.alt_text(figure).endswith(".")
            assert "nan" not in plots.alt_text(figure)


def test_pyplot_is_not_imported():
    code = (
        "import sys; from voice_agent_lab import plots; from voice_agent_lab.measure.turn import Turn; "
        "from voice_agent_lab.measure.log import EventLog; plots.png(plots.turn_timeline(Turn(EventLog()))); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_settings_of_others_do_not_show():
    turn = TURNS["concurrent"]
    expected = plots.png(plots.turn_timeline(turn))
    with matplotlib.rc_context(
        {"font.size": 20, "text.color": "red", "hatch.linewidth": 5, "text.antialiased": False}
    ):
        assert plots.png(plots.turn_timeline(turn)) == expected


def test_a_picture_does_not_depend_on_those_drawn_before_it():
    one, other = (plots.turn_timeline(TURNS[name]) for name in ("concurrent", "slow voice"))
    first, second = plots.png(one), plots.png(other)
    assert first != second
    assert (plots.png(one), plots.png(other)) == (first, second)
    figure = plots.turn_timeline(TURNS["concurrent"])
    with plots.style():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(first))), canvas.buffer_rgba())


def test_a_png_has_the_figures_size_and_no_metadata():
    image = Image.open(io.BytesIO(plots.png(plots.turn_timeline(TURNS["concurrent"]))))
    assert image.size == (800, 375)
    assert set(image.info) <= {"dpi"}


def test_a_notebook_shows_the_picture_and_compares_the_sentence():
    figure = plots.stage_breakdown(TURNS["concurrent"])
    bundle = figure._repr_mimebundle_()
    assert bundle["text/plain"] == plots.alt_text(figure)
    assert f'<img alt="{escape(plots.alt_text(figure))}"' in bundle["text/html"]
    assert "data:image/png;base64,iVBOR" in bundle["text/html"]


def test_a_figure_without_alt_text_is_an_error():
    with pytest.raises(ValueError, match="no alt text"):
        plots.alt_text(Figure())


def test_every_stage_has_a_colour_of_its_own_and_states_theirs():
    assert tuple(plots.STAGE_COLOURS) == STAGES
    assert len(set(plots.STAGE_COLOURS.values())) == len(STAGES)
    assert set(plots.STATE_STAGES) == {state.value for state in AgentState}


def test_writing_on_a_colour_can_be_read():
    for stage in plots.STAGE_COLOURS:
        for name in ("", "tokens"):
            colour = np.array(drawing.tint(stage, name))
            linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
            luminance = linear @ [0.2126, 0.7152, 0.0722]
            contrast = (
                1.05 / (luminance + 0.05)
                if drawing.ink(tuple(colour)) == "white"
                else (luminance + 0.05) / 0.05
            )
            assert contrast > 4.5  # WCAG AA


def test_widths_agree_with_the_renderer():
    figure = plots.turn_timeline(TURNS["concurrent"])
    renderer = FigureCanvasAgg(figure).get_renderer()
    for text in [text for text in figure.axes[0].texts if text.get_text()]:
        with plots.style():
            look = {"size": text.get_fontsize(), "weight": text.get_weight()}
            assert drawing.text_width(text.get_text(), **look) == pytest.approx(
                text.get_window_extent(renderer).width, abs=5
            )


@every_turn
@pytest.mark.parametrize("draw", OF_A_TURN)
def test_texts_do_not_overlap_and_stay_inside(draw, name):
    figure = drawn(draw, name)
    written = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    with plots.style():
        renderer = FigureCanvasAgg(figure).get_renderer()
        boxes = [text.get_window_extent(renderer) for text in written]
    for k, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= 800
        assert not any(box.padded(-1).overlaps(other.padded(-1)) for other in boxes[k + 1 :])


def test_a_dollar_is_a_dollar():
    turn = a_turn("It costs $5 and not $6, I think, today")
    figure = plots.turn_timeline(turn)
    assert any("$5" in text for text in texts(figure))
    plots.png(figure)


def test_a_thin_line_has_a_contrast_of_three_to_one_on_white():
    for stage in plots.STAGE_COLOURS:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in line_colour(stage)]
        assert 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05) >= 3
    assert line_colour("llm") == to_rgb(plots.STAGE_COLOURS["llm"])  # dark enough


# The timeline.


def test_a_timeline_says_how_long_the_user_waits_and_for_what():
    (message,) = (text.get_text() for text in drawn(plots.turn_timeline, "sequential").texts)
    assert re.fullmatch(r"The user waits \d\.\d\d s; [a-z ]+ takes? longest, \d\.\d\d s( each)?", message)
    (message,) = (text.get_text() for text in drawn(plots.turn_timeline, "empty").texts)
    assert message == "How long the user waited was not measured"


def test_a_text_covers_neither_the_end_of_speech_nor_the_first_sound():
    (axes,) = plots.turn_timeline(a_turn("Hello, how are you today?")).axes
    assert [text.get_text() for text in axes.texts if text.get_bbox_patch()] == []


def test_the_axis_of_a_timeline_ends_where_it_is_told_unless_the_turn_is_longer():
    turn = TURNS["concurrent"]
    ends = [plots.turn_timeline(turn, end=end).axes[0].get_xlim()[1] for end in (None, 1.0, 50.0)]
    assert ends == pytest.approx([ends[0], ends[0], 1.02 * 50.0])


@every_turn
def test_the_timeline_has_the_bars_of_the_spans(name):
    turn = TURNS[name]
    (axes,) = drawn(plots.turn_timeline, name).axes
    for stage in ("user", "endpointing", "asr", "llm", "tts", "playback"):
        (bars,) = labelled(axes, stage)
        spans = [s for s in turn.spans if s.stage == stage and s.name != "underrun"]
        assert extents(bars) == [(s.start, s.end) for s in spans]
        if spans:
            assert tuple(bars.get_facecolor()[0][:3]) == pytest.approx(to_rgb(plots.STAGE_COLOURS[stage]))


@every_turn
def test_the_arrow_is_voice_to_voice(name):
    turn, figure = TURNS[name], drawn(plots.turn_timeline, name)
    (axes,) = figure.axes
    arrows = [text for text in axes.texts if getattr(text, "arrow_patch", None)]
    metrics = turn.metrics
    if isnan(metrics.voice_to_voice):
        assert not arrows
        assert "voice-to-voice not measured" in texts(figure)
        assert "oice-to-voice not measured" in plots.alt_text(figure)
    else:
        (arrow,) = arrows
        assert (arrow.xyann[0], arrow.xy[0]) == (metrics.speech_ended, metrics.playback_started)
        assert f"voice-to-voice {metrics.voice_to_voice:.2f} s" in texts(figure)
        assert f"oice-to-voice {metrics.voice_to_voice:.2f} s" in plots.alt_text(figure)
    for label, time in (("end of speech", metrics.speech_ended), ("first sound", metrics.playback_started)):
        assert [line.get_segments()[0][0][0] for line in labelled(axes, label)] == [time] * (not isnan(time))


def test_partials_are_ticks():
    turn = TURNS["concurrent"]
    (ticks,) = labelled(plots.turn_timeline(turn).axes[0], "partials")
    assert [segment[0][0] for segment in ticks.get_segments()] == [time for time, _ in turn.partials]


def test_underruns_are_hatched_gaps_and_counted():
    turn = TURNS["slow voice"]
    figure = plots.turn_timeline(turn)
    (gaps,) = labelled(figure.axes[0], "underrun")
    assert gaps.get_hatch()
    (bars,) = labelled(figure.axes[0], "playback")
    assert gaps.get_zorder() < bars.get_zorder()
    assert extents(gaps) == [(turn.underruns[0].start, turn.underruns[-1].end)]
    free = [(end, start) for (_, end), (start, _) in pairwise(extents(bars))]
    assert free == [(s.start, s.end) for s in turn.underruns]
    assert f"{len(turn.underruns)} underruns, 1.46 s" in plots.alt_text(figure)
    assert not labelled(plots.turn_timeline(TURNS["concurrent"]).axes[0], "underrun")


def test_a_failure_is_written_where_it_happened():
    figure = plots.turn_timeline(TURNS["failed"])
    (text,) = [t for t in figure.axes[0].texts if "failed" in t.get_text()]
    assert text.get_text() == "✕ failed: OSError: gone"
    assert text.get_position()[0] >= 3.5
    assert "llm failed (OSError: gone)" in plots.alt_text(figure)


def test_budgets_are_marks_at_their_promise():
    budgets = LatencyBudgets(llm_first_token=0.3, tts_first_chunk=0.25)
    turn = TURNS["concurrent"]
    figure = plots.turn_timeline(turn, budgets)
    metrics = turn.metrics
    marks = {
        name: labelled(figure.axes[0], name)[0].get_segments()[0][0][0]
        for name in ("asr_finalization", "llm_first_token", "tts_first_chunk")
    }
    assert marks == pytest.approx({
        "asr_finalization": metrics.asr_complete,
        "llm_first_token": metrics.llm_started + 0.3,
        "tts_first_chunk": metrics.tts_started + 0.25,
    })  # fmt: skip
    assert "budget missed: first token by 0.20 s" in plots.alt_text(figure)
    assert plots.alt_text(figure).count("missed") == 1


# The other figures of one turn.


def test_a_breakdown_has_values_and_no_bar_for_what_was_not_measured():
    figure = plots.stage_breakdown(TURNS["concurrent"])
    assert [bar.get_width() for bar in figure.axes[0].patches] == pytest.approx([0.3, 0.5, 0.28, 0.2])
    assert {"0.30 s", "0.50 s", "0.28 s", "0.20 s"} <= set(texts(figure))
    failed = plots.stage_breakdown(TURNS["failed"])
    assert [bar.get_width() for bar in failed.axes[0].patches] == pytest.approx([0.3, 0.3])
    assert texts(failed).count("not measured") == 2
    assert plots.alt_text(failed).endswith("LLM generation not measured, TTS first chunk not measured.")


def test_the_ribbon_changes_with_the_states():
    turn = TURNS["concurrent"]
    (axes,) = plots.state_ribbon(turn).axes
    metrics = turn.metrics
    assert extents(labelled(axes, "processing_speech")[0]) == [(0.1, metrics.asr_complete)]
    assert extents(labelled(axes, "thinking")[0]) == [(metrics.asr_complete, metrics.playback_started)]
    assert extents(labelled(axes, "speaking")[0]) == [
        (metrics.playback_started, round(metrics.playback_ended, 9))
    ]
    first, last = labelled(axes, "listening")
    assert extents(first) == [(0, 0.1)]
    assert extents(last)[0][0] == round(metrics.playback_ended, 9)
    speaking = metrics.playback_ended - metrics.playback_started
    assert axes.figure.get_suptitle().endswith(f"speaking {speaking:.2f} s")


def test_an_interruption_of_no_length_is_named():
    figure = plots.state_ribbon(TURNS["failed"])
    assert "interrupted" in texts(figure)
    assert "interrupted from 3.50 s" in plots.alt_text(figure)


def test_revised_words_are_boxed_and_no_others():
    turn = TURNS["revised"]
    figure = plots.partials_over_time(turn)
    boxed = [t.get_text() for t in figure.axes[0].texts if t.get_bbox_patch() is not None]
    assert boxed == ["ho", "ar", "yo"]
    assert "3 words revised later (ho, ar, yo)" in plots.alt_text(figure)
    plain = plots.partials_over_time(TURNS["concurrent"])
    assert all(t.get_bbox_patch() is None for t in plain.axes[0].texts)


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0, "0 words revised later;"),
        (1, "1 word revised later (w0);"),
        (6, "6 words revised later (w0, w1, w2, w3, w4, w5);"),
        (7, "7 words revised later (w0, w1, w2, w3, w4, w5 and 1 more);"),
        (20, "20 words revised later (w0, w1, w2, w3, w4, w5 and 14 more);"),
    ],
)
def test_of_many_revised_words_six_are_listed(number, told):
    first, final = (" ".join(f"{letter}{k}" for k in range(number)) or "yes" for letter in "wv")
    log = EventLog(
        events=(
            Event(0.0, "user", "input", {"text": final}),
            Event(0.5, "asr", "partial", {"text": first}),
            Event(1.0, "asr", "complete", {"text": final}),
        )
    )
    assert f"1 partial transcript, {told} final at 1.00 s" in plots.alt_text(
        plots.partials_over_time(Turn(log))
    )


def test_each_partial_lasts_until_the_next():
    turn = TURNS["concurrent"]
    (axes,) = plots.partials_over_time(turn).axes
    times = [*(time for time, _ in turn.partials), turn.metrics.asr_complete]
    segments = [extents(bar)[0] for bar in labelled(axes, "partial")]
    assert segments == list(pairwise(times))
    assert extents(labelled(axes, "final")[0])[0][0] == times[-1]
    for label, time in (
        ("end of speech", turn.metrics.speech_ended),
        ("end of turn", turn.metrics.end_of_turn),
    ):
        assert labelled(axes, label)[0].get_xdata()[0] == time


# Figures of many turns.


def test_the_parts_sum_to_the_wait():
    turns = list(TURNS.values())
    figure = plots.voice_to_voice_parts(turns, labels=list(TURNS))
    bars = figure.axes[0].patches
    for y, turn in enumerate(turns):
        row = [bar for bar in bars if round(bar.get_y() + bar.get_height() / 2) == y]
        wait = turn.metrics.voice_to_voice
        if isnan(wait):
            assert not row
            continue
        assert sum(bar.get_width() for bar in row) == pytest.approx(wait, abs=1e-9)
        assert [bar.get_width() for bar in row] == [part.seconds for part in turn.parts]
        assert row[0].get_x() == 0
        assert max(bar.get_x() + bar.get_width() for bar in row) == pytest.approx(wait, abs=1e-9)
    assert texts(figure).count("not measured") == 2
    assert set(TURNS) <= set(texts(figure))


def test_parts_are_named_with_their_milliseconds():
    figure = plots.voice_to_voice_parts([TURNS["concurrent"]], budget=1.0)
    assert {"endpointing\n500 ms", "first token\n500 ms", "recognition 100 ms", "1.62 s"} <= set(
        texts(figure)
    )
    assert "budget 1.00 s" in texts(figure)
    assert labelled(figure.axes[0], "budget")[0].get_xdata()[0] == 1.0
    assert "text aggregation 20 ms" in plots.alt_text(figure)


def test_labels_must_match_the_turns():
    with pytest.raises(ValueError, match="2 names for 1 turns"):
        plots.voice_to_voice_parts([TURNS["concurrent"]], labels=["a", "b"])
    with pytest.raises(ValueError, match="budget"):
        plots.voice_to_voice_parts([TURNS["concurrent"]], budget=-1.0)


def test_what_was_not_measured_has_no_point_least_of_all_at_zero():
    turns = [TURNS["sequential"], TURNS["failed"], TURNS["concurrent"]]
    figure = plots.time_to_first_audio_across_turns(turns, budget=1.0)
    for name, values in (
        ("voice-to-voice", [t.metrics.voice_to_voice for t in turns]),
        ("time to first audio", [t.metrics.get_time_to_first_audio() for t in turns]),
    ):
        (line,) = labelled(figure.axes[0], name)
        np.testing.assert_array_equal(line.get_ydata(), values)
        assert isnan(line.get_ydata()[1])
        assert name in texts(figure)
    (note,) = [t for t in figure.axes[0].texts if t.get_text() == "not measured"]
    assert note.xy[0] == 2
    assert "turn 2 not measured" in plots.alt_text(figure)


def test_the_two_names_at_the_right_end_stay_apart():
    figure = plots.time_to_first_audio_across_turns([TURNS["concurrent"]], budget=1.62)
    names = [t for t in figure.axes[0].texts if t.get_text() in ("voice-to-voice", "budget 1.62 s")]
    heights = [t.get_position()[1] for t in names]
    assert abs(heights[0] - heights[1]) > 0.05 * figure.axes[0].get_ylim()[1]


def test_no_turns_at_all_are_no_error():
    assert "no turn" in plots.alt_text(plots.voice_to_voice_parts([]))
    assert plots.alt_text(plots.time_to_first_audio_across_turns([])).startswith("0 turns")


def test_nothing_can_be_added_up_by_eye_that_was_only_summarised():
    figure = plots.voice_to_voice_parts([TURNS["sequential"], *[TURNS["concurrent"]] * 6])
    assert plots.alt_text(figure) == "Voice-to-voice: 1.62 s to 1.88 s, median 1.62 s."


# Sound.


def test_energy_is_in_decibels_below_full_scale():
    times, dbfs = plots.energy(np.full(1600, 0.1, dtype=np.float32), 16000)
    assert times[:2] == pytest.approx([0.005, 0.015])
    assert dbfs == pytest.approx(-20, abs=1e-5)
    assert plots.energy(np.zeros(1600), 16000)[1] == pytest.approx(-80)


def test_the_waveform_keeps_its_peaks_and_the_threshold_its_place():
    figure = plots.waveform_and_energy(SOUND, 16000, -26.0)
    wave, energy = figure.axes
    box = wave.collections[0].get_paths()[0].get_extents()
    assert (box.y0, box.y1) == pytest.approx((SOUND.min(), SOUND.max()))
    assert wave.get_xlim() == (0, 2.0)
    assert labelled(energy, "threshold")[0].get_ydata()[0] == -26.0
    assert f"peak amplitude {np.abs(SOUND).max():.2f}" in plots.alt_text(figure)
    assert energy.get_ylabel() == "dBFS"


def test_a_spectrogram_shows_a_tone_where_it_is():
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    figure = plots.spectrogram(tone, 16000)
    assert "strongest near 1000 Hz" in plots.alt_text(figure)
    picture = figure.axes[0].images[0]
    assert picture.get_extent()[3] == 8.0
    assert len(labelled(figure.axes[1], "energy")) == 1


@pytest.mark.parametrize(
    ("samples", "rate", "complaint"),
    [
        (np.zeros((10, 2)), 16000, "one channel"),
        (np.zeros(10), 16000, "10 ms"),
        (np.zeros(999), 0, "sample_rate"),
    ],
)
def test_sound_that_cannot_be_drawn_is_an_error(samples, rate, complaint):
    for draw in (plots.waveform_and_energy, plots.spectrogram):
        with pytest.raises(ValueError, match=complaint):
            draw(samples, rate)


# --- Whatever people say --------------------------------------------------------------------------


def titled(text):
    figure, (axes,) = plots.new_figure(2)
    axes.set_title(text)
    drawing.write_beside(axes, 0.5, 0.5, text, "left")
    return plots.png(figure)


@pytest.mark.parametrize("text", ["今天天气怎么样", "오늘 날씨", "मौसम कैसा है", "مرحبا", "😀", "\U000f0000"])
def test_a_script_that_no_font_has_is_drawn_quietly(text):
    # The suite makes an error of every warning.
    assert titled(text) == titled(text)


def test_a_file_name_that_is_not_utf_8_is_drawn_with_an_escape():
    assert titled("caf\udce9.wav") == titled(r"caf\udce9.wav")


def test_a_character_that_only_another_font_has_is_taken_from_it():
    assert families(frozenset("Où?")) == ["DejaVu Sans"]
    script_g = "\u210a"  # in STIXGeneral, which matplotlib brings too, and not in the font of the figures
    assert families(frozenset("a" + script_g))[0] == "DejaVu Sans"
    assert len(families(frozenset("a" + script_g))) == 2
    assert titled(script_g) != titled("\U000f0001")  # not a box


def test_a_character_that_no_font_has_asks_for_none():
    assert families(frozenset("\U000f0000")) == ["DejaVu Sans"]


def test_a_turn_in_another_script_has_its_timeline():
    turn = Turn(
        EventLog(
            events=(
                Event(0.0, "user", "input", {"text": "今天天气"}),
                Event(1.0, "asr", "complete", {"text": "今天天气"}),
            )
        )
    )
    assert plots.png(plots.turn_timeline(turn)).startswith(b"\x89PNG")
