"""The figures of sound in frames."""

import numpy as np
import pandas as pd
import pytest

from voice_agent_lab.plots import alt_text
from voice_agent_lab.plots.frames import frames_judged, pulled_and_pushed, samples_and_frames

RAMP = np.linspace(0, 0.5, 16000, dtype=np.float32)


def test_five_frames_and_two_milliseconds_of_the_middle_one():
    figure = samples_and_frames(RAMP, 16000, at=0.205)
    upper, lower = figure.axes
    assert list(upper.get_xticks()) == [200, 220, 240, 260, 280, 300]
    (dots,) = (line for line in lower.lines if line.get_marker() == "o")
    assert dots.get_xdata()[0] == 240
    assert np.array_equal(dots.get_ydata(), RAMP[3840 : 3840 + 32])
    assert "320 samples" in alt_text(figure)
    with pytest.raises(ValueError, match="five frames of 20 ms"):
        samples_and_frames(RAMP, 16000, at=0.95)


def test_a_frame_is_as_high_as_its_mean_magnitude():
    speech = [False] * 5 + [True] * 5
    figure = frames_judged(RAMP, 16000, {100: speech}, 0.25, ended=1.0)
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == pytest.approx([0.025 + 0.05 * k for k in range(10)], abs=1e-4)
    assert len({bar.get_facecolor() for bar in figure.axes[0].patches}) == 2
    assert "5 of 10 are called speech" in alt_text(figure)


def test_the_longest_hole_is_marked_and_told():
    speech = [True, False, True, False, False, False, True, True, False, False]
    figure = frames_judged(RAMP, 16000, {100: speech}, 0.25, ended=0.8)
    (arrow,) = (text for text in figure.axes[0].texts if getattr(text, "arrow_patch", None))
    assert (arrow.xyann[0], arrow.xy[0]) == pytest.approx((0.3, 0.6))
    (message,) = (text.get_text() for text in figure.texts)
    assert message == "The detector hears holes in one sentence, of up to 0.30 s"


def test_how_late_the_reader_is_stands_at_the_moment_of_capture():
    captured = pd.Series([0.1, 0.2, 0.3])
    pulled = pd.DataFrame({"captured": captured, "late": [0.08, 0.16, 0.24]})
    pushed = pd.DataFrame({"captured": captured, "late": [0.08, 0.08, 0.08]})
    figure = pulled_and_pushed(pulled, pushed)
    for line, table in zip(figure.axes[0].lines, (pulled, pushed), strict=True):
        assert list(line.get_xdata()) == list(captured)
        assert list(line.get_ydata()) == list(table.late)
    assert "pulled 80 ms late with the first frame and 0.24 s with the last" in alt_text(figure)
