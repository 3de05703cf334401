"""What the nbgrader edition adds to autograding: a check counts only if it ran to its end.

nbgrader gives a check's points unless its output has an error, and less if its output is a number. So
a program that prints a number before the check fails, or that turns cells into other cells, is graded
by its own output. Here each locked cell ends with a word that nobody could know beforehand, and a cell
whose output does not end with it has failed.
"""

import re

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils
from nbgrader.preprocessors import NbGraderPreprocessor

_LAST_WORD = re.compile(r'^"([0-9a-f]+)"$\s*^### END HIDDEN TESTS$', re.MULTILINE)


class RanToItsEnd(NbGraderPreprocessor):
    """Fail each check whose output does not end with its last word; comes after the execution."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, object], index: int
    ) -> tuple[NotebookNode, dict[str, object]]:
        """Give a cell the output by which nbgrader sees whether its check succeeded."""
        last_word = _LAST_WORD.search(cell.source)
        if cell.cell_type == "code" and utils.is_grade(cell) and last_word:
            shown = [output.data.get("text/plain", "") for output in cell.outputs if "data" in output]
            streams = [output for output in cell.outputs if output.get("name") == "stdout"]
            errors = [output for output in cell.outputs if output.output_type == "error"]
            if shown and shown[-1].strip("'") == last_word[1]:
                # Neither a warning on standard error nor a number among the results changes the points.
                cell.outputs = [*streams, new_output("display_data", {"text/plain": shown[-1]})]
            else:
                cell.outputs = [*streams, *(errors or [_unfinished()])]
        return cell, resources


def _unfinished() -> NotebookNode:
    sentence = "The check did not run to its end."
    error: NotebookNode = new_output("error", ename="NoAnswer", evalue=sentence, traceback=[sentence])
    return error
