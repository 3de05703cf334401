"""The cheat sheet: what is committed is what the published numbers make, and says the turn as the package does."""

from html.parser import HTMLParser

import pytest

from voice_agent_lab import StageLatencies, StreamingVoiceAgent, simulate
from voice_agent_lab.courseware import cheat_sheet
from voice_agent_lab.lessons.folder import course_folder
from voice_agent_lab.published import primer


class _Cells(HTMLParser):
    """The rows of a page's tables, each a list of the texts of its cells."""

    def __init__(self):
        super().__init__()
        self.rows, self.unclosed = [], []

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "br"):
            self.unclosed.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.unclosed.pop() == tag

    def handle_data(self, text):
        if self.rows and self.rows[-1] and {"th", "td"} & set(self.unclosed):
            self.rows[-1][-1] += text


def cells():
    parser = _Cells()
    parser.feed(cheat_sheet.page())
    parser.close()
    assert parser.unclosed == []
    return parser.rows


def test_the_page_beside_the_notebooks_is_the_one_that_the_published_numbers_make():
    assert cheat_sheet.refresh(check=True) == []


def test_a_page_that_differs_is_written_again_and_a_check_only_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(cheat_sheet, "course_folder", lambda: tmp_path)
    path = tmp_path / cheat_sheet.NAME
    assert cheat_sheet.refresh(check=True) == [path]
    assert not path.exists()
    assert cheat_sheet.refresh() == [path]
    assert path.read_text(encoding="utf-8") == (course_folder() / cheat_sheet.NAME).read_text(
        encoding="utf-8"
    )
    assert cheat_sheet.refresh() == []


def test_the_sum_of_the_primer_and_both_its_ways_are_computed():
    rows = {row[0]: row for row in cells() if len(row) == 5}
    assert rows["voice-to-voice"][3].startswith(f"{sum(primer.PRIMER_MS.values())} ms")
    assert rows["input transport"][3].startswith("114 ms")
    assert rows["output transport"][3].startswith("89 ms")


def test_every_part_of_a_simulated_wait_has_a_row_with_its_owner():
    rows = {name: row[2] for row in cells() if len(row) == 5 for name in row[0].split(", ")}
    agent = StreamingVoiceAgent(latencies=StageLatencies(), overlap="sequential")
    simulate(agent.process_turn("What time is it?"))
    for part in agent.turns[0].parts:
        assert rows[part.name] == part.owner


@pytest.mark.parametrize("overlap", ["sequential", "concurrent"])
def test_the_formula_of_a_wait_holds(overlap):
    agent = StreamingVoiceAgent(overlap=overlap)
    simulate(agent.process_turn("What time is it?"))
    (turn,) = agent.turns
    stamps = turn.metrics
    text = {"sequential": stamps.llm_complete, "concurrent": stamps.tts_started}[overlap] - stamps.llm_started
    final = stamps.asr_complete - stamps.end_of_turn
    wait = (stamps.end_of_turn - stamps.speech_ended) + final + text + turn.latencies["tts_first_chunk"][0]
    assert wait == pytest.approx(stamps.voice_to_voice, abs=1e-9)
