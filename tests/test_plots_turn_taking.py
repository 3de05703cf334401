"""Figures of turn taking: their points are the published ones, the model's, or the table's."""

import numpy as np
import pandas as pd
import pytest

from voice_agent_lab.models.pauses import PauseModel
from voice_agent_lab.plots import alt_text
from voice_agent_lab.plots.turn_taking import (
    histograms_of_waits,
    pauses_and_ends,
    published_agents,
    published_trade_off,
    saved_against_calls,
    timer_and_detector,
    yield_or_ignore,
)
from voice_agent_lab.published import eot_bench, tau_voice, telnyx


def points(line):
    return dict(zip(*(np.round(data, 9).tolist() for data in line.get_data()), strict=True))


def test_the_published_points_of_a_timer_stand_on_the_models_curve():
    model = PauseModel()
    curve, _, published = pauses_and_ends(model).axes[0].lines[:3]
    assert points(published) == eot_bench.points("silence timer")
    for seconds, share in points(published).items():
        assert np.interp(seconds, *curve.get_data()) == pytest.approx(share, abs=0.01)


def test_every_detector_has_its_published_points_and_three_have_names():
    figure = published_trade_off()
    _, *lines, empty = figure.axes[0].lines
    assert [points(line) for line in lines] == [eot_bench.points(name) for name in eot_bench.DETECTORS.index]
    assert not len(empty.get_xdata())
    assert {"LiveKit v1", "Deepgram Flux", "SmartTurn v3.2"} < {line.get_label() for line in [*lines, empty]}


def test_a_detector_stands_at_its_mean_and_at_both_of_its_waits():
    figure = timer_and_detector(PauseModel(), 0.6, [(0.75, 0.4), (0.25, 2.0)], 0.05)
    _, timer, mean, short, long = figure.axes[0].lines
    assert points(timer) == {0.6: pytest.approx(PauseModel().exceeds(0.6))}
    assert points(mean) == {0.8: 0.05}
    assert (points(short), points(long)) == ({0.4: 0.02}, {2.0: 0.02})
    assert short.get_markersize() > long.get_markersize()
    assert "0.80 s (75% 0.40 s, 25% 2.00 s)" in alt_text(figure)


def test_a_wait_that_nobody_has_is_no_bar():
    figure = histograms_of_waits({"timer": np.full(10, 0.5), "detector": np.repeat([0.3, 3.0], [8, 2])})
    heaps = [
        {round(b.get_x() + b.get_width() / 2, 9): b.get_height() for b in axes.patches}
        for axes in figure.axes
    ]
    assert heaps == [{0.5: 1.0}, {0.3: 0.8, 3.0: 0.2}]
    assert "detector: 80% 0.300 s and 20% 3.000 s, mean 0.840 s" in alt_text(figure)


def test_bets_stand_beside_the_published_box():
    table = pd.DataFrame({"saved (s)": [0.4, 0.6], "more calls": [1.5, 0.6]}, index=[0.2, 0.4])
    figure = saved_against_calls(table)
    assert points(figure.axes[0].lines[0]) == {1.5: 0.4, 0.6: 0.6}
    (box,) = figure.axes[0].patches
    assert (box.get_x(), box.get_x() + box.get_width()) == pytest.approx(telnyx.FLUX_EAGER_MORE_CALLS)
    assert (box.get_y(), box.get_y() + box.get_height()) == pytest.approx(telnyx.FLUX_EAGER_SAVED)


def test_both_errors_are_drawn_over_the_time_to_silence():
    errors = {"stopped by mm-hm": [0.9, 0.6, 0.3], "talks on": [0.0, 0.1, 0.4]}
    table = pd.DataFrame({"silent after (s)": [0.2, 0.5, 0.9], **errors}, index=[0.2, 0.5, 0.9])
    stopped, talks_on, *defaults = yield_or_ignore(table).axes[0].lines
    assert points(stopped) == {0.2: 0.9, 0.5: 0.6, 0.9: 0.3}
    assert points(talks_on) == {0.2: 0.0, 0.5: 0.1, 0.9: 0.4}
    assert [line.get_xdata()[0] for line in defaults] == [0.2, 0.5]


def test_each_published_agent_is_a_point_with_its_name():
    (axes,) = published_agents().axes
    assert len(axes.collections[0].get_offsets()) == len(tau_voice.AGENTS) == len(axes.texts)
    for text, (name, row) in zip(axes.texts, tau_voice.AGENTS.iterrows(), strict=True):
        assert text.get_text() == f"{name} (yields to {row['yields']:.0%})"
