"""Events of nodes and namespaces."""

from dataclasses import replace

from xdb.index.keys import (
    NamespaceEntry,
    heartbeat_key,
    namespace_key,
    node_key,
    number,
)
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
from xdb.model.registry import NamespaceRecord, NodeRecord, NodeState, Parameters


def registered(staging: Staging, parameters: Parameters, event: NodeRegistered, time: int) -> None:
    """A new node."""
    if staging.get(node_key(event.node)) is not None:
        raise PoisonError(f"node {event.node.hex()} registers twice")
    record = NodeRecord(
        node=event.node,
        signer=event.signer,
        former_signer=event.signer,
        signer_epoch=parameters.epoch_at(time),
        endpoint=event.endpoint,
        operator=event.operator,
        zone=event.zone,
        capacity=event.capacity,
        state=NodeState.ONLINE,
        registered=time,
        resigned=0,
    )
    staging.save(node_key(event.node), record)


def updated(staging: Staging, parameters: Parameters, event: NodeUpdated, time: int) -> None:
    """What the node says of itself now."""
    old = _known(staging, event.node)
    former = old.former_signer
    if (event.signer, event.signer_epoch) != (old.signer, old.signer_epoch):
        former = old.signer_at(parameters.epoch_at(time))
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


def state_set(staging: Staging, event: NodeStateSet) -> None:
    """A node's new state."""
    record = replace(_known(staging, event.node), state=event.state)
    staging.save(node_key(event.node), record)


def resigned(staging: Staging, parameters: Parameters, event: NodeResigned) -> None:
    """The notice period began."""
    record = replace(_known(staging, event.node), resigned=event.free_from - parameters.notice)
    staging.save(node_key(event.node), record)


def heartbeat(staging: Staging, event: HeartbeatSeen, time: int) -> None:
    """A sign of life."""
    _known(staging, event.node)
    staging.put(heartbeat_key(event.node), number(time))


def created(staging: Staging, event: NamespaceCreated, time: int) -> None:
    """A new namespace."""
    key = namespace_key(event.owner, event.namespace)
    if staging.get(key) is not None:
        raise PoisonError(f"namespace {event.namespace.hex()} is created twice")
    record = NamespaceRecord(event.owner, event.namespace, event.redundancy, event.scheme, time)
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
