"""Events of nodes and namespaces."""

from dataclasses import replace

from xdb.index.keys import (
    NamespaceEntry,
    beats_key,
    day_key,
    heartbeat_key,
    namespace_key,
    node_key,
    number,
    state_key,
)
from xdb.index.moment import Moment
from xdb.index.poison import PoisonError
from xdb.index.staging import Staging
from xdb.model.events import (
    HeartbeatSeen,
    NamespaceCreated,
    NamespaceUpdated,
    NodeRegistered,
    NodeResigned,
    NodeStateSet,
    NodeUpdated,
)
from xdb.model.ids import NodeId
from xdb.model.registry import NamespaceRecord, NodeRecord, NodeState

DAY = 86400


def registered(staging: Staging, event: NodeRegistered, at: Moment) -> None:
    """A new node."""
    if staging.get(node_key(event.node)) is not None:
        raise PoisonError(f"node {event.node.hex()} registers twice")
    record = NodeRecord(
        node=event.node,
        signer=event.signer,
        former_signer=event.signer,
        signer_epoch=at.epoch,
        endpoint=event.endpoint,
        operator=event.operator,
        zone=event.zone,
        capacity=event.capacity,
        state=NodeState.ONLINE,
        registered=at.time,
        resigned=0,
    )
    staging.save(node_key(event.node), record)
    staging.put(state_key(event.node), number(at.time))


def updated(staging: Staging, event: NodeUpdated, at: Moment) -> None:
    """What the node says of itself now."""
    old = _known(staging, event.node)
    former = old.former_signer
    if (event.signer, event.signer_epoch) != (old.signer, old.signer_epoch):
        former = old.signer_at(at.epoch)
    record = replace(
        old,
        signer=event.signer,
        former_signer=former,
        signer_epoch=event.signer_epoch,
        endpoint=event.endpoint,
        operator=event.operator,
        zone=event.zone,
        capacity=event.capacity,
    )
    staging.save(node_key(event.node), record)


def state_set(staging: Staging, event: NodeStateSet, at: Moment) -> None:
    """A node's new state."""
    record = replace(_known(staging, event.node), state=event.state)
    staging.save(node_key(event.node), record)
    staging.put(state_key(event.node), number(at.time))


def resigned(staging: Staging, event: NodeResigned, at: Moment) -> None:
    """The notice period began."""
    record = replace(_known(staging, event.node), resigned=event.free_from - at.parameters.notice)
    staging.save(node_key(event.node), record)


def heartbeat(staging: Staging, event: HeartbeatSeen, at: Moment) -> None:
    """A sign of life, counted by day for people and by epoch for the health window."""
    _known(staging, event.node)
    staging.put(heartbeat_key(event.node), number(at.time))
    _count(staging, day_key(event.node, at.time // DAY))
    _count(staging, beats_key(event.node, at.epoch))
    old = at.epoch - at.parameters.health_window - 1
    if old >= 0:
        staging.put(beats_key(event.node, old), None)


def _count(staging: Staging, key: bytes) -> None:
    staging.put(key, number(int.from_bytes(staging.get(key) or b"", "big") + 1))


def created(staging: Staging, event: NamespaceCreated, at: Moment) -> None:
    """A new namespace."""
    key = namespace_key(event.owner, event.namespace)
    if staging.get(key) is not None:
        raise PoisonError(f"namespace {event.namespace.hex()} is created twice")
    record = NamespaceRecord(event.owner, event.namespace, event.redundancy, event.scheme, at.time)
    staging.save(key, NamespaceEntry(record, event.label))


def changed(staging: Staging, event: NamespaceUpdated) -> None:
    """A namespace's policy or label."""
    key = namespace_key(event.owner, event.namespace)
    entry = staging.load(key, NamespaceEntry)
    if entry is None:
        raise PoisonError(f"there is no namespace {event.namespace.hex()}")
    record = replace(entry.record, redundancy=event.redundancy)
    label = entry.label if event.label is None else event.label
    staging.save(key, NamespaceEntry(record, label))


def _known(staging: Staging, node: NodeId) -> NodeRecord:
    record = staging.load(node_key(node), NodeRecord)
    if record is None:
        raise PoisonError(f"there is no node {node.hex()}")
    return record
