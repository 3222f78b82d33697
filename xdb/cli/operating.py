"""`xdb-cli nodes drain`, `online`, `offline`, `leave`, `resign`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xdb.cli import words
from xdb.cli.documents import document
from xdb.cli.state import State, connected, state
from xdb.errors import ConfigError, InvalidRequestError

if TYPE_CHECKING:
    from xdb.config.storage import StorageConfig
    from xdb.node.operating import Change

_NODE = click.argument("node", required=False)
_CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The storage node's configuration, which names the key of its id.",
)


@click.command(short_help="Let a node's holdings move away.")
@_NODE
@_CONFIG
@connected
def drain(node: str | None, config: Path | None) -> None:
    """Let the holdings of NODE move away; it takes nothing new and serves what it has.

    NODE is a member of the testnet that the context belongs to; others need --config.
    """
    _do("drain", node, config)


@click.command(short_help="Let a node take files again.")
@_NODE
@_CONFIG
@connected
def online(node: str | None, config: Path | None) -> None:
    """Let NODE take files again, after draining or being offline."""
    _do("online", node, config)


@click.command(short_help="Say that a node is away for a while.")
@_NODE
@_CONFIG
@connected
def offline(node: str | None, config: Path | None) -> None:
    """Say that NODE is away for a while. It comes back at its next start, or with online."""
    _do("offline", node, config)


@click.command(short_help="Take a node out of the network for good.")
@_NODE
@_CONFIG
@connected
def leave(node: str | None, config: Path | None) -> None:
    """Take NODE out of the network for good: when it drained, or its notice is over."""
    _do("leave", node, config)


@click.command(short_help="Give notice that a node will leave.")
@_NODE
@_CONFIG
@connected
def resign(node: str | None, config: Path | None) -> None:
    """Give notice: NODE takes nothing new, and may leave when the notice period is over."""
    _do("resign", node, config)


def _do(verb: str, name: str | None, file: Path | None) -> None:
    import asyncio  # noqa: PLC0415  # not for --help

    from xdb.node.operating import Action, operate  # noqa: PLC0415  # likewise

    at = state()
    done = asyncio.run(operate(_config(at, name, file), Action(verb)))
    at.document(document(done))
    if at.json:
        return
    node = f"node {words.short(done.node)}"
    if done.changed:
        before, after = done.before.name.lower(), done.after.name.lower()
        at.say(f"{node}: {before} -> {after}" if before != after else f"{node}: {after}, resigned")
    else:
        at.say(f"{node}: {done.after.name.lower()} already, nothing was sent")
    at.say(_follows(verb, done))
    at.note("this is the word of its chain server")


def _config(at: State, name: str | None, file: Path | None) -> "StorageConfig":
    from xdb.config.source import load  # noqa: PLC0415  # not for --help
    from xdb.config.storage import StorageConfig  # noqa: PLC0415  # likewise

    if (name is None) == (file is None):
        raise InvalidRequestError(
            "which node? give --config with its configuration, or the name of a testnet's member"
        )
    if file is not None:
        return load(StorageConfig, file, os.environ)
    return load(StorageConfig, _member(at, str(name)), {})


def _member(at: State, name: str) -> Path:
    from xdb.client.context import find_context  # noqa: PLC0415  # not for --help
    from xdb.testnet import network  # noqa: PLC0415  # likewise

    context = (at.context or find_context()).absolute()
    if not network.exists(context.parent):
        raise ConfigError(
            f"{context} belongs to no testnet, so {name!r} names no node: give --config with the "
            "configuration of the storage node"
        )
    return network.config_of(context.parent, name, "storage")


def _follows(verb: str, done: "Change") -> str:
    watch = f"watch with: xdb-cli nodes info {words.short(done.node)}"
    match verb:
        case "drain":
            return (
                f"its holdings move away, and it serves them until then; {watch}; when it holds "
                "nothing: xdb-cli nodes leave"
            )
        case "online":
            return "it takes new files as long as it runs"
        case "offline":
            return "it takes nothing new until its next start or: xdb-cli nodes online"
        case "leave":
            return "for good: stop it and remove its data directory; its id never comes back"
    return (
        f"it takes nothing new; from {words.moment(done.may_leave)} on it may leave, holdings or "
        f"not: xdb-cli nodes leave; {watch}"
    )
