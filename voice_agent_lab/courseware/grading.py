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

_LAST_WORD = re.compile(r'^("[0-9a-f]+")$\s*^### END HIDDEN TESTS$', re.MULTILINE)


class RanToItsEnd(NbGraderPreprocessor):
    """Fail each check whose output does not end with its last word; comes after the execution."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, object], index: int
    ) -> tuple[NotebookNode, dict[str, object]]:
        """Give a cell the output by which nbgrader sees whether its check succeeded."""
        last_word = _LAST_WORD.search(cell.source)
        if cell.cell_type == "code" and utils.is_grade(cell) and last_word:
            results = [output for output in cell.outputs if output.output_type == "execute_result"]
            others = [output for output in cell.outputs if output.output_type != "execute_result"]
            said = results[-1].data.get("text/plain", "").strip("'\"") if results else ""
            if said == last_word[1].strip('"'):
                # A warning on standard error would count as a failure.
                cell.outputs = [output for output in others if output.get("name") == "stdout"]
            elif not any(output.output_type == "error" for output in others):
                error = "The check did not run to its end."
                cell.outputs = [
                    *others,
                    new_output("error", ename="NoAnswer", evalue=error, traceback=[error]),
                ]
            else:
                cell.outputs = others
        return cell, resources
