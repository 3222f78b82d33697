"""What an operator does to a storage node's standing: drain, online, offline, leave, resign.

Signed by the key of the node's id and sent to the chain servers of its configuration. The
node itself may run or not: its data directory is neither read nor locked.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Protocol

from xdb.blockchain.embedded.genesis import load_genesis
from xdb.blockchain.embedded.remote import RemoteRegistry
from xdb.config.storage import StorageConfig
from xdb.errors import ConfigError, NotFoundError, RefusedCallError
from xdb.model.calls import Call, Resign, SetNodeState
from xdb.model.ids import NodeId
from xdb.model.refusal import Refusal
from xdb.model.registry import NodeRecord, NodeState, Parameters
from xdb.node.identity import identity_of
from xdb.node.machine import open_key
from xdb.peer.chain import GrpcChainPeers
from xdb.peer.connections import Connections
from xdb.ports.blockchain import Inclusion
from xdb.ports.peer import RemoteNode
from xdb.runtime.clock import SystemClock
from xdb.runtime.entropy import SystemEntropy
from xdb.store.keystore import LocalKey


class Action(Enum):
    """What can be done."""

    DRAIN = "drain"
    ONLINE = "online"
    OFFLINE = "offline"
    LEAVE = "leave"
    RESIGN = "resign"


_STATES = {
    Action.DRAIN: NodeState.DRAINING,
    Action.ONLINE: NodeState.ONLINE,
    Action.OFFLINE: NodeState.OFFLINE,
    Action.LEAVE: NodeState.LEFT,
}


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a node, by the word of a chain server."""

    node: NodeId
    before: NodeState
    after: NodeState
    changed: bool  # False: it was so already, and nothing was sent
    may_leave: datetime | None  # from when it may leave, holdings or not; None: it did not resign


class Roster(Protocol):
    """Where records are looked up."""

    async def node(self, node: NodeId) -> RemoteNode:
        """A node's record as it is now."""
        ...


class Desk(Roster, Protocol):
    """Where calls are handed in, too: `RemoteRegistry` is one."""

    @property
    def parameters(self) -> Parameters:
        """Fixed at deployment."""
        ...

    async def submit(self, call: Call) -> Inclusion:
        """See `Registry`."""
        ...


async def operate(config: StorageConfig, action: Action) -> Change:
    """Does `action` to the node of a configuration."""
    async with desk_of(config) as (node, desk):
        return await change(desk, node, action)


@asynccontextmanager
async def desk_of(config: StorageConfig) -> AsyncIterator[tuple[NodeId, RemoteRegistry]]:
    """The node's id, and the chain for it; ConfigError when the key of the id is not here."""
    node, identity = identity_of(config)
    if identity is None:
        raise ConfigError(
            f"the key of node {node.hex()} is not named in this configuration: add [identity] "
            "with its keystore, or run this where that is"
        )
    async with _registry(config, identity) as registry:
        yield node, registry


@asynccontextmanager
async def roster_of(config: StorageConfig) -> AsyncIterator[tuple[NodeId, Roster]]:
    """The node's id, and the chain to look at; the key of the id may be elsewhere."""
    node, _ = identity_of(config)
    async with _registry(config, open_key(config.signer)) as registry:
        yield node, registry


async def recorded(roster: Roster, node: NodeId) -> NodeRecord:
    """A node's record; NotFoundError when there is none."""
    record = (await roster.node(node)).record
    if record is None:
        raise NotFoundError(
            f"node {node.hex()} is not registered on this chain: start it once, that registers it"
        )
    return record


@asynccontextmanager
async def _registry(config: StorageConfig, key: LocalKey) -> AsyncIterator[RemoteRegistry]:
    if config.chain.backend != "embedded":
        raise ConfigError(
            "this is for embedded chains: on another, send the call from a wallet that has the key "
            "of the node's id, or start the node, which keeps its record up to date"
        )
    genesis = load_genesis(config.chain.genesis_file)
    connections = Connections(config.peers)
    try:
        found = GrpcChainPeers(connections)
        peers = [found.peer(endpoint) for endpoint in config.chain.endpoints]
        submit = config.chain.submit
        entropy = SystemEntropy()
        yield RemoteRegistry(genesis, peers, key, SystemClock(), entropy, submit)
    finally:
        await connections.close()


async def change(desk: Desk, node: NodeId, action: Action) -> Change:
    """The same over a chain that is already reached. Safe to repeat."""
    record = await recorded(desk, node)
    notice = desk.parameters.notice
    if _is_done(record, action):
        return _change(record, record, notice, changed=False)
    try:
        inclusion = await desk.submit(_call(action))
    except RefusedCallError as error:
        raise _advised(error, record, action, notice) from error
    return _change(record, _after(record, action, inclusion.time), notice, changed=True)


def _call(action: Action) -> Call:
    return Resign() if action is Action.RESIGN else SetNodeState(_STATES[action])


def _is_done(record: NodeRecord, action: Action) -> bool:
    if action is Action.RESIGN:
        return bool(record.resigned) and record.state is not NodeState.LEFT
    return record.state is _STATES[action]


def _after(record: NodeRecord, action: Action, time: int) -> NodeRecord:
    if action is not Action.RESIGN:
        return replace(record, state=_STATES[action])
    online = record.state is NodeState.ONLINE
    return replace(record, resigned=time, state=NodeState.DRAINING if online else record.state)


def _change(record: NodeRecord, after: NodeRecord, notice: int, *, changed: bool) -> Change:
    may_leave = _instant(after.resigned + notice) if after.resigned else None
    return Change(record.node, record.state, after.state, changed, may_leave)


def _advised(
    error: RefusedCallError, record: NodeRecord, action: Action, notice: int
) -> RefusedCallError:
    """A refusal to leave, with what to do in its operator's words; others speak for themselves."""
    node = f"node {record.node.hex()}"
    if action is not Action.LEAVE or error.refusal not in {Refusal.NODE_BUSY, Refusal.NODE_STATE}:
        return error
    what = "still holds files" if error.refusal == Refusal.NODE_BUSY else "does not drain"
    first = (
        f"wait until their owners have moved them away (xdb-cli nodes info {record.node.hex()[:8]} "
        "shows how many are left)"
        if error.refusal == Refusal.NODE_BUSY
        else "drain it (xdb-cli nodes drain) and wait until it holds nothing"
    )
    if record.resigned:
        then = f"leave at {_instant(record.resigned + notice):%Y-%m-%d %H:%M:%S} UTC or later"
    else:
        days = notice / 86400
        then = f"resign (xdb-cli nodes resign) and leave {days:.3g} days later, holdings or not"
    return RefusedCallError(error.refusal, f"{node} {what} and cannot leave: {first}; or {then}")


def _instant(time: int) -> datetime:
    return datetime.fromtimestamp(time, UTC)
