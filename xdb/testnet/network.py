"""Starts, looks at, breaks and stops the processes of a testnet."""

import fcntl
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xdb.errors import ConfigError, UnavailableError
from xdb.model.ids import FileId
from xdb.model.storage import ReplicaKey
from xdb.ports.entropy import Entropy
from xdb.runtime.entropy import SystemEntropy
from xdb.testnet import lifecycle, process
from xdb.testnet.layout import (
    RELAY,
    Layout,
    Member,
    MemberRole,
    read_plan,
    read_process,
)
from xdb.testnet.partition import read_cut, set_cut
from xdb.testnet.process import ProcessId

_STAGES = ({"relay"}, {"chain", "anvil"}, {"storage", "owner"})


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process as it is now."""

    name: str
    role: MemberRole
    id: str
    address: str
    pid: int | None  # None: not running
    paused: bool
    cut: bool  # off from everybody
    log: Path


def exists(directory: Path) -> bool:
    """Whether a testnet was made here."""
    return Layout(directory).plan.exists()


def start(directory: Path) -> list[ProcessStatus]:
    """Starts what does not run, and returns when all of it serves; safe to repeat.

    UnavailableError with the last words of what did not start.
    """
    process.check_platform()
    layout = Layout(directory)
    with _changing(layout):
        members = read_plan(layout)
        for roles in _STAGES:
            stage = _of(members, roles)
            stopped = [member for member in stage if not lifecycle.is_running(layout, member)]
            lifecycle.start_all(layout, stopped)
    return status(directory)


def status(directory: Path) -> list[ProcessStatus]:
    """Every process of the network, in the order they start."""
    layout = Layout(directory)
    cut = read_cut(layout.home(RELAY))
    return [_status(layout, member, cut) for member in read_plan(layout)]


def config_of(directory: Path, name: str, role: MemberRole) -> Path:
    """The configuration of a member; ConfigError when it has another role."""
    layout = Layout(directory)
    member = _named(layout, name)
    if member.role != role:
        raise ConfigError(f"{name} is no {role} node in this testnet, but {member.role}")
    return layout.config(member)


def kill(directory: Path, name: str) -> None:
    """Ends one process at once, as a crash would."""
    layout = Layout(directory)
    with _changing(layout):
        started = read_process(layout, _named(layout, name).name)
        if started is not None:
            process.kill(started)


def pause(directory: Path, name: str) -> None:
    """Stops one process where it stands."""
    _reach(Layout(directory), name, process.pause)


def resume(directory: Path, name: str) -> None:
    """Lets a paused process go on."""
    _reach(Layout(directory), name, lambda one: process.send(one, signal.SIGCONT))


def restart(directory: Path, name: str) -> None:
    """Stops one process if it runs, and starts it again."""
    layout = Layout(directory)
    with _changing(layout):
        member = _named(layout, name)
        lifecycle.end(layout, member)
        lifecycle.start_all(layout, [member])


def corrupt(  # noqa: PLR0913  # which node, and what of it
    directory: Path,
    name: str,
    file: FileId | None = None,
    count: int = 1,
    *,
    header: bool = False,
    entropy: Entropy | None = None,
) -> list[ReplicaKey]:
    """Flips one bit in each of `count` replicas on a storage node's disk; gives which.

    They are any, or any of `file`. The node may run meanwhile and is not told.
    """
    from xdb.testnet import damage  # noqa: PLC0415  # it knows nodes, which takes long to load

    layout = Layout(directory)
    with _changing(layout):
        data = layout.data(_storage(layout, name).name)
        return damage.corrupt(data, entropy or SystemEntropy(), file, count, header=header)


def wipe(directory: Path, name: str, *, stay_down: bool = False) -> None:
    """Ends a storage node, removes all it stored, and starts it again unless told not to.

    Its keys, certificate and configuration stay, as when the disk of a node is replaced.
    """
    from xdb.testnet import damage  # noqa: PLC0415  # likewise

    layout = Layout(directory)
    with _changing(layout):
        member = _storage(layout, name)
        if not stay_down and name in read_cut(layout.home(RELAY)):
            raise ConfigError(
                f"{name} is cut off and could not fetch the chain: first `xdb-cli testnet heal "
                f"{name}`, or let it stay down with --stay-down"
            )
        started = read_process(layout, member.name)
        if started is not None:
            process.kill(started)
        damage.wipe(layout.data(member.name))
        if not stay_down:
            lifecycle.start_all(layout, [member])


def end(directory: Path, name: str) -> None:
    """Stops one process in order."""
    layout = Layout(directory)
    with _changing(layout):
        lifecycle.end(layout, _named(layout, name))


def partition(directory: Path, name: str) -> None:
    """Cuts a storage node off from everybody, both ways; it runs on. Needs a relay."""
    _cut(Layout(directory), name, frozenset.union)


def heal(directory: Path, name: str) -> None:
    """Connects a storage node again that was cut off."""
    _cut(Layout(directory), name, frozenset.difference)


def stop(directory: Path) -> None:
    """Stops everything that this testnet started; nodes first, then the chain, then the relay."""
    layout = Layout(directory)
    with _changing(layout):
        members = read_plan(layout)
        # Nodes that stop say so on the chain.
        for roles in reversed(_STAGES):
            stage = _of(members, roles)
            for member in stage:
                lifecycle.ask(layout, member)
            for member in stage:
                lifecycle.end(layout, member)


def destroy(directory: Path) -> None:
    """Stops everything and removes the directory."""
    if exists(directory):
        stop(directory)
        shutil.rmtree(directory)


def _of(members: tuple[Member, ...], roles: set[str]) -> list[Member]:
    return [member for member in members if member.role in roles]


def _named(layout: Layout, name: str) -> Member:
    members = {member.name: member for member in read_plan(layout)}
    if name not in members:
        raise ConfigError(f"no process {name!r} in this testnet; there are {', '.join(members)}")
    return members[name]


def _storage(layout: Layout, name: str) -> Member:
    member = _named(layout, name)
    if member.role != "storage":
        nodes = [each.name for each in _of(read_plan(layout), {"storage"})]
        raise ConfigError(f"{name} is no storage node; choose one of {', '.join(nodes)}")
    return member


def _cut(
    layout: Layout, name: str, change: Callable[[frozenset[str], set[str]], frozenset[str]]
) -> None:
    with _changing(layout):
        member = _storage(layout, name)
        if not _of(read_plan(layout), {"relay"}):
            raise ConfigError(
                f"this testnet has no relay, without which {name} cannot be cut off: make another "
                "network with `xdb-cli testnet up --relay`, or stop the node where it stands with "
                f"`xdb-cli testnet pause {name}`"
            )
        home = layout.home(RELAY)
        set_cut(home, change(read_cut(home), {member.name}))


def _reach(layout: Layout, name: str, action: Callable[[ProcessId], bool]) -> None:
    started = read_process(layout, _named(layout, name).name)
    if started is None or not action(started):
        raise UnavailableError(f"{name} does not run; start it with: xdb-cli testnet up")


def _status(layout: Layout, member: Member, cut: frozenset[str]) -> ProcessStatus:
    started = read_process(layout, member.name)
    running = started is not None and started.is_running
    return ProcessStatus(
        name=member.name,
        role=member.role,
        id=member.id,
        address=member.address,
        pid=started.pid if started is not None and running else None,
        paused=started is not None and started.is_paused,
        cut=member.name in cut,
        log=layout.log(member.name),
    )


@contextmanager
def _changing(layout: Layout) -> Iterator[None]:
    """One change at a time."""
    if not layout.directory.is_dir():
        raise ConfigError(f"{layout.directory}: no testnet here; make one with: xdb-cli testnet up")
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
