"""A storage node's record on the chain, kept true."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from xdb.errors import ConfigError, RefusedCallError, UnavailableError
from xdb.model.calls import Call, RegisterNode, SetNodeState, UpdateNode
from xdb.model.ids import Address, NodeId
from xdb.model.refusal import Refusal
from xdb.model.registry import Endpoint, NodeRecord, NodeState
from xdb.peer.pinning import accepts
from xdb.ports.blockchain import Head, Registry

T = TypeVar("T")

BLOCKS = 20
"""Blocks within which must show what a refusal says to be so already."""


class NodeFacts(Protocol):
    """A node as the index has it."""

    @property
    def record(self) -> NodeRecord:
        """Its record."""
        ...


class Records(Protocol):
    """Where records are looked up: an index that has caught up with the chain."""

    @property
    def head(self) -> Head:
        """The newest block known."""
        ...

    def node(self, node: NodeId) -> NodeFacts | None:
        """The node, None when it never registered."""
        ...

    async def reached(self, height: int) -> None:
        """Returns when the block of that height is known."""
        ...


@dataclass(frozen=True, slots=True)
class Profile:
    """What the record shall say."""

    signer: Address
    endpoint: Endpoint
    operator: str
    zone: str
    capacity: int


def needed_calls(record: NodeRecord | None, profile: Profile) -> tuple[Call, ...]:
    """What the node's id has to send so that the record says `profile` and the node is online.

    A node that drains keeps draining: that was decided by its operator.
    """
    if record is None:
        return (
            RegisterNode(
                profile.signer,
                profile.endpoint,
                profile.operator,
                profile.zone,
                profile.capacity,
            ),
        )
    calls: list[Call] = []
    update = UpdateNode(
        signer=_changed(profile.signer, record.signer),
        endpoint=_changed(profile.endpoint, record.endpoint),
        operator=_changed(profile.operator, record.operator),
        zone=_changed(profile.zone, record.zone),
        capacity=_changed(profile.capacity, record.capacity),
    )
    if update != UpdateNode():
        calls.append(update)
    if record.state is NodeState.OFFLINE:
        calls.append(SetNodeState(NodeState.ONLINE))
    return tuple(calls)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Sends what is needed, when the key of the node's id is here."""

    node: NodeId
    profile: Profile
    records: Records
    identity: Registry | None

    async def run_once(self) -> tuple[Call, ...]:
        """What was sent; ConfigError when the node cannot work as it is recorded."""
        known = self.records.node(self.node)
        record = None if known is None else known.record
        if record is not None and record.state is NodeState.LEFT:
            raise ConfigError(
                f"node {self.node.hex()} has left this network for good: make a new identity "
                "and an empty data directory for it"
            )
        calls = needed_calls(record, self.profile)
        if self.identity is None:
            self._check_without_identity(record)
            return ()
        for call in calls:
            try:
                included = await self.identity.submit(call)
            except RefusedCallError as error:
                if not _may_be_done(call, record, error):
                    raise
                await self._changed_from(record, error)
                return await self.run_once()
            await self.records.reached(included.height)
        return calls

    async def sign_off(self) -> bool:
        """Says that the node is offline, when it is online and the key of its id is here.

        One that drains goes on draining: set offline, it would come back online.
        """
        known = self.records.node(self.node)
        if self.identity is None or known is None or known.record.state is not NodeState.ONLINE:
            return False
        await self.identity.submit(SetNodeState(NodeState.OFFLINE))
        return True

    async def _changed_from(self, record: NodeRecord | None, error: RefusedCallError) -> None:
        """Returns when the record shows what an earlier call did, whose outcome was not known."""
        last = self.records.head.height + BLOCKS
        while True:
            known = self.records.node(self.node)
            if (None if known is None else known.record) != record:
                return
            if self.records.head.height >= last:
                raise UnavailableError(
                    f"{error}; {BLOCKS} blocks later this is still not seen here: start again, or "
                    "look for another program that uses this node's key"
                ) from error
            await self.records.reached(self.records.head.height + 1)

    def _check_without_identity(self, record: NodeRecord | None) -> None:
        node = self.node.hex()
        if record is None:
            raise ConfigError(
                f"node {node} is not registered: add [identity] with the keystore of its id for "
                "the first start"
            )
        if record.signer != self.profile.signer:
            raise ConfigError(
                f"node {node} is registered with signer {record.signer.hex()}, the keystore holds "
                f"{self.profile.signer.hex()}: use that key, or add [identity] to replace it"
            )
        if not _is_found(record.endpoint, self.profile.endpoint):
            raise ConfigError(
                f"node {node} is registered at {record.endpoint.address} with certificate "
                f"{record.endpoint.certificate.hex()}, this is {self.profile.endpoint.address} "
                f"with {self.profile.endpoint.certificate.hex()}: add [identity] to update it"
            )


def _may_be_done(call: Call, record: NodeRecord | None, error: RefusedCallError) -> bool:
    """Whether an earlier call may have got through, whose outcome was not known."""
    if isinstance(call, RegisterNode):
        return error.refusal == Refusal.NODE_EXISTS
    is_resigned = record is not None and record.resigned
    return (
        isinstance(call, SetNodeState) and error.refusal == Refusal.NODE_STATE and not is_resigned
    )


def _is_found(recorded: Endpoint, actual: Endpoint) -> bool:
    """Whether callers reach the node, who accept a next certificate as they do the present one."""
    return recorded.address == actual.address and accepts(recorded, actual.certificate)


def _changed(wanted: T, recorded: T) -> T | None:
    return wanted if wanted != recorded else None
