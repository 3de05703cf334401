"""The cheat sheet: the wait, its parts, their owners, typical milliseconds and formulas, on one printed page.

It is a page of HTML beside the notebooks, made from the published numbers, so that each has its source and
stands in one place.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from matplotlib.colors import to_rgb

from voice_agent_lab.lessons.folder import course_folder
from voice_agent_lab.measure.writing import write_whole
from voice_agent_lab.plots.drawing import STAGE_COLOURS, ink
from voice_agent_lab.published import aiewf_eval, coval, eot_bench, people, primer, smart_turn, stt_benchmark

NAME = "cheat_sheet.html"
"""Its file's name, in the folder of the notebooks."""

_STAGES = {
    "microphone": "microphone",
    "voice activity": "vad",
    "endpointing": "endpointing",
    "recognition": "asr",
    "language model": "llm",
    "aggregation": "aggregation",
    "synthesis": "tts",
    "playback": "playback",
}  # each stage of the chain, with its name in `STAGE_COLOURS`

_LOOK = """
@page { size: A4; margin: 10mm }
body { font: 8.3pt/1.26 system-ui, sans-serif; color: #111; background: #fff; max-width: 190mm;
       margin: 0 auto; padding: 4mm }
h1 { font-size: 15pt; margin: 0 } h2 { font-size: 10pt; margin: 2.2mm 0 .6mm }
p { margin: .6mm 0 } ol { list-style: none; display: flex; padding: 0; margin: 2mm 0; gap: 3.4mm }
li { flex: 1; text-align: center; padding: 1.1mm .2mm; border-radius: 1mm; font-size: 7.4pt; position: relative;
     print-color-adjust: exact; -webkit-print-color-adjust: exact }
li + li::before { content: "\\2192"; position: absolute; left: -3.2mm; color: #111 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .35mm 1.6mm .35mm 0; border-bottom: .2mm solid #bbb }
thead th { border-bottom: .4mm solid #111 } tbody th { font-weight: 600; white-space: nowrap }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 0 6mm } small { font-size: 7pt }
@media screen and (max-width: 700px) { .two { display: block } ol { flex-wrap: wrap } tbody th { white-space: normal } }
@media print { body { padding: 0 } }
"""


def page() -> str:
    """Return the cheat sheet as a page of HTML."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Voice Agent Lab: cheat sheet</title>
<style>{_LOOK}</style>
</head>
<body>
<main>
<h1>Where the milliseconds of a voice agent go</h1>
<p>Each stage reads the one before it. The user waits from the true end of speech to the first audible sound.</p>
<ol>{"".join(_stage(*stage) for stage in _STAGES.items())}</ol>
<h2>The parts of the wait, in their order; they sum to voice-to-voice</h2>
{_table(("part", "ends with", "owner", "typical", "what shortens it, and what that costs"), _parts())}
<div class="two">
<section>
<h2>What is measured</h2>
{_table(("name", "definition"), _DEFINITIONS)}
<h2>What people do</h2>
{_table(("silence", "milliseconds"), _people())}
</section>
<section>
<h2>Formulas</h2>
{_table(("what", "formula"), _FORMULAS)}
</section>
</div>
<h2>When you measure</h2>
<p>Not measured is never zero. &middot; Start at the true end of speech, end at the first <em>audible</em> sample.
&middot; A budget is a promise, a latency is what happened. &middot; A median needs its sample size and an
interval. &middot; The 99th percentiles of the parts do not sum to that of the whole. &middot; A filler shortens
voice-to-voice and not the time to the answer. &middot; Generators that read each other do not overlap: it takes
a task and a bounded queue. &middot; The microphone never waits.</p>
<p><small>Sources: {_SOURCES} Words: glossary.md. Text and figures: CC BY 4.0, Voice Agent Lab.</small></p>
</main>
</body>
</html>
"""


def _stage(name: str, colour: str) -> str:
    colour = STAGE_COLOURS[colour]
    return f'<li style="background: {colour}; color: {ink(to_rgb(colour))}">{name}</li>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the cells are HTML, the first one of each row is its header."""
    lines = [
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    ]
    columns = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "\n".join(lines)
    return f"<table><thead><tr>{columns}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _parts() -> list[tuple[str, ...]]:
    way_in, way_out = sum(primer.TO_AGENT_MS.values()), sum(primer.TO_USER_MS.values())
    livekit = eot_bench.OPERATING_POINTS["mean wait"]["LiveKit v1", "5 %"]
    finals = [_ms(row["median"]) for row in coval.FINAL_TRANSCRIPT.values()]
    medians = [median for median, _, _ in aiewf_eval.HOSTED_MS.values()]
    gpt = aiewf_eval.HOSTED_MS["gpt-4.1"]
    nova = stt_benchmark.DEEPGRAM_NOVA_3
    models = smart_turn.COMPUTE_MS
    return [
        ("last frame", "its capture", "setting", "0 to 1 frame", "shorter frames; more packets"),
        ("input transport", "its delivery", "network", f"{way_in} ms [1]", "a server nearby; smaller buffers"),
        (
            "endpointing", "end of turn", "setting",
            f"a timer of 0.6 s cuts off {100 * eot_bench.SILENCE_TIMER[0.6]:.0f} % of pauses;"
            f" LiveKit v1 cuts off 5 % and waits {livekit:.2f} s in the mean [2]",
            "a shorter timer cuts more users off; a learned detector needs computing",
        ),
        ("end-of-turn model", "end of turn", "service", f"{models[0]} to {models[1]} ms [3]", "a faster processor"),
        ("backlog", "end of turn", "pipeline", "0 while real-time factors stay below 1", "less work per frame"),
        (
            "recognition, finalisation", "final transcript", "service",
            f"{min(finals)} to {max(finals)} ms in the median [4]; Deepgram nova-3"
            f" from the end of speech {_ms(nova['median'])}, p99 {_ms(nova['p99'])} ms [5]",
            "a streaming recogniser; finalise in the silence",
        ),
        (
            "first token", "first token", "service",
            f"medians of {min(medians)} to {max(medians)} ms; gpt-4.1 {gpt[0]}, p95 {gpt[1]} ms [6]",
            "a smaller model; a shorter prompt; an eager start, which wastes tokens",
        ),
        (
            "text aggregation", "first piece", "setting", f"{primer.SERVICES_MS['sentence aggregation']} ms [1]",
            "words or clauses instead of sentences; poorer prosody",
        ),
        (
            "first chunk", "first chunk", "service", f"{primer.SERVICES_MS['synthesis, first audio']} ms [1]",
            "a streaming voice; a short first piece",
        ),
        ("output transport", "its delivery", "network", f"{way_out} ms [1]", "as on the way in"),
        ("leading silence", "audible sample", "service", "measure it: 05", "cut it off; another voice"),
        (
            "voice-to-voice", "", "", f"{sum(primer.PRIMER_MS.values())} ms in sum; target {primer.TARGET_MS} ms [1]",
            "overlap: concurrent stages, eager answers",
        ),
    ]  # fmt: skip


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


def _people() -> list[tuple[str, ...]]:
    low, high = people.ANSWER_MEDIANS_MS
    return [
        ("mean before an answer [7]", f"{people.ANSWER_MEAN_MS}; medians of ten languages {low} to {high}"),
        ("ratings drop notably [8]", f"at {people.RATINGS_DROP_MS}"),
    ]


_DEFINITIONS = (
    ("voice-to-voice", "first audible sound &minus; true end of speech"),
    ("time to first token", "first token &minus; request"),
    ("time to first audio", "first chunk &minus; final transcript (the article&rsquo;s)"),
    ("total latency", "last chunk &minus; first frame (the article&rsquo;s)"),
    ("barge-in to silence", "silence at the user&rsquo;s ear &minus; first sound of the interruption"),
    ("underrun", "a silence in the answer, because a chunk came late"),
)

_FORMULAS = (
    ("frame <i>k</i> of <i>d</i> s arrives", "(<i>k</i> + 1) <i>d</i>"),
    ("real-time factor <i>r</i>", "computing &divide; sound"),
    ("backlog after <i>T</i> s of speech", "max(0, <i>r</i> &minus; 1) <i>T</i>"),
    ("a detector&rsquo;s mean wait", "<i>p</i> &middot; delay + (1 &minus; <i>p</i>) &middot; timeout"),
    ("&emsp;it detects <i>p</i> of the ends", "<small>not for detectors that fire late</small>"),
    ("a timer cuts off", "the share of pauses longer than it"),
    ("sequential wait", "endpointing + final + whole reply + first chunk"),
    ("concurrent wait", "endpointing + final + first piece + first chunk"),
    ("eager saves at most", "end of turn &minus; the partial it trusts"),
    ("no underrun", "chunk <i>n</i> comes before start + sound of 0&hellip;<i>n</i>&minus;1"),
    ("tokens per pass, <i>k</i> drafted,", "(1 &minus; <i>a</i><sup><i>k</i>+1</sup>) &divide; (1 &minus; <i>a</i>)"),
    ("&emsp;each accepted with <i>a</i>", "<small>speculative decoding; not the first token</small>"),
    ("turns that show a p99 at all", "<i>n</i> &ge; ln 0.05 &divide; ln 0.99 = 299"),
    ("&emsp;with 95 % certainty", "<small>one of <i>n</i> lies beyond it</small>"),
)  # fmt: skip

_SOURCES = " ".join(
    f"[{number}] {escape(text)}."
    for number, text in enumerate(
        (
            "Voice AI & Voice Agents, a primer, 2025-10",
            f"{eot_bench.SOURCE}: {eot_bench.TURNS} turns, {eot_bench.PAUSES} pauses",
            "Smart Turn v3, daily.co, 2025-09, a modern processor and a cheap server",
            "Coval, 30 days to 2026-08-22, told that speech has ended",
            stt_benchmark.SOURCE,
            aiewf_eval.SOURCE,
            "Stivers et al. 2009",
            "Roberts & Francis 2013",
        ),
        start=1,
    )
)


def refresh(*, check: bool = False) -> list[Path]:
    """Write the cheat sheet beside the notebooks; return its path if that changes it.

    Parameters
    ----------
    check : bool
        Write nothing.
    """
    path = course_folder() / NAME
    if path.exists() and path.read_text(encoding="utf-8") == page():
        return []
    if not check:
        write_whole(path, page())
    return [path]
