"""The examples in the docstrings: each public name has one, and each prints what it says.

An example of a public name begins where a reader's first session does: after
``from voice_agent_lab import *``, with ``asyncio`` and NumPy as ``np`` at hand.
"""

import asyncio
import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import voice_agent_lab

PUBLIC = {name: getattr(voice_agent_lab, name) for name in voice_agent_lab.__all__}
MODULES = [module.name for module in pkgutil.walk_packages(voice_agent_lab.__path__, "voice_agent_lab.")]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def examples(value, name, names):
    """Return the examples of a value and of its methods; those that it only inherits are not its own."""
    found = doctest.DocTestFinder(exclude_empty=True).find(value, name, globs=names)
    return [example for example in found if example.examples]


def failures(example):
    """Run an example; return what it printed otherwise than it says."""
    report = []
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(example, out=report.append, clear_globs=False)
    return "".join(report)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_the_examples_of_a_public_name_print_what_they_say(name):
    at_hand = {**PUBLIC, "asyncio": asyncio, "np": np}
    found = examples(PUBLIC[name], name, at_hand)
    assert name in [example.name for example in found], f"{name} has no example"
    assert "".join(failures(example) for example in found) == ""


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_print_what_they_say(name):
    if name == "voice_agent_lab.courseware.grading":  # a step of nbgrader's own
        pytest.importorskip("nbgrader")
    module = importlib.import_module(name)
    first_page = doctest.DocTestParser().get_doctest(
        module.__doc__, dict(vars(module)), name, module.__file__, 0
    )
    assert failures(first_page) == ""
