"""The registry contract in the words of the model: calls to it, events from it, its records.

What the contract keeps only as commitments is collected here from its events.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import encode

from xdb.model import calls
from xdb.model.calls import Answer, Call
from xdb.model.ids import Address, ChainId, Deployment, Digest, FileId, NodeId, Tag
from xdb.model.registry import Coding, Endpoint, Holder, Redundancy
from xdb.testing.evm import Contract, Log, Outcome, digest_256
from xdb.testing.evm_events import redundancy_of

PLACE = "(address,bytes32,uint64,uint64,uint64,uint64,uint256)"
RECORD = f"(bytes32,bytes32,bytes32,(uint8,uint64,uint64),uint64,{PLACE}[])"
LEAVES_48 = 1 << 48
_TOP = 1 << 255


@dataclass(frozen=True, slots=True)
class Place:
    """One slot of a record, in the order of the contract's fields."""

    node: NodeId
    root: Digest
    leaves: int
    replica_leaves: int
    size: int
    latest_expiry: int
    segment: int


@dataclass(slots=True)
class Record:
    """What the contract commits to."""

    namespace: Tag
    name: Tag
    root: Digest
    redundancy: Redundancy
    version: int
    places: list[Place]

    def values(self) -> tuple[object, ...]:
        """As the contract takes it."""
        places = [tuple(getattr(place, name) for name in Place.__slots__) for place in self.places]
        return (
            *(self.namespace, self.name, self.root, redundancy_values(self.redundancy)),
            *(self.version, places),
        )

    def commitment(self) -> bytes:
        """The hash in state."""
        return digest_256(encode([RECORD], [self.values()]))


@dataclass(frozen=True, slots=True)
class Held:
    """A segment of a node."""

    index: int
    file: FileId
    slot: int
    start: int
    leaves: int
    replica_leaves: int
    root: Digest

    def packed(self) -> bytes:
        """As answers name it."""
        return (
            self.index.to_bytes(4, "big")
            + self.file
            + self.slot.to_bytes(1, "big")
            + b"".join(
                number.to_bytes(6, "big")
                for number in (self.start, self.leaves, self.replica_leaves)
            )
        )

    def values(self) -> tuple[object, ...]:
        """As Surrender takes it."""
        return tuple(getattr(self, name) for name in self.__slots__)


NOWHERE = Held(0, FileId(bytes(32)), 0, 0, 0, 0, Digest(bytes(32)))


@dataclass(slots=True)
class Registry:
    """A deployed registry, and what its events told of records and segments."""

    contract: Contract
    records: dict[FileId, Record] = field(default_factory=dict)
    segments: dict[NodeId, dict[int, Held]] = field(default_factory=dict)

    @property
    def deployment(self) -> Deployment:
        """What everything signed names."""
        chain = int(self.contract.evm.rpc("eth_chainId"), 16)
        return Deployment(ChainId(chain.to_bytes(32, "big")), self.contract.address)

    def call(self, sender: Address, call: Call) -> Outcome:
        """Mines a call and follows its events."""
        outcome = self.contract.send(sender, *self.arguments(call))
        for log in outcome.logs:
            self._follow(log)
        return outcome

    def record(self, file: FileId) -> Record:
        """A file's record; one that fits no file when there is none."""
        return self.records.get(file) or Record(
            *(Tag(bytes(32)), Tag(bytes(32)), Digest(bytes(32))),
            *(Redundancy(Coding.COPIES, 1, 0), 0, []),
        )

    def arguments(self, call: Call) -> tuple[Any, ...]:  # noqa: PLR0911  # a table
        """The function and its arguments."""
        match call:
            case calls.RegisterNode() | calls.UpdateNode() | calls.SetNodeState():
                return _node_arguments(call)
            case calls.Heartbeat(node):
                return "heartbeat", node
            case calls.Resign():
                return ("resign",)
            case calls.CreateNamespace(tag, label, redundancy, scheme):
                values = redundancy_values(redundancy)
                return "createNamespace", tag, label, values, int(scheme)
            case calls.UpdateNamespace(tag, label, redundancy):
                values = redundancy_values(redundancy) if redundancy else (1, 0, 0)
                flags = (label is not None, label or b"", redundancy is not None)
                return "updateNamespace", tag, *flags, values
            case calls.Prove(node, epoch, answers):
                return "prove", node, epoch, b"".join(self._answer(node, one) for one in answers)
            case calls.Surrender(node, file, slot):
                return "surrender", node, self.held(node, file, slot).values()
            case _:
                return self._file_arguments(call)

    def _file_arguments(self, call: Call) -> tuple[Any, ...]:  # noqa: PLR0911  # a table
        match call:
            case calls.Publish(files):
                return "publish", [_new_values(file) for file in files]
            case calls.Renew(file, expiry, renewals):
                values = [(one.slot, holder_values(one.holder)) for one in renewals]
                return "renew", file, self.record(file).values(), expiry, values
            case calls.Rename(file, name, label):
                return "rename", file, self.record(file).values(), name, label
            case calls.Delete(file):
                return "deleteFile", file
            case calls.Release(file):
                return "release", file, self.record(file).values()
            case calls.Move(file, version, slot, holder):
                return "move", file, self._at(file, version), slot, holder_values(holder)
            case calls.Extend(file, version, holder, siblings):
                return "extend", file, self._at(file, version), holder_values(holder), siblings
            case calls.Shrink(file, version, siblings):
                return "shrink", file, self._at(file, version), siblings
            case _:
                raise TypeError(f"no such call on this chain: {call}")

    def _at(self, file: FileId, version: int) -> tuple[object, ...]:
        record = self.record(file)
        shown = (record.namespace, record.name, record.root, record.redundancy, version)
        return Record(*shown, record.places).values()

    def held(self, node: NodeId, file: FileId, slot: int) -> Held:
        """The segment in which a node holds a slot, by the file's record."""
        places = self.record(file).places
        if not 1 <= slot <= len(places) or places[slot - 1].node != node:
            return Held(0, file, slot, 0, 0, 0, Digest(bytes(32)))
        return self.segments[node][places[slot - 1].segment >> 48]

    def _answer(self, node: NodeId, answer: Answer) -> bytes:
        segments = self.segments.get(node, {})
        parts = [bytes([len(answer.holes)])]
        for index in answer.holes:
            hole = segments.get(index, NOWHERE)
            parts += [hole.packed(), hole.root]
        if answer.leaf is not None:
            leaf = answer.leaf
            parts += [b"\1", segments.get(leaf.segment, NOWHERE).packed()]
            parts += [leaf.replica_length.to_bytes(8, "big"), leaf.data]
            parts += [*leaf.replica_path, *leaf.holding_path]
        elif answer.lost_segment is not None:
            lost = segments.get(answer.lost_segment, NOWHERE)
            parts += [b"\2", lost.packed(), lost.root]
        return b"".join(parts)

    def _follow(self, log: Log) -> None:
        values = log.fields
        file: FileId = values.get("file", FileId(b""))
        match log.name:
            case "FilePublished":
                places = [
                    self._appended(file, slot, holder, segment)
                    for slot, (holder, segment) in enumerate(
                        zip(values["holders"], values["segments"], strict=True), start=1
                    )
                ]
                redundancy = redundancy_of(values["redundancy"])
                tags = (values["namespace"], values["name"], values["root"])
                self.records[file] = Record(*tags, redundancy, 1, places)
            case "FileRenewed":
                self._renew(file, values["renewals"])
            case "FileRenamed":
                self.records[file].name = values["name"]
            case "FileMoved" | "FileExtended" | "FileShrunk":
                self._change(log.name, self.records[file], values)
            case "FileReleased":
                del self.records[file]

    def _renew(self, file: FileId, renewals: tuple[Mapping[str, Any], ...]) -> None:
        places = self.records[file].places
        for renewal in renewals:
            old = places[renewal["slot"] - 1]
            latest = max(old.latest_expiry, renewal["holder"]["latestExpiry"])
            kept = (old.node, old.root, old.leaves, old.replica_leaves, old.size)
            places[renewal["slot"] - 1] = Place(*kept, latest, old.segment)

    def _change(self, what: str, record: Record, values: Mapping[str, Any]) -> None:
        record.version = values["version"]
        slot = values["slot"]
        if what == "FileShrunk":
            record.places.pop()
        else:
            place = self._appended(values["file"], slot, values["holder"], values["segment"])
            record.places[slot - 1 : slot] = [place]
        if what != "FileMoved":
            record.root = values["root"]
            total = len(record.places)
            record.redundancy = Redundancy(record.redundancy.coding, 1, total)

    def _appended(self, file: FileId, slot: int, raw: Mapping[str, Any], segment: int) -> Place:
        index, start = divmod(segment, LEAVES_48)
        node, root = NodeId(raw["node"]), raw["root"]
        shape = (raw["leaves"], raw["replicaLeaves"])
        self.segments.setdefault(node, {})[index] = Held(index, file, slot, start, *shape, root)
        return Place(node, root, *shape, raw["size"], raw["latestExpiry"], segment)


def _node_arguments(
    call: calls.RegisterNode | calls.UpdateNode | calls.SetNodeState,
) -> tuple[Any, ...]:
    match call:
        case calls.RegisterNode(signer, endpoint, operator, zone, capacity):
            return "registerNode", signer, _endpoint_values(endpoint), operator, zone, capacity
        case calls.SetNodeState(state):
            return "setNodeState", int(state)
    given = (call.signer, call.endpoint, call.operator, call.zone, call.capacity)
    return "updateNode", (
        *(value is not None for value in given),
        call.signer or bytes(20),
        _endpoint_values(call.endpoint) if call.endpoint else ("", bytes(32), bytes(32)),
        *(call.operator or "", call.zone or "", call.capacity or 0),
    )


def redundancy_values(redundancy: Redundancy) -> tuple[int, int, int]:
    """As the contract takes it."""
    return int(redundancy.coding), redundancy.required, redundancy.total


def _endpoint_values(endpoint: Endpoint) -> tuple[object, ...]:
    return endpoint.address, endpoint.certificate, endpoint.next_certificate or bytes(32)


def holder_values(holder: Holder) -> tuple[object, ...]:
    """As the contract takes it."""
    s = int.from_bytes(holder.signature[32:64], "big") | _TOP * holder.signature[64]
    return (
        *(holder.node, holder.root, holder.leaves, holder.replica_leaves, holder.size),
        *(holder.latest_expiry, holder.valid_until),
        *(holder.signature[:32], s.to_bytes(32, "big")),
    )


def _new_values(file: calls.NewFile) -> tuple[object, ...]:
    return (
        *(file.nonce, file.namespace, file.name, file.manifest),
        *(redundancy_values(file.redundancy), file.size, file.expiry),
        [holder_values(holder) for holder in file.holders],
        *(file.replaces or bytes(32), file.label),
    )
