"""Starting and ending the processes of a testnet, one by one or several at once."""

import os
import signal
import sys

from xdb.errors import UnavailableError
from xdb.testnet import process
from xdb.testnet.layout import Layout, Member, read_process, write_process
from xdb.testnet.process import READY_FD, Starting

READY_WITHIN = 60.0
STOP_WITHIN = 15.0
LOG_LINES = 5
_OWN = {"relay": ["xdb.testnet.relay"], "anvil": ["xdb.testnet.anvil"]}
"""Programs of members that are no nodes."""


def is_running(layout: Layout, member: Member) -> bool:
    """Whether it runs, paused or not."""
    started = read_process(layout, member.name)
    return started is not None and started.is_running


def start_all(layout: Layout, members: list[Member]) -> None:
    """Starts all of these, which do not run, and returns when they serve.

    UnavailableError with the last words of those that did not start.
    """
    starting = [(member, _start(layout, member)) for member in members]
    failed = [member for member, child in starting if child.wait(READY_WITHIN) is None]
    for member in failed:
        end(layout, member)
    if failed:
        raise UnavailableError(
            "; ".join(
                f"{member.name} did not start: {_last_words(layout, member)}" for member in failed
            )
        )


def ask(layout: Layout, member: Member) -> None:
    """Asks it to end, if it runs."""
    started = read_process(layout, member.name)
    if started is not None:
        process.send(started, signal.SIGCONT)
        process.send(started, signal.SIGTERM)


def end(layout: Layout, member: Member) -> None:
    """Ends it, if it runs: in order, or at once when it takes too long."""
    started = read_process(layout, member.name)
    if started is not None:
        process.send(started, signal.SIGCONT)
        process.end(started, STOP_WITHIN)
        layout.process(member.name).unlink()


def _start(layout: Layout, member: Member) -> Starting:
    left = read_process(layout, member.name)
    if left is not None:
        process.kill(left)  # what a killed process left behind
    program = _OWN.get(member.role) or ["xdb.node", member.role]
    command = [sys.executable, "-m", *program]
    command += ["--config", str(layout.config(member)), "--ready-fd", str(READY_FD)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("XDB_")}
    with process.undisturbed():  # nothing that was started goes unrecorded
        child = Starting(command, layout.log(member.name), environment)
        write_process(layout, member.name, child.id)
    return child


def _last_words(layout: Layout, member: Member) -> str:
    log = layout.log(member.name)
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return " / ".join(lines[-LOG_LINES:]) or f"it said nothing; see {log}"
