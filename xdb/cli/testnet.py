"""`xdb-cli testnet`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xdb.cli.documents import document, plain
from xdb.cli.lazy import LazyGroup, Verb
from xdb.cli.parsing import hexadecimal
from xdb.cli.state import State, common, state
from xdb.cli.table import Column, show
from xdb.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xdb.testnet.network import ProcessStatus

VERBS = {
    "up": Verb("xdb.cli.testnet:up", "Start the network; make it first when there is none."),
    "status": Verb("xdb.cli.testnet:status", "Show its processes."),
    "kill": Verb("xdb.cli.testnet:kill", "End a process at once, as a crash would."),
    "pause": Verb("xdb.cli.testnet:pause", "Stop a process where it stands."),
    "resume": Verb("xdb.cli.testnet:resume", "Let a paused process go on."),
    "restart": Verb("xdb.cli.testnet:restart", "Stop a process and start it again."),
    "corrupt": Verb("xdb.cli.testnet:corrupt", "Flip bits of what a node stores."),
    "wipe": Verb("xdb.cli.testnet:wipe", "Give a node an empty disk."),
    "partition": Verb("xdb.cli.testnet:partition", "Cut a node off from everybody."),
    "heal": Verb("xdb.cli.testnet:heal", "Connect a node again that was cut off."),
    "down": Verb("xdb.cli.testnet:down", "Stop everything."),
}

_DIRECTORY = click.option(
    "--directory",
    "-d",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where it is kept; by default below ~/.local/state.",
)
_NAME = click.argument("name")
_COLUMNS = (
    Column("PROCESS"),
    Column("ROLE"),
    Column("STATE"),
    Column("PID", right=True),
    Column("ADDRESS"),
    Column("ID", elastic=True),
)


@click.command(cls=LazyGroup, verbs=VERBS, short_help="A network on this machine: up, kill, down.")
def testnet() -> None:
    """A network on this machine: chain, storage nodes and an owner, each a process.

    For trying things out. Its keys guard nothing.
    """


@click.command(short_help="Start the network; make it first when there is none.")
@_DIRECTORY
@click.option(
    "--chain",
    type=click.Choice(["embedded", "ethereum"]),
    default="embedded",
    show_default=True,
    help="Ethereum is an anvil of the network's own.",
)
@click.option("--nodes", type=click.IntRange(1, 64), default=4, show_default=True)
@click.option("--capacity", default="10 GiB", show_default=True, help="Of each storage node.")
@click.option("--slice-size", default="4 MiB", show_default=True, help="Of the owner's uploads.")
@click.option(
    "--epoch",
    type=click.IntRange(2, 86400),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="Length of an epoch: each has its seed and its audits. On Ethereum in blocks of 1 s.",
)
@click.option("--relay", is_flag=True, help="Between the processes, so that nodes can be cut off.")
@common
def up(directory: Path | None, **options: Any) -> None:  # noqa: ANN401  # those of create.Options
    """Start everything that does not run, and return when it serves.

    The options count when the network is made, which is when it starts for the first time.
    """
    from xdb.testnet import create, network  # noqa: PLC0415  # not for --help

    place = _place(directory)
    at = state()
    if not network.exists(place):
        at.note(f"making a network of {options['nodes']} storage nodes in {place}")
        create.create(place, create.Options(**options))
    _tell(at, network.start(place), place)
    if not at.json:
        _tell_context(at, place)


@click.command(short_help="Show its processes.")
@_DIRECTORY
@common
def status(directory: Path | None) -> None:
    """Show the network's processes."""
    from xdb.testnet import network  # noqa: PLC0415  # not for --help

    place = _place(directory)
    _tell(state(), network.status(place), place)


@click.command(short_help="End a process at once, as a crash would.")
@_NAME
@_DIRECTORY
@common
def kill(name: str, directory: Path | None) -> None:
    """End the process NAME with SIGKILL."""
    from xdb.testnet import network  # noqa: PLC0415  # not for --help

    network.kill(_place(directory), name)
    _done(name, "killed")


@click.command(short_help="Stop a process where it stands.")
@_NAME
@_DIRECTORY
@common
def pause(name: str, directory: Path | None) -> None:
    """Stop the process NAME where it stands; it keeps its connections and says nothing."""
    from xdb.testnet import network  # noqa: PLC0415  # not for --help

    network.pause(_place(directory), name)
    _done(name, "paused")


@click.command(short_help="Let a paused process go on.")
@_NAME
@_DIRECTORY
@common
def resume(name: str, directory: Path | None) -> None:
    """Let the paused process NAME go on."""
    from xdb.testnet import network  # noqa: PLC0415  # not for --help

    network.resume(_place(directory), name)
    _done(name, "goes on")


@click.command(short_help="Stop a process and start it again.")
@_NAME
@_DIRECTORY
@common
def restart(name: str, directory: Path | None) -> None:
    """Stop the process NAME if it runs, start it, and return when it serves."""
    from xdb.testnet import network  # noqa: PLC0415  # not for --help

    network.restart(_place(directory), name)
    _done(name, "restarted")


@click.command(short_help="Flip bits of what a node stores.")
@_NAME
@_DIRECTORY
@click.option("--file", type=hexadecimal(32, "file id"), help="Only replicas of this file.")
@click.option("--count", type=click.IntRange(min=1), default=1, show_default=True, help="Replicas.")
@click.option("--header", is_flag=True, help="In the header and not in the bytes.")
@common
def corrupt(
    name: str, directory: Path | None, file: bytes | None, count: int, *, header: bool
) -> None:
    """Flip one bit in each of some replicas on the disk of the storage node NAME.

    Which ones and which bits is left to chance. The node may run, and is not told.
    """
    from xdb.model.ids import FileId  # noqa: PLC0415  # not for --help
    from xdb.testnet import network  # noqa: PLC0415  # likewise

    wanted = None if file is None else FileId(file)
    hit = network.corrupt(_place(directory), name, wanted, count, header=header)
    at = state()
    at.document({"process": name, "replicas": plain(hit)})
    for each in hit:
        at.say(
            f"{name}: flipped a bit of file {each.file.hex()} slot {each.slot} piece {each.piece}"
        )


@click.command(short_help="Give a node an empty disk.")
@_NAME
@_DIRECTORY
@click.option("--stay-down", is_flag=True, help="Do not start it again.")
@common
def wipe(name: str, directory: Path | None, *, stay_down: bool) -> None:
    """Kill the storage node NAME, remove all it stored, and start it again.

    As when a disk is replaced: keys, certificate and configuration stay.
    """
    from xdb.testnet import network  # noqa: PLC0415  # not for --help

    network.wipe(_place(directory), name, stay_down=stay_down)
    _done(name, "wiped and stopped" if stay_down else "wiped and restarted")
    state().note("its keys, certificate and configuration are kept")


@click.command(short_help="Cut a node off from everybody.")
@_NAME
@_DIRECTORY
@common
def partition(name: str, directory: Path | None) -> None:
    """Cut the storage node NAME off from everybody, both ways, while it runs.

    For networks made with `testnet up --relay`.
    """
    from xdb.testnet import network  # noqa: PLC0415  # not for --help

    network.partition(_place(directory), name)
    _done(name, "cut off")


@click.command(short_help="Connect a node again that was cut off.")
@_NAME
@_DIRECTORY
@common
def heal(name: str, directory: Path | None) -> None:
    """Connect the storage node NAME again that was cut off."""
    from xdb.testnet import network  # noqa: PLC0415  # not for --help

    network.heal(_place(directory), name)
    _done(name, "connected")


@click.command(short_help="Stop everything.")
@_DIRECTORY
@click.option("--remove", is_flag=True, help="Remove its files, too: all that was stored.")
@common
def down(directory: Path | None, *, remove: bool) -> None:
    """Stop the network. Its files stay, and `up` starts it again with all that is in it."""
    from xdb.testnet import network  # noqa: PLC0415  # not for --help

    place = _place(directory)
    if remove:
        network.destroy(place)
    else:
        network.stop(place)
    at = state()
    at.document({"directory": str(place), "removed": remove})
    at.say(f"{place}: stopped{' and removed' if remove else ''}")
    if not remove:
        at.note("it starts again with `testnet up`, `testnet down --remove` removes it")


def _place(directory: Path | None) -> Path:
    if directory is not None:
        return directory.absolute()
    from xdb.client.context import testnet_directory  # noqa: PLC0415  # not for --help

    return testnet_directory(os.environ)


def _tell(at: State, processes: "Sequence[ProcessStatus]", place: Path) -> None:
    found = [{**document(each), "state": _state(each)} for each in processes]
    at.document({"directory": str(place), "processes": found})
    if at.json:
        return
    rows = [
        [
            each.name,
            each.role,
            _state(each),
            str(each.pid or "-"),
            each.address or "-",
            each.id or "-",
        ]
        for each in processes
    ]
    show(at, _COLUMNS, rows)


def _tell_context(at: State, place: Path) -> None:
    from xdb.client.context import find_context  # noqa: PLC0415  # not for --help

    own = place / "context.toml"
    try:
        used = find_context()
    except ConfigError:  # there is none yet
        used = None
    if used != own:
        at.note(f"xdb-cli uses it after:\n  export XDB_CONTEXT={own}")


def _state(process: "ProcessStatus") -> str:
    if process.pid is None:
        return "stopped"
    if process.paused:
        return "paused, cut off" if process.cut else "paused"
    return "cut off" if process.cut else "running"


def _done(name: str, what: str) -> None:
    at = state()
    at.document({"process": name, "state": what})
    at.say(f"{name}: {what}")
