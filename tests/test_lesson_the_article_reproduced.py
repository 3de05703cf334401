"""Notebook 07: what was published, and the article's faults mended one by one."""

import re
from math import isnan

import pytest

from voice_agent_lab.as_published import PROMPTS, Fault, PublishedReport
from voice_agent_lab.lessons import the_article_reproduced as lesson
from voice_agent_lab.published import article


@pytest.fixture(scope="module")
def steps():
    return lesson.mended_one_by_one(PROMPTS[0])


def test_the_article_is_mended_one_fault_at_a_time(steps):
    # As published: 20 frames of 180 ms, 0.3 s to the first token, 7 more of 20 ms, 0.15 s: 4.19 s.
    assert len(steps) == 1 + len(Fault) == 1 + len(lesson.MENDS)
    assert list(lesson.MENDS) == list(Fault)
    waits = [round(step.turn.metrics.voice_to_voice, 9) for step in steps]
    assert waits[0] == pytest.approx(20 * 0.18 + 0.3 + 7 * 0.02 + 0.15 - 2.0) == pytest.approx(2.19)
    # The microphone does not wait: only the last frame's 80 ms are left of 1.6 s.
    assert waits[1] == pytest.approx(2.19 - 1.6 + 0.08)
    # The silence timeout of 0.5 s comes back, and with it frames of silence; then 0.1 s of finalisation.
    assert waits[3] - waits[2] == pytest.approx(0.1)
    assert (steps[0].reported, steps[0].printed) == (pytest.approx(0.59), 0.0)
    assert steps[-1].reported == steps[-1].printed == pytest.approx(waits[-1])


def waited_and_reported(sentence):
    told = re.search(r"waits ([\d.]+) s: .* reports ([\d.]+) s, (\d+)% of it", sentence)
    return [float(number) for number in told.groups()]


def test_every_timed_mend_is_a_switch_and_all_of_them_together_are_the_table(steps):
    explorer = lesson.mend_the_article()
    assert waited_and_reported(explorer.sentence) == [2.19, 0.59, 27]
    values = {name: control.value for name, control in explorer.controls.items()}
    faults = [name for name in explorer.controls if name.upper() in Fault.__members__]
    _, mended = lesson.mend_the_article.draw(**{**values, **dict.fromkeys(faults, True)})
    assert waited_and_reported(mended)[0] == pytest.approx(steps[-1].turn.metrics.voice_to_voice)


def test_what_was_published_is_kept_as_it_was():
    assert [report.time_to_first_audio for report in article.FIGURE] == [0.0] * 3
    assert [report.llm_generation for report in article.FIGURE] == [0.171, 0.175, 0.17]
    for report, output in zip(article.FIGURE, article.OUTPUT, strict=True):
        assert report.llm_first_token == output.first_token
        assert report.llm_generation == round(output.llm_total - output.first_token, 3)


def test_our_output_has_the_published_counts_and_the_published_zero():
    table = lesson.output_beside_ours()
    assert list(table.loc["TTFA"]) == ["0.000 s"] * 6
    assert list(table.loc["tokens"]) == ["8"] * 6
    assert table.loc["total", "turn 1: published"] == "4.936 s"
    for count in ("frames of speech", "partials", "audio chunks"):
        published, ours = table.loc[count].iloc[::2], table.loc[count].iloc[1::2]
        assert list(published) == list(ours), count


def test_the_published_zero_hides_a_wait_that_was_measured():
    _, turn = lesson.published_turn(PROMPTS[0], replies={})
    assert PublishedReport.of(turn.metrics, lost={"asr_complete"}).time_to_first_audio == 0.0
    assert not isnan(turn.metrics.voice_to_voice)
