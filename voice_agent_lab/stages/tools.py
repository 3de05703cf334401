"""Tools: functions that a language model may call in the middle of a turn, and what is said meanwhile.

The model does not know the weather, so it asks for a function to be called, and answers with its
result. For the user this is more waiting: for the model to decide, for the tool, and for the model
again. A *filler*, such as "One moment, please", ends the silence, not the wait for the answer.
"""

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, get_type_hints

import numpy as np

from voice_agent_lab.checks import check_kind, check_seconds, shown
from voice_agent_lab.measure.log import record, strict_json
from voice_agent_lab.stages.distributions import Distribution, drawn
from voice_agent_lab.streams import StageError, named

_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", list: "array", dict: "object"}


@dataclass(frozen=True)
class ToolCall:
    """A language model's wish that a tool be called.

    Attributes
    ----------
    name : str
        The tool's.
    arguments : str
        A JSON object with the arguments by their names.
    identity : str
        What the model calls this call, so that its result can be told from others.
    """

    name: str
    arguments: str = "{}"
    identity: str = ""


@dataclass(frozen=True)
class Tool:
    """A function that a language model may call.

    Attributes
    ----------
    name : str
        What the model calls it.
    function : callable
        What is called, by keyword; a coroutine function is awaited, any other runs in a thread.
    description : str
        What it is good for, for the model to read.
    parameters : mapping
        The JSON schema of its arguments.

    Examples
    --------
    >>> def add(a: int, b: int = 1) -> int:
    ...     "Add two numbers."
    ...     return a + b
    >>> tool = Tool.of(add)
    >>> tool.description, tool.parameters["required"]
    ('Add two numbers.', ['a'])
    """

    name: str
    function: Callable[..., Any]
    description: str = ""
    parameters: Mapping[str, Any] = field(
        default_factory=lambda: MappingProxyType({"type": "object", "properties": {}})
    )

    @classmethod
    def of(cls, function: "Callable[..., Any] | Tool") -> "Tool":
        """Make a tool of a function: its name, the first paragraph of its docstring, its annotations."""
        if isinstance(function, Tool):
            return function
        if not callable(function):
            raise TypeError(f"a tool is {shown(function)}; it must be a function, or a Tool")
        hints, properties, required = get_type_hints(function), {}, []
        for name, parameter in inspect.signature(function).parameters.items():
            hint = hints.get(name, str)
            kind = _JSON_TYPES.get(getattr(hint, "__origin__", hint))
            if kind is None:
                raise TypeError(
                    f"parameter {name!r} of the tool {function.__name__} is annotated {shown(hint)}; "
                    f"use one of {', '.join(k.__name__ for k in _JSON_TYPES)}, or make a Tool with a JSON schema"
                )
            properties[name] = {"type": kind}
            if parameter.default is parameter.empty:
                required.append(name)
        schema = {"type": "object", "properties": properties, "required": required}
        description = (inspect.getdoc(function) or "").partition("\n\n")[0]
        return cls(function.__name__, function, description, schema)

    async def run(self, arguments: str) -> str:
        """Call the function with the arguments in a JSON object; return its result as text."""
        given = json.loads(arguments or "{}")
        if not isinstance(given, dict):
            raise TypeError(f"the arguments are {shown(arguments)}; they must be a JSON object")
        if inspect.iscoroutinefunction(self.function):
            result = await self.function(**given)
        else:
            result = await asyncio.to_thread(self.function, **given)
        return result if isinstance(result, str) else strict_json(result)


@dataclass(frozen=True)
class Tools:
    """The tools of an agent, and what it says while one works.

    Parameters
    ----------
    functions : sequence of callable or Tool
        What the model may call.
    filler : str
        What the agent says meanwhile, once in a turn; nothing, if empty.
    filler_after : float
        Seconds that a tool may work before the filler is said. A filler that has begun is said to its
        end, and the answer waits for it.
    max_rounds : int
        How often the model may call in one turn; after that it is offered no tools and must answer.
    """

    functions: Sequence["Callable[..., Any] | Tool"] = ()
    filler: str = ""
    filler_after: float = 0.0
    max_rounds: int = 3

    def __post_init__(self) -> None:
        check_kind("filler", self.filler, str)
        check_seconds("filler_after", self.filler_after)
        if self.max_rounds < 1:
            raise ValueError(f"max_rounds is {self.max_rounds!r}; the model must be allowed to call once")
        names = [tool.name for tool in self.offered]
        if len(set(names)) < len(names):
            raise ValueError(f"the tools are called {', '.join(names)}; give each a name of its own")

    @property
    def offered(self) -> tuple[Tool, ...]:
        """The tools, as a language model is given them."""
        return tuple(map(Tool.of, self.functions))

    async def use(self, call: ToolCall) -> str:
        """Do what a call wishes; return what to tell the model, which is what went wrong if the tool fails.

        The failure is in the log under the stage "tool".
        """
        try:
            with named("tool"):
                tool = next((tool for tool in self.offered if tool.name == call.name), None)
                if tool is None:
                    there = ", ".join(tool.name for tool in self.offered)
                    raise LookupError(f"no tool is called {call.name!r}; there are {there}")
                result = await tool.run(call.arguments)
        except Exception as failure:
            cause = failure.__cause__ if isinstance(failure, StageError) else failure
            return f"The tool {call.name} failed: {type(cause).__name__}: {cause}"
        record("tool", "returned", tool=call.name, text=result)
        return result


def simulated_tool(
    name: str,
    takes: Distribution | float = 0.5,
    result: str = "done",
    *,
    rng: np.random.Generator | None = None,
) -> Tool:
    """Return a tool that does nothing but take its time.

    Parameters
    ----------
    name : str
        What the model calls it.
    takes : Distribution or float
        Seconds that a call takes.
    result : str
        What it returns.
    rng : numpy.random.Generator, optional
        For the latency; seeded with 0 if not given.
    """
    wait = drawn("takes", takes, rng or np.random.default_rng(0))

    async def work(**_: object) -> str:
        await asyncio.sleep(wait())
        return result

    return Tool(name, work)
