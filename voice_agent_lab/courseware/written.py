"""The written questions: one a notebook, with an answer and marks, read from the teaching guide.

The guide, ``TEACHING.md``, is the one place where they stand. In the section of each notebook::

    ### 00 Start here

    #### Written question

    Why ...?

    #### Answer and marks

    Because ...

    - **2** for ...
    - **1** for ...
"""

import re
from dataclasses import dataclass
from pathlib import Path

import voice_agent_lab

_SECTION = re.compile(r"^### (?P<notebook>\d\d) .*?$(?P<text>.*?)(?=^#{2,3} |\Z)", re.MULTILINE | re.DOTALL)
_QUESTION = re.compile(
    r"^#### Written question$(?P<question>.*?)^#### Answer and marks$(?P<answer>.*?)(?=^#{1,4} |\Z)",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"^- \*\*(\d+)\*\* ", re.MULTILINE)


@dataclass(frozen=True)
class WrittenQuestion:
    """A question that a person marks.

    Parameters
    ----------
    question : str
        In markdown.
    answer : str
        A full answer, and what each mark is for, in markdown.
    """

    question: str
    answer: str

    @property
    def points(self) -> int:
        """How many marks there are."""
        return sum(int(points) for points in _MARK.findall(self.answer))


def teaching_guide() -> Path:
    """Return the teaching guide's file: that of a clone, or the one inside an installed package.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    package = Path(voice_agent_lab.__file__).parent
    for path in (package.parent / "TEACHING.md", package / "TEACHING.md"):
        if path.exists():
            return path
    raise FileNotFoundError("TEACHING.md is missing; install the package again, or work in a clone")


def written_questions(guide: str) -> dict[str, WrittenQuestion]:
    """Return the written questions in the text of a teaching guide, by the two digits of their notebook."""
    questions = {}
    for section in _SECTION.finditer(guide):
        if found := _QUESTION.search(section["text"]):
            questions[section["notebook"]] = WrittenQuestion(
                found["question"].strip(), found["answer"].strip()
            )
    return questions
