"""Calls of the registry -> bytes that its contract takes."""

from typing import Protocol

from xdb.blockchain.ethereum import interface as abi
from xdb.blockchain.ethereum.answers import answers_of
from xdb.blockchain.ethereum.mirror import FileEntry, SegmentEntry
from xdb.blockchain.ethereum.signatures import compact_of
from xdb.errors import RefusedCallError
from xdb.model import calls
from xdb.model.calls import Call
from xdb.model.ids import FileId, NodeId
from xdb.model.refusal import Refusal
from xdb.model.registry import Coding, Endpoint, Holder, Redundancy

_NONE = bytes(32)
_NOWHERE = ("", _NONE, _NONE)


class Known(Protocol):
    """What the contract keeps only the hash of; `mirror.Mirror` is one."""

    def file(self, file: FileId) -> FileEntry | None:
        """A file's record."""
        ...

    def segment(self, node: NodeId, index: int) -> SegmentEntry | None:
        """A segment of a node."""
        ...


def calldata(call: Call, known: Known) -> bytes:
    """What is sent; RefusedCallError when the contract could not but refuse it."""
    match call:
        case calls.Publish():
            return abi.PUBLISH.call([_new(file) for file in call.files])
        case calls.Prove():
            answers = answers_of(call, lambda index: known.segment(call.node, index))
            return abi.PROVE.call(call.node, call.epoch, answers)
        case calls.Surrender():
            return abi.SURRENDER.call(call.node, _held(call, known))
        case calls.RevealSeed():
            raise ValueError("a seed is revealed with a header: see `seeds`")
        case calls.Seal():
            raise RefusedCallError(
                Refusal.UNSEALED, "holdings are sealed at once on Ethereum: nothing to do"
            )
        case calls.CreateNamespace() | calls.UpdateNamespace():
            return _namespace(call)
        case (
            calls.Renew()
            | calls.Rename()
            | calls.Delete()
            | calls.Move()
            | calls.Extend()
            | calls.Shrink()
            | calls.Release()
        ):
            return _file(call, known)
        case _:
            return _node(call)


def _node(call: calls.NodeCall) -> bytes:
    match call:
        case calls.RegisterNode():
            return abi.REGISTER_NODE.call(
                call.signer, _endpoint(call.endpoint), call.operator, call.zone, call.capacity
            )
        case calls.UpdateNode():
            return abi.UPDATE_NODE.call(_changes(call))
        case calls.SetNodeState():
            return abi.SET_NODE_STATE.call(int(call.state))
        case calls.Heartbeat():
            return abi.HEARTBEAT.call(call.node)
        case calls.Resign():
            return abi.RESIGN.call()


def _changes(call: calls.UpdateNode) -> tuple[object, ...]:
    given = (call.signer, call.endpoint, call.operator, call.zone, call.capacity)
    return (
        *(value is not None for value in given),
        call.signer or bytes(20),
        _NOWHERE if call.endpoint is None else _endpoint(call.endpoint),
        call.operator or "",
        call.zone or "",
        call.capacity or 0,
    )


def _namespace(call: calls.NamespaceCall) -> bytes:
    match call:
        case calls.CreateNamespace():
            return abi.CREATE_NAMESPACE.call(
                call.namespace, call.label, _redundancy(call.redundancy), int(call.scheme)
            )
        case calls.UpdateNamespace():
            policy = call.redundancy or Redundancy(Coding.COPIES, 0, 0)
            return abi.UPDATE_NAMESPACE.call(
                call.namespace,
                call.label is not None,
                call.label or b"",
                call.redundancy is not None,
                _redundancy(policy),
            )


def _file(  # noqa: PLR0911  # one for each call
    call: calls.Renew
    | calls.Rename
    | calls.Delete
    | calls.Move
    | calls.Extend
    | calls.Shrink
    | calls.Release,
    known: Known,
) -> bytes:
    if isinstance(call, calls.Delete):
        return abi.DELETE_FILE.call(call.file)
    entry = known.file(call.file)
    if entry is None:
        raise RefusedCallError(Refusal.FILE_UNKNOWN, f"there is no file {call.file.hex()}")
    version = getattr(call, "version", entry.version)
    if version != entry.version:
        raise RefusedCallError(
            Refusal.VERSION,
            f"file {call.file.hex()} has version {entry.version}, the call is for {version}: look "
            "at the file again",
        )
    record = _record(entry)
    match call:
        case calls.Renew():
            renewals = [(renewal.slot, _holder(renewal.holder)) for renewal in call.renewals]
            return abi.RENEW.call(call.file, record, call.expiry, renewals)
        case calls.Rename():
            return abi.RENAME.call(call.file, record, call.name, call.label)
        case calls.Move():
            return abi.MOVE.call(call.file, record, call.slot, _holder(call.holder))
        case calls.Extend():
            return abi.EXTEND.call(call.file, record, _holder(call.holder), call.siblings)
        case calls.Shrink():
            return abi.SHRINK.call(call.file, record, call.siblings)
        case calls.Release():
            return abi.RELEASE.call(call.file, record)


def _held(call: calls.Surrender, known: Known) -> tuple[object, ...]:
    entry = known.file(call.file)
    place = None
    if entry is not None and 0 < call.slot <= len(entry.places):
        place = entry.places[call.slot - 1]
    if place is None or place.node != call.node:
        raise RefusedCallError(
            Refusal.SLOT,
            f"node {call.node.hex()} does not hold slot {call.slot} of file {call.file.hex()}: "
            "nothing to surrender",
        )
    return (
        place.stand.index,
        call.file,
        call.slot,
        place.stand.start,
        place.leaves,
        place.replica_leaves,
        place.root,
    )


def _new(file: calls.NewFile) -> tuple[object, ...]:
    return (
        file.nonce,
        file.namespace,
        file.name,
        file.manifest,
        _redundancy(file.redundancy),
        file.size,
        file.expiry,
        [_holder(holder) for holder in file.holders],
        file.replaces or _NONE,
        file.label,
    )


def _record(entry: FileEntry) -> tuple[object, ...]:
    places = [
        (
            place.node,
            place.root,
            place.leaves,
            place.replica_leaves,
            place.size,
            place.latest_expiry,
            place.stand.packed,
        )
        for place in entry.places
    ]
    policy = _redundancy(entry.redundancy)
    return (entry.namespace, entry.name, entry.root, policy, entry.version, places)


def _holder(holder: Holder) -> tuple[object, ...]:
    return (
        holder.node,
        holder.root,
        holder.leaves,
        holder.replica_leaves,
        holder.size,
        holder.latest_expiry,
        holder.valid_until,
        *compact_of(holder.signature),
    )


def _endpoint(endpoint: Endpoint) -> tuple[str, bytes, bytes]:
    return endpoint.address, endpoint.certificate, endpoint.next_certificate or _NONE


def _redundancy(redundancy: Redundancy) -> tuple[int, int, int]:
    return int(redundancy.coding), redundancy.required, redundancy.total
