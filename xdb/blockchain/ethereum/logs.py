"""Logs of the registry contract -> events, and where holdings stand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from xdb.blockchain.ethereum import interface as abi
from xdb.blockchain.ethereum.abi import Log
from xdb.blockchain.ethereum.mirror import Told, unpacked
from xdb.blockchain.ethereum.quantities import field, number_of, octets_of
from xdb.blockchain.ethereum.signatures import whole_of
from xdb.errors import IntegrityError
from xdb.model import events
from xdb.model.calls import Renewal
from xdb.model.ids import Address, Digest, FileId, NodeId, Tag
from xdb.model.registry import Coding, Endpoint, Holder, NodeState, ProofScheme, Redundancy

_NONE = bytes(32)


@dataclass(frozen=True, slots=True)
class RawLog:
    """A log as endpoints tell it. Those of one block are in order of `place`."""

    block: Digest
    number: int
    place: int
    address: Address
    topics: tuple[bytes, ...]
    data: bytes


def read_log(value: object) -> RawLog:
    """A log that an endpoint sent; IntegrityError when it is none, or was taken back."""
    topics = field(value, "topics")
    if not isinstance(topics, list) or (isinstance(value, dict) and value.get("removed")):
        raise IntegrityError("a log without topics, or one that was taken back: ask again")
    return RawLog(
        block=Digest(octets_of(field(value, "blockHash"), "a block's hash", 32)),
        number=number_of(field(value, "blockNumber"), "a block's number"),
        place=number_of(field(value, "logIndex"), "a log's place"),
        address=Address(octets_of(field(value, "address"), "an address", 20)),
        topics=tuple(octets_of(topic, "a topic", 32) for topic in topics),
        data=octets_of(field(value, "data"), "a log's data"),
    )


def told(logs: Sequence[RawLog]) -> tuple[Told, ...]:
    """What the logs of one block tell, in order. Those this version does not know are left out."""
    found = []
    for log in logs:
        known = abi.LOGS.get(log.topics[0]) if log.topics else None
        if known is None:
            continue
        found += _READERS[known](*_values(known, log))
    return tuple(found)


def _values(known: Log, log: RawLog) -> tuple[Any, ...]:
    return known.read(log.topics[1:], log.data)


# ------------------------------------------------------------------ nodes, namespaces


def _registered(node: str, *rest: Any) -> list[Told]:  # noqa: ANN401  # as decoded
    signer, endpoint, operator, zone, capacity = rest
    event = events.NodeRegistered(
        _node(node), _address(signer), _endpoint(endpoint), operator, zone, capacity
    )
    return [Told(event)]


def _updated(node: str, signer: str, epoch: int, *rest: Any) -> list[Told]:  # noqa: ANN401  # as decoded
    endpoint, operator, zone, capacity = rest
    event = events.NodeUpdated(
        _node(node), _address(signer), epoch, _endpoint(endpoint), operator, zone, capacity
    )
    return [Told(event)]


def _state_set(node: str, state: int) -> list[Told]:
    return [Told(events.NodeStateSet(_node(node), NodeState(state)))]


def _heartbeat(node: str) -> list[Told]:
    return [Told(events.HeartbeatSeen(_node(node)))]


def _resigned(node: str, free_from: int) -> list[Told]:
    return [Told(events.NodeResigned(_node(node), free_from))]


def _created(owner: str, namespace: bytes, label: bytes, policy: Any, scheme: int) -> list[Told]:  # noqa: ANN401  # as decoded
    event = events.NamespaceCreated(
        _address(owner), Tag(namespace), label, _redundancy(policy), ProofScheme(scheme)
    )
    return [Told(event)]


def _changed(
    owner: str,
    namespace: bytes,
    labelled: bool,  # noqa: FBT001  # in the order of the event
    label: bytes,
    policy: Any,  # noqa: ANN401  # as decoded
) -> list[Told]:
    event = events.NamespaceUpdated(
        _address(owner), Tag(namespace), label if labelled else None, _redundancy(policy)
    )
    return [Told(event)]


# ------------------------------------------------------------------ files


def _published(file: bytes, owner: str, *rest: Any) -> list[Told]:  # noqa: ANN401  # as decoded
    namespace, name, manifest, root, policy, size, expiry, *more = rest
    held, segments, replaces, label = more
    stands = tuple(unpacked(segment) for segment in segments)
    holders = tuple(_holder(holder) for holder in held)
    event = events.FilePublished(
        file=FileId(file),
        owner=_address(owner),
        namespace=Tag(namespace),
        name=Tag(name),
        manifest=Digest(manifest),
        root=Digest(root),
        redundancy=_redundancy(policy),
        size=size,
        expiry=expiry,
        holders=holders,
        replaces=None if replaces == _NONE else FileId(replaces),
        label=label,
    )
    entered = [
        _entered(holder, FileId(file), slot, segment)
        for slot, (holder, segment) in enumerate(zip(holders, segments, strict=True), start=1)
    ]
    return [Told(event, stands), *entered]


def _renewed(file: bytes, expiry: int, renewals: Any) -> list[Told]:  # noqa: ANN401  # as decoded
    accepted = tuple(Renewal(slot, _holder(holder)) for slot, holder in renewals)
    return [Told(events.FileRenewed(FileId(file), expiry, accepted))]


def _renamed(file: bytes, name: bytes, label: bytes) -> list[Told]:
    return [Told(events.FileRenamed(FileId(file), Tag(name), label))]


def _deleted(file: bytes) -> list[Told]:
    return [Told(events.FileDeleted(FileId(file)))]


def _moved(file: bytes, slot: int, source: str, *rest: Any) -> list[Told]:  # noqa: ANN401  # as decoded
    holder, version, segment = _holder(rest[0]), rest[1], rest[2]
    event = events.FileMoved(FileId(file), slot, _node(source), holder, version)
    return [Told(event, (unpacked(segment),)), _entered(holder, FileId(file), slot, segment)]


def _extended(file: bytes, slot: int, *rest: Any) -> list[Told]:  # noqa: ANN401  # as decoded
    holder, root, version, segment = _holder(rest[0]), rest[1], rest[2], rest[3]
    event = events.FileExtended(FileId(file), slot, holder, Digest(root), version)
    return [Told(event, (unpacked(segment),)), _entered(holder, FileId(file), slot, segment)]


def _shrunk(file: bytes, slot: int, node: str, root: bytes, version: int) -> list[Told]:
    return [Told(events.FileShrunk(FileId(file), slot, _node(node), Digest(root), version))]


def _released(file: bytes) -> list[Told]:
    return [Told(events.FileReleased(FileId(file)))]


def _entered(holder: Holder, file: FileId, slot: int, segment: int) -> Told:
    """Here a holding is a segment at once: what other chains tell by sealing it."""
    stand = unpacked(segment)
    ref = events.HoldingRef(file, slot)
    return Told(events.BucketsSealed(holder.node, stand.index, stand.start, (ref,)))


# ------------------------------------------------------------------ audits


def _revealed(epoch: int, seed: bytes, time: int) -> list[Told]:  # noqa: ARG001  # the block has it
    return [Told(events.SeedRevealed(epoch, Digest(seed)))]


def _accepted(node: str, epoch: int, lost: Any) -> list[Told]:  # noqa: ANN401  # as decoded
    refs = tuple(events.HoldingRef(FileId(file), slot) for file, slot in lost)
    return [Told(events.ProofAccepted(_node(node), epoch, refs))]


def _surrendered(node: str, file: bytes, slot: int) -> list[Told]:
    return [Told(events.HoldingSurrendered(_node(node), FileId(file), slot))]


# ------------------------------------------------------------------ values


def _address(text: str) -> Address:
    return Address(bytes.fromhex(text[2:]))


def _node(text: str) -> NodeId:
    return NodeId(_address(text))


def _redundancy(value: tuple[int, int, int]) -> Redundancy:
    return Redundancy(Coding(value[0]), value[1], value[2])


def _endpoint(value: tuple[str, bytes, bytes]) -> Endpoint:
    following = None if value[2] == _NONE else Digest(value[2])
    return Endpoint(value[0], Digest(value[1]), following)


def _holder(value: tuple[Any, ...]) -> Holder:
    node, root, leaves, replica_leaves, size, latest_expiry, valid_until, r, vs = value
    return Holder(
        node=_node(node),
        root=Digest(root),
        leaves=leaves,
        replica_leaves=replica_leaves,
        size=size,
        latest_expiry=latest_expiry,
        valid_until=valid_until,
        signature=whole_of(r, vs),
    )


_READERS: dict[Log, Callable[..., list[Told]]] = {
    abi.NODE_REGISTERED: _registered,
    abi.NODE_UPDATED: _updated,
    abi.NODE_STATE_SET: _state_set,
    abi.HEARTBEAT_SEEN: _heartbeat,
    abi.NODE_RESIGNED: _resigned,
    abi.NAMESPACE_CREATED: _created,
    abi.NAMESPACE_UPDATED: _changed,
    abi.FILE_PUBLISHED: _published,
    abi.FILE_RENEWED: _renewed,
    abi.FILE_RENAMED: _renamed,
    abi.FILE_DELETED: _deleted,
    abi.FILE_MOVED: _moved,
    abi.FILE_EXTENDED: _extended,
    abi.FILE_SHRUNK: _shrunk,
    abi.FILE_RELEASED: _released,
    abi.SEED_REVEALED: _revealed,
    abi.PROOF_ACCEPTED: _accepted,
    abi.HOLDING_SURRENDERED: _surrendered,
}
