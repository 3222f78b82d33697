"""Processes that outlive their starter, and are ended without ever hitting a stranger.

A process is known by its number and the moment it started, so that a number used again
names nobody. Each leads a session of its own; what it starts belongs to that session and
ends with it. Linux only: /proc and process file descriptors.
"""

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from xdb.errors import ConfigError

READY_FD = 3
_PROC = Path("/proc")
_KILLED_WITHIN = 10.0
_GLANCE = 0.005


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that can be told from every other on this machine since it was switched on."""

    pid: int
    started: int  # clock ticks since boot
    boot: str

    @property
    def is_running(self) -> bool:
        """Whether it still runs; one that ended and was not collected does not."""
        stat = _stat(self.pid)
        return stat is not None and self._is(stat) and not _is_over(self.pid, stat)

    @property
    def is_paused(self) -> bool:
        """Whether it was stopped where it stands."""
        stat = _stat(self.pid)
        return stat is not None and stat.state == "T" and self._is(stat)

    def members(self) -> list[int]:
        """The processes of its session, itself included when it runs."""
        if self.boot != boot_id():
            return []
        leader = _stat(self.pid)
        if leader is not None and not self._is(leader):
            return []
        numbers = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
        return [
            number
            for number in numbers
            if (stat := _stat(number)) is not None
            and stat.session == self.pid
            and stat.started >= self.started
            and not _is_over(number, stat)
        ]

    def _is(self, stat: "_Stat") -> bool:
        return stat.started == self.started and self.boot == boot_id()


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    session: int
    started: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name before may hold anything
    return _Stat(state=fields[0], session=int(fields[3]), started=int(fields[19]))


def _is_over(pid: int, stat: _Stat) -> bool:
    """Whether nothing of it runs: its first thread may end, or be killed, before others do.

    These still hold its files.
    """
    if stat.state != "Z":
        return False
    try:
        return len(list((_PROC / str(pid) / "task").iterdir())) <= 1
    except (FileNotFoundError, ProcessLookupError):
        return True


def boot_id() -> str:
    """Differs from one start of the machine to the next."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


class Starting:
    """A process that was started and has not said yet that it is ready."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str]) -> None:
        """Starts `command`, detached, output appended to `log`; it reports to `READY_FD`."""
        self._pipe, write = os.pipe()
        try:
            pid = os.posix_spawn(
                command[0],
                command,
                environment,
                file_actions=(
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                    (os.POSIX_SPAWN_DUP2, write, READY_FD),
                ),
                setsid=True,
                setsigmask=(),
            )
        finally:
            os.close(write)
        stat = _stat(pid)
        self.id = ProcessId(pid, stat.started if stat else 0, boot_id())

    def wait(self, seconds: float) -> str | None:
        """Its report, such as `ready 127.0.0.1:7400`; None when it ended or took too long."""
        said = b""
        try:
            while not said.endswith(b"\n"):
                readable, _, _ = select.select([self._pipe], [], [], seconds)
                part = os.read(self._pipe, 4096) if readable else b""
                if not part:
                    return None
                said += part
        finally:
            os.close(self._pipe)
        return said.decode().strip()


def end(process: ProcessId, seconds: float) -> bool:
    """Asks the process to end, and after `seconds` makes it; whether asking was enough."""
    asked = send(process, signal.SIGTERM)
    gone = not asked or _wait(process, seconds)
    kill(process)
    return gone


def kill(process: ProcessId) -> None:
    """Ends the process and everything it started, at once."""
    send(process, signal.SIGKILL)
    _wait(process, _KILLED_WITHIN)
    for pid in process.members():
        _kill_member(process, pid)
    with suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)


def _kill_member(process: ProcessId, pid: int) -> None:
    with suppress(ProcessLookupError), _descriptor(pid) as descriptor:
        if pid in process.members():  # looked at again now that the descriptor holds the number
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            select.select([descriptor], [], [], _KILLED_WITHIN)


def pause(process: ProcessId) -> bool:
    """Stops the process where it stands, and waits until it does; whether it was there."""
    there = send(process, signal.SIGSTOP)
    while process.is_running and not process.is_paused:
        select.select([], [], [], _GLANCE)
    return there


def send(process: ProcessId, number: signal.Signals) -> bool:
    """Sends a signal through a descriptor, so that nobody else can get it; whether it was there."""
    with suppress(ProcessLookupError), _descriptor(process.pid) as descriptor:
        if process.is_running:
            signal.pidfd_send_signal(descriptor, number)
            return True
    return False


def _wait(process: ProcessId, seconds: float) -> bool:
    """Whether it ended within `seconds`."""
    with suppress(ProcessLookupError), _descriptor(process.pid) as descriptor:
        if process.is_running:
            return bool(select.select([descriptor], [], [], seconds)[0])
    return True


@contextmanager
def _descriptor(pid: int) -> Iterator[int]:
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Lets SIGINT and SIGTERM wait until the end of the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def check_platform() -> None:
    """ConfigError where processes cannot be handled safely."""
    if not sys.platform.startswith("linux"):
        raise ConfigError(
            f"a testnet needs Linux, this is {sys.platform}: run the nodes yourself with xdb-node"
        )
