"""Figures of turn taking: their points are the published ones, the model's, or the table's."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from voice_agent_lab.lessons.exercises import finished_turn
from voice_agent_lab.measure.reported import reported
from voice_agent_lab.models.pauses import PauseModel
from voice_agent_lab.plots import alt_text
from voice_agent_lab.plots.reported import reported_beside_waited
from voice_agent_lab.plots.turn_taking import (
    chance_of_the_end,
    histograms_of_waits,
    pauses_that_last,
    published_agents,
    published_trade_off,
    saved_and_called,
    timer_and_detector,
    yield_or_ignore,
)
from voice_agent_lab.presets import preset
from voice_agent_lab.published import eot_bench, tau_voice, telnyx


def points(line):
    return dict(zip(*(np.round(data, 9).tolist() for data in line.get_data()), strict=True))


def test_the_published_points_of_a_timer_stand_on_the_models_curve():
    model = PauseModel()
    curve, _, published = pauses_that_last(model).axes[0].lines[:3]
    assert points(published) == eot_bench.points("silence timer")
    for seconds, share in points(published).items():
        assert np.interp(seconds, *curve.get_data()) == pytest.approx(share, abs=0.01)


def test_the_chance_of_the_end_is_the_models():
    model = PauseModel()
    figure = chance_of_the_end(model)
    curve, *marks = figure.axes[0].lines
    for mark in marks:
        ((seconds, chance),) = points(mark).items()
        assert chance == pytest.approx(model.finished_after(seconds))
        assert np.interp(seconds, *curve.get_data()) == pytest.approx(chance, abs=0.001)
    assert figure.get_suptitle() == "After 2 s of silence the user goes on in 6% of the cases"


def test_every_detector_has_its_published_points_and_one_has_a_name():
    figure = published_trade_off()
    _, *lines = figure.axes[0].lines
    assert [points(line) for line in lines] == [eot_bench.points(name) for name in eot_bench.DETECTORS.index]
    written = [text.get_text() for text in figure.axes[0].texts]
    assert {"silence timer", "LiveKit v1", "11 other detectors", "1.06 s less"} <= set(written)
    assert figure.get_suptitle() == "At 5% cut-offs a timer makes users wait 1.60 s, LiveKit v1 0.54 s"


def test_a_detector_stands_at_its_mean_and_at_both_of_its_waits():
    figure = timer_and_detector(PauseModel(), 0.6, [(0.75, 0.4), (0.25, 2.0)], 0.05)
    _, timer, mean, short, long = figure.axes[0].lines
    assert points(timer) == {0.6: pytest.approx(PauseModel().exceeds(0.6))}
    assert points(mean) == {0.8: 0.05}
    assert (points(short), points(long)) == ({0.4: 0.01}, {2.0: 0.01})
    assert short.get_markersize() > long.get_markersize()
    assert "0.80 s (75% 0.40 s, 25% 2.00 s)" in alt_text(figure)


@pytest.mark.parametrize("alpha", [1.0, 2.5])
def test_nothing_is_drawn_outside_the_axes(alpha):
    figure = timer_and_detector(PauseModel(alpha), 3.0, [(0.5, 2.0), (0.5, 5.0)], 0.0)
    (axes,) = figure.axes
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    _, *marks = axes.lines
    for mark in marks:
        ((x, y),) = points(mark).items()
        assert left <= x <= right
        assert low <= y <= high
    picture = FigureCanvasAgg(figure).get_renderer()
    for text in axes.texts:
        assert text.get_window_extent(picture).x1 <= figure.bbox.x1
    assert figure.get_suptitle().endswith("under 1% cut off")


def test_a_wait_that_nobody_has_is_no_bar():
    figure = histograms_of_waits({"timer": np.full(10, 0.5), "detector": np.repeat([0.3, 3.0], [8, 2])})
    heaps = [
        {round(b.get_x() + b.get_width() / 2, 9): b.get_height() for b in axes.patches}
        for axes in figure.axes
    ]
    assert heaps == [{0.5: 1.0}, {0.3: 0.8, 3.0: 0.2}]
    assert "detector: 80% 0.300 s and 20% 3.000 s, mean 0.840 s" in alt_text(figure)


def test_what_bets_bring_and_cost_stands_beside_what_was_published():
    table = pd.DataFrame({"saved (s)": [0.4, 0.6], "more calls": [1.5, 0.6]}, index=[0.2, 0.4])
    figure = saved_and_called(table)
    for axes, values, published in zip(
        figure.axes,
        ([0.4, 0.6], [1.5, 0.6]),
        (telnyx.FLUX_EAGER_SAVED, telnyx.FLUX_EAGER_MORE_CALLS),
        strict=True,
    ):
        *bars, span = axes.patches
        assert [bar.get_height() for bar in bars] == values
        assert (span.get_y(), span.get_y() + span.get_height()) == pytest.approx(published)
    assert figure.get_suptitle() == "A bet after 0.4 s saves most, 0.60 s, for 60% more calls"


def test_a_report_is_drawn_where_it_counts_and_twice_where_it_counts_twice():
    turn = finished_turn(
        preset("livekit-defaults").agent(seed=4, overlap="eager"), "What's the weather like?"
    )
    figure = reported_beside_waited(turn)
    (axes,) = figure.axes
    bars = axes.patches[len(turn.parts) :]
    widths = {}
    for bar in bars:
        row = round(bar.get_y() + bar.get_height() / 2)
        widths[row] = widths.get(row, 0.0) + bar.get_width()
    assert list(widths.values()) == [pytest.approx(one.seconds) for one in reported(turn)]
    assert "One wait of 1.12 s" in figure.get_suptitle()


def test_both_errors_are_drawn_over_the_time_to_silence():
    errors = {"stopped by mm-hm": [0.9, 0.6, 0.3], "talks on": [0.0, 0.1, 0.4]}
    table = pd.DataFrame({"silent after (s)": [0.2, 0.5, 0.9], **errors}, index=[0.2, 0.5, 0.9])
    stopped, talks_on, *defaults = yield_or_ignore(table).axes[0].lines
    assert points(stopped) == {0.2: 0.9, 0.5: 0.6, 0.9: 0.3}
    assert points(talks_on) == {0.2: 0.0, 0.5: 0.1, 0.9: 0.4}
    assert [line.get_xdata()[0] for line in defaults] == [0.2, 0.5]
    assert yield_or_ignore(table).get_suptitle() == "One error for another. 0.2 s: 90% of mm-hms stop it"


def test_each_published_agent_is_a_point_with_its_name():
    (axes,) = published_agents().axes
    assert len(axes.collections[0].get_offsets()) == len(tau_voice.AGENTS) == len(axes.texts)
    for text, (name, row) in zip(axes.texts, tau_voice.AGENTS.iterrows(), strict=True):
        assert text.get_text() == f"{name} (yields to {row['yields']:.0%})"
