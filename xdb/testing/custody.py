"""Storage nodes in memory, and files made for them as an owner makes them."""

from dataclasses import dataclass
from functools import cached_property

from xdb.core import coding, slicing
from xdb.core.encryption import encrypt_slice
from xdb.core.files import file_id
from xdb.core.manifest import encrypt_private, manifest_digest, wrap_key, write_manifest
from xdb.core.merkle import holding_root
from xdb.core.rules.state import State
from xdb.core.sealing import commit, seal, slot_key
from xdb.model.calls import NewFile
from xdb.model.ids import Deployment, Digest, FileId, NodeId
from xdb.model.manifest import Manifest, PrivatePart, SlotCommitment
from xdb.model.registry import FileRecord, Holder, Holding, NodeRecord, Parameters, Redundancy
from xdb.model.storage import Commitment, ReplicaKey, SlotRef
from xdb.ports.blockchain import Head
from xdb.ports.clock import Clock
from xdb.ports.disk import Disk
from xdb.services.admission import Admission
from xdb.services.custody import Custody
from xdb.services.facts import Facts
from xdb.services.receipts import ReceiptMaker
from xdb.store.kv_memory import MemoryKeyValue
from xdb.store.replicas import ReplicaStore
from xdb.store.room import RoomConfig
from xdb.testing.chain import MemoryChain
from xdb.testing.compute import InlineCompute
from xdb.testing.disk import MemoryDisk
from xdb.testing.keys import NamedKey
from xdb.testing.registry import TWO_COPIES, digest, nonce, tag

_NONCE_PREFIX = b"sevenby"


@dataclass(frozen=True)
class SealedFile:
    """A file with everything that holders need; its title determines all keys."""

    deployment: Deployment
    owner: NamedKey
    title: str
    data: bytes
    redundancy: Redundancy = TWO_COPIES
    slice_size: int = slicing.SMALLEST_SLICE
    leaf_size: int = 1024

    @cached_property
    def id(self) -> FileId:
        """Its id."""
        return file_id(self.deployment, self.owner.address, nonce(self.title))

    def ref(self, slot: int) -> SlotRef:
        """One of its slots."""
        return SlotRef(self.id, slot, self.owner.address, nonce(self.title))

    def key(self, slot: int, piece: int) -> ReplicaKey:
        """One of its replicas."""
        return ReplicaKey(self.id, slot, piece)

    @cached_property
    def slices(self) -> tuple[bytes, ...]:
        """Its slices, encrypted."""
        parts = slicing.cut(self.data, self.slice_size)
        last = len(parts) - 1
        key = self._secret("content")
        return tuple(
            encrypt_slice(key, _NONCE_PREFIX, self.id, index, index == last, part)
            for index, part in enumerate(parts)
        )

    def replicas(self, slot: int) -> list[bytes]:
        """What the holder of a slot holds, in order of the pieces."""
        key = slot_key(self._secret("sealing"), slot)
        redundancy = self.redundancy
        return [
            seal(
                key,
                index,
                coding.pieces(redundancy, data)[slot - 1 if redundancy.required > 1 else 0],
            )
            for index, data in enumerate(self.slices)
        ]

    def commitments(self, slot: int) -> tuple[Commitment, ...]:
        """The commitments to a slot's replicas."""
        return tuple(commit(replica, self.leaf_size) for replica in self.replicas(slot))

    @cached_property
    def manifest(self) -> bytes:
        """Its manifest."""
        part = PrivatePart(digest(f"plaintext {self.title}"), len(self.data), "", (), _NONCE_PREFIX)
        key = self._secret("content")
        return write_manifest(
            Manifest(
                file=self.id,
                redundancy=self.redundancy,
                slice_size=self.slice_size,
                last_slice_size=len(self.slices[-1]),
                leaf_size=self.leaf_size,
                slice_digests=tuple(digest(f"slice {i}") for i in range(len(self.slices))),
                slots=tuple(map(self._slot, range(1, self.redundancy.total + 1))),
                private=encrypt_private(key, self.id, part),
                wrapped_key=wrap_key(self._secret("kek"), key),
            )
        )

    @property
    def manifest_digest(self) -> Digest:
        """The manifest's digest."""
        return manifest_digest(self.manifest)

    def new(self, holders: tuple[Holder, ...], expiry: int, namespace: str = "ns") -> NewFile:
        """The call's part that publishes it."""
        return NewFile(
            nonce=nonce(self.title),
            namespace=tag(namespace),
            name=tag(self.title),
            manifest=self.manifest_digest,
            redundancy=self.redundancy,
            size=len(self.data),
            expiry=expiry,
            holders=holders,
            replaces=None,
            label=b"label",
        )

    def _slot(self, slot: int) -> SlotCommitment:
        commitments = self.commitments(slot)
        return SlotCommitment(holding_root(commitments), tuple(c.root for c in commitments))

    def _secret(self, purpose: str) -> bytes:
        return self.owner.derive(f"testing {purpose}", self.id)


@dataclass(frozen=True)
class StateFile:
    """A file as chain state has it."""

    record: FileRecord
    holdings: tuple[Holding, ...]


@dataclass(frozen=True)
class StateNode:
    """A node as chain state has it."""

    record: NodeRecord


@dataclass(frozen=True)
class StateRecords:
    """Looks records up in the state of a chain in memory, without an index."""

    chain: MemoryChain

    @property
    def head(self) -> Head:
        """The chain's."""
        return self.chain.head

    @property
    def parameters(self) -> Parameters:
        """The chain's."""
        return self.chain.parameters

    def node(self, node: NodeId) -> StateNode | None:
        """A node."""
        record = State(self.chain.state).node(node)
        return None if record is None else StateNode(record)

    def file(self, file: FileId) -> StateFile | None:
        """A file."""
        entry = State(self.chain.state).file(file)
        if entry is None:
            return None
        return StateFile(entry.record, tuple(slot.holding for slot in entry.slots))


def memory_custody(  # noqa: PLR0913  # what tests vary
    chain: MemoryChain,
    key: NamedKey,
    clock: Clock,
    *,
    room: RoomConfig | None = None,
    admission: Admission | None = None,
    disk: Disk | None = None,
    longest: int = 366 * 86400,
) -> Custody:
    """The custody of the node `key`, which is its own signer; it stores in memory."""
    compute = InlineCompute()
    parameters, deployment = chain.parameters, chain.deployment
    store = ReplicaStore(
        disk or MemoryDisk(),
        MemoryKeyValue(),
        compute,
        room or RoomConfig(capacity=1 << 30),
        parameters.leaf_size,
        lambda: chain.head.time,
    )
    return Custody(
        facts=Facts(key.node, deployment, parameters, StateRecords(chain)),
        store=store,
        admission=admission or Admission(None),
        receipts=ReceiptMaker(key.node, deployment, key, parameters.leaf_size),
        compute=compute,
        clock=clock,
        version="test",
        longest=longest,
    )
