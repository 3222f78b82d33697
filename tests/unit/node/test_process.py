import asyncio
import os
import signal
import threading
from contextlib import asynccontextmanager

import pytest

from xdb.errors import IntegrityError
from xdb.node.process import run, say_ready


@pytest.fixture(autouse=True)
def no_watchdog():
    """A watchdog outlives its node, and must not end the tests that follow."""
    yield
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


class Node:
    description = "127.0.0.1:1"

    def __init__(self, end=None):
        self.log = []
        self._end = end

    async def ended(self):
        if self._end:
            raise self._end
        await asyncio.Event().wait()

    @asynccontextmanager
    async def open(self):
        self.log.append("open")
        try:
            yield self
        finally:
            self.log.append("closed")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_stops_the_node_in_order(number):
    node = Node()
    said = []

    def ready(description):
        said.append(description)
        os.kill(os.getpid(), number)

    await run(node.open(), stop_within=60, ready=ready)
    assert node.log == ["open", "closed"]
    assert said == ["127.0.0.1:1"]


async def test_node_that_cannot_go_on_is_closed_and_says_why():
    node = Node(end=IntegrityError("the disk lies"))
    with pytest.raises(ExceptionGroup) as caught:
        await run(node.open(), stop_within=60, ready=lambda _: None)
    assert caught.value.exceptions == (node._end,)
    assert node.log == ["open", "closed"]


async def test_signal_during_start_stops_it():
    closed = []

    @asynccontextmanager
    async def never():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
            yield Node()
        finally:
            closed.append(True)

    await run(never(), stop_within=60, ready=lambda _: None)
    assert closed == [True]


def test_ready_line(capsys):
    read, write = os.pipe()
    say_ready(write)("127.0.0.1:1#ab")
    assert capsys.readouterr().out == "ready 127.0.0.1:1#ab\n"
    assert os.read(read, 100) == b"ready 127.0.0.1:1#ab\n"
    assert os.read(read, 100) == b""
    os.close(read)
