"""Storage nodes: registration, changes, states, heartbeats, leaving.

States and the ways between them::

    online <-> draining <-> offline      by the node's id, at any time
    online <-> offline
    draining -> left                     while it holds nothing
    any -> left                          `notice` after Resign, holdings or not

*left* is final. A resigned node takes nothing new: Resign turns *online* into
*draining*, and there is no way back to *online*.

Whether a node holds nothing is two bounded reads over its holdings' keys. There is no
counter of them: it would be a key that all publishers write, and none could publish
beside another.
"""

from dataclasses import replace

from xdb.core.rules.limits import check_endpoint, check_text, refuse
from xdb.core.rules.state import HOLDINGS, POINTERS, Context, State
from xdb.model.calls import Heartbeat, RegisterNode, Resign, SetNodeState, UpdateNode
from xdb.model.events import (
    Event,
    HeartbeatSeen,
    NodeRegistered,
    NodeResigned,
    NodeStateSet,
    NodeUpdated,
)
from xdb.model.ids import Address, NodeId
from xdb.model.refusal import Refusal
from xdb.model.registry import NodeRecord, NodeState


def register(context: Context, state: State, sender: Address, call: RegisterNode) -> list[Event]:
    """The sender becomes a node, online, its signer in effect at once."""
    node = NodeId(sender)
    if state.node(node) is not None:
        raise refuse(
            Refusal.NODE_EXISTS,
            f"node {node.hex()} is registered already: change it with UpdateNode, or use a new key",
        )
    check_endpoint(context.parameters, call.endpoint)
    check_text(context.parameters, call.operator, "the operator")
    check_text(context.parameters, call.zone, "the zone")
    state.put_node(
        NodeRecord(
            node=node,
            signer=call.signer,
            former_signer=call.signer,
            signer_epoch=context.epoch,
            endpoint=call.endpoint,
            operator=call.operator,
            zone=call.zone,
            capacity=call.capacity,
            state=NodeState.ONLINE,
            registered=context.time,
            resigned=0,
        )
    )
    return [
        NodeRegistered(
            node=node,
            signer=call.signer,
            endpoint=call.endpoint,
            operator=call.operator,
            zone=call.zone,
            capacity=call.capacity,
        )
    ]


def update(context: Context, state: State, sender: Address, call: UpdateNode) -> list[Event]:
    """Changes what is given. A new signer counts from the next epoch on."""
    record = present(state, NodeId(sender))
    changes = (call.signer, call.endpoint, call.operator, call.zone, call.capacity)
    if all(change is None for change in changes):
        raise refuse(Refusal.INVALID, "nothing to change was given: name at least one field")
    if call.endpoint is not None:
        check_endpoint(context.parameters, call.endpoint)
        record = replace(record, endpoint=call.endpoint)
    if call.operator is not None:
        check_text(context.parameters, call.operator, "the operator")
        record = replace(record, operator=call.operator)
    if call.zone is not None:
        check_text(context.parameters, call.zone, "the zone")
        record = replace(record, zone=call.zone)
    if call.capacity is not None:
        record = replace(record, capacity=call.capacity)
    if call.signer is not None:
        record = _with_signer(record, call.signer, context.epoch)
    state.put_node(record)
    return [
        NodeUpdated(
            node=record.node,
            signer=record.signer,
            signer_epoch=record.signer_epoch,
            endpoint=record.endpoint,
            operator=record.operator,
            zone=record.zone,
            capacity=record.capacity,
        )
    ]


def _with_signer(record: NodeRecord, signer: Address, epoch: int) -> NodeRecord:
    # Who signs now goes on signing until the epoch ends, however often it is replaced in it.
    return replace(
        record, signer=signer, former_signer=record.signer_at(epoch), signer_epoch=epoch + 1
    )


def set_state(context: Context, state: State, sender: Address, call: SetNodeState) -> list[Event]:
    """Moves the node along the ways drawn above."""
    record = present(state, NodeId(sender))
    if call.state is record.state:
        raise refuse(
            Refusal.NODE_STATE,
            f"node {record.node.hex()} is {record.state.name.lower()} already: nothing to do",
        )
    if call.state is NodeState.LEFT:
        _check_leave(context, state, record)
    elif call.state is NodeState.ONLINE and record.resigned:
        raise refuse(
            Refusal.NODE_STATE,
            f"node {record.node.hex()} has resigned and takes nothing new: "
            "register a node under a new key",
        )
    state.put_node(replace(record, state=call.state))
    return [NodeStateSet(node=record.node, state=call.state)]


def _check_leave(context: Context, state: State, record: NodeRecord) -> None:
    if record.resigned and context.time >= record.resigned + context.parameters.notice:
        return
    if record.state is not NodeState.DRAINING:
        raise refuse(
            Refusal.NODE_STATE,
            f"node {record.node.hex()} is {record.state.name.lower()}: "
            "drain it first, or resign and wait for the notice period",
        )
    if holds_anything(state, record.node):
        raise refuse(
            Refusal.NODE_BUSY,
            f"node {record.node.hex()} still holds files: wait until their owners have moved them "
            "away (release those past retention), or resign and wait for the notice period",
        )


def holds_anything(state: State, node: NodeId) -> bool:
    """Whether, before this call, the node held any slot of a file not yet released."""
    prefixes = (HOLDINGS + node, POINTERS + node)
    return any(True for prefix in prefixes for _ in state.scan(prefix, 1))


def heartbeat(context: Context, state: State, sender: Address, call: Heartbeat) -> list[Event]:
    """A sign of life by the node's signer. Its time is chain time."""
    record = present(state, call.node)
    if sender != record.signer_at(context.epoch):
        raise refuse(
            Refusal.NOT_ALLOWED,
            f"{sender.hex()} is not the signer of node {call.node.hex()} in epoch {context.epoch}: "
            "send heartbeats with the signer that is registered for this epoch",
        )
    state.put_heartbeat(call.node, context.time)
    return [HeartbeatSeen(node=call.node)]


def resign(context: Context, state: State, sender: Address, call: Resign) -> list[Event]:  # noqa: ARG001  # says nothing more
    """Starts the notice period; the node takes nothing new from now on."""
    record = present(state, NodeId(sender))
    if record.resigned:
        raise refuse(
            Refusal.NODE_STATE,
            f"node {record.node.hex()} resigned at {record.resigned}: "
            f"it may leave at {record.resigned + context.parameters.notice}",
        )
    free_from = context.instant + context.parameters.notice
    events: list[Event] = [NodeResigned(node=record.node, free_from=free_from)]
    record = replace(record, resigned=context.instant)
    if record.state is NodeState.ONLINE:
        record = replace(record, state=NodeState.DRAINING)
        events.append(NodeStateSet(node=record.node, state=NodeState.DRAINING))
    state.put_node(record)
    return events


def present(state: State, node: NodeId) -> NodeRecord:
    """A node that is registered and has not left."""
    record = known(state, node)
    if record.state is NodeState.LEFT:
        raise refuse(
            Refusal.NODE_STATE,
            f"node {node.hex()} has left for good: register a node under a new key",
        )
    return record


def known(state: State, node: NodeId) -> NodeRecord:
    """A node that was registered at some time."""
    record = state.node(node)
    if record is None:
        raise refuse(
            Refusal.NODE_UNKNOWN, f"node {node.hex()} is not registered: register it first"
        )
    return record
