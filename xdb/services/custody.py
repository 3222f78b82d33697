"""What a storage node keeps for others, and on what conditions.

A receipt is the last of three steps: every replica verified and synced, the manifest
checked against them and synced, then the signature. So no receipt speaks of something
that a crash can take.
"""

from dataclasses import dataclass

from xdb.core.manifest import manifest_digest, read_manifest
from xdb.core.merkle import holding_root
from xdb.core.slicing import LARGEST_SLICE, MAX_SLICES
from xdb.errors import (
    IntegrityError,
    InvalidRequestError,
    NotFoundError,
    RejectedError,
    UnavailableError,
    XdbError,
)
from xdb.model.ids import Address, Digest, FileId
from xdb.model.manifest import Manifest
from xdb.model.registry import Holder, NodeState
from xdb.model.storage import Commitment, NodeStatus, ReplicaKey, SlotRef
from xdb.ports.clock import Clock
from xdb.ports.compute import Buffer, Compute
from xdb.services.acceptance import check_manifest, complete, root_over
from xdb.services.admission import Admission
from xdb.services.facts import Facts, FileFacts
from xdb.services.receipts import ReceiptMaker, Terms
from xdb.store.replicas import ReplicaStore, StoredSlot

_TURN = 256  # catalogue entries read before others get their turn
_MOST_DAMAGED = 10_000  # counted for a status


@dataclass(frozen=True, slots=True)
class Custody:
    """Takes replicas in, hands them out, signs for them. `caller` is who signed a request."""

    facts: Facts
    store: ReplicaStore
    admission: Admission
    receipts: ReceiptMaker
    compute: Compute
    clock: Clock
    version: str
    longest: int  # seconds of chain time, the furthest expiry accepted

    # ------------------------------------------------------------ taking in

    async def check_push(
        self, caller: Address, slot: SlotRef, piece: int, commitment: Commitment
    ) -> bool:
        """Before any data: raises when a replica is not taken; True when it is here already."""
        self._check_slot(caller, slot)
        recorded = self.facts.recorded(slot.file, slot.slot)
        if recorded is not None and piece >= recorded.replicas:
            raise InvalidRequestError(
                f"slot {slot.slot} of file {slot.file.hex()} has {recorded.replicas} pieces, "
                f"numbered from 0: there is no piece {piece}"
            )
        if not 0 <= piece < MAX_SLICES:
            raise InvalidRequestError(f"piece {piece} does not exist: there are {MAX_SLICES}")
        if not 0 < commitment.length <= LARGEST_SLICE:
            raise InvalidRequestError(
                f"a replica of {commitment.length} bytes: 1 to {LARGEST_SLICE} are taken; "
                "cut the file into smaller slices"
            )
        key = ReplicaKey(slot.file, slot.slot, piece)
        if self.store.commitment(key) == commitment:
            return True
        self._check_store()
        if self.store.catalog.replica(key) is None:  # else it was here, and has its room
            free = await self.store.files.disk.free()
            self.store.room.check(slot.owner, commitment.length, free)
        return False

    async def push(
        self, caller: Address, slot: SlotRef, piece: int, commitment: Commitment, sealed: Buffer
    ) -> bool:
        """Stores a replica, verified and durable on return; True when it was here already."""
        if await self.check_push(caller, slot, piece, commitment):
            return True
        return await self.store.put(slot, piece, commitment, sealed)

    def check_accept(
        self, caller: Address, slot: SlotRef, expiry: int, version: int
    ) -> FileFacts | None:
        """Before any data: raises when no receipt will be given. Gives what is recorded."""
        found = self._check_slot(caller, slot)
        self._check_store()
        self._check_signer()
        now = self.facts.now
        if expiry <= now:
            raise InvalidRequestError(
                f"expiry {expiry} is not in the future, chain time is {now}: choose a later one"
            )
        if version < 1:
            raise InvalidRequestError(f"version {version} does not exist: a new file has 1")
        return found

    async def accept(  # noqa: PLR0913, PLR0917  # all that a receipt is about
        self,
        caller: Address,
        slot: SlotRef,
        digest: Digest,
        manifest: bytes,
        expiry: int,
        version: int,
    ) -> Holder:
        """Takes over a slot whose replicas are all here, and signs for it."""
        found = self.check_accept(caller, slot, expiry, version)
        if manifest_digest(manifest) != digest:
            raise IntegrityError(
                f"the manifest of file {slot.file.hex()} arrived changed: send it again"
            )
        described = await self.compute.in_thread(read_manifest, manifest)
        check_manifest(described, slot, self.facts.parameters.leaf_size)
        commitments = complete(described, slot, await self._stored(described, slot))
        root = holding_root(commitments)
        file_root = root_over(described, digest, slot, root, found)
        await self.store.put_manifest(slot, manifest)
        # looked at again: while it waited, the slot may have been removed and begun anew
        complete(described, slot, await self._stored(described, slot))
        # looked up again: what it held when the call came it may hold no more
        until = self._valid_until(self._still_here(slot), self.facts.records.file(slot.file))
        terms = Terms(file_root, version, self._latest(expiry), until)
        return self.receipts.make(slot, root, commitments, terms)

    # ------------------------------------------------------------ handing out

    def check_read(self, caller: Address, file: FileId, slot: int) -> None:
        """Raises when the caller may not read this slot, or nothing of it is here."""
        stored = self.store.slot(file, slot)
        self.facts.check_reads(caller, file, None if stored is None else stored.ref.owner)
        if stored is None:
            raise NotFoundError(
                f"slot {slot} of file {file.hex()} is not on node {self.facts.node.hex()}: "
                "ask its holder"
            )

    async def pull(self, caller: Address, key: ReplicaKey, offset: int, length: int) -> bytes:
        """A range of a replica; length 0 reaches to its end. The reader verifies it."""
        self.check_read(caller, key.file, key.slot)
        return await self.store.get(key, offset, length)

    def length(self, key: ReplicaKey) -> int:
        """Bytes of a replica."""
        entry = self.store.catalog.replica(key)
        if entry is None:
            raise NotFoundError(
                f"piece {key.piece} of slot {key.slot} of file {key.file.hex()} is not on node "
                f"{self.facts.node.hex()}: ask another holder"
            )
        return entry.length

    def manifest_length(self, caller: Address, file: FileId, slot: int) -> int:
        """Bytes of a slot's manifest."""
        self.check_read(caller, file, slot)
        entry = self.store.catalog.slot(file, slot)
        return 0 if entry is None else entry.manifest_length

    async def pull_manifest(self, caller: Address, file: FileId, slot: int) -> bytes:
        """The manifest as it came; its digest is in the file's record."""
        self.check_read(caller, file, slot)
        return await self.store.get_manifest(file, slot)

    # ------------------------------------------------------------ about itself

    async def status(self, caller: Address) -> NodeStatus:
        """What this node says of itself, and whether it takes new files of the caller."""
        free = self.store.room.free(await self.store.files.disk.free())
        reason = self._reason(caller, free)
        head = self.facts.records.head
        known = self.facts.records.node(self.facts.node)
        return NodeStatus(
            node=self.facts.node,
            version=self.version,
            capacity=0 if known is None else known.record.capacity,
            used=self.store.room.used,
            free=free,
            height=head.height,
            chain_time=head.time,
            clock=int(self.clock.wall()),
            accepts=not reason,
            reason=reason,
            damaged=self.store.catalog.count_damaged(_MOST_DAMAGED),
        )

    # ------------------------------------------------------------ inside

    def _check_slot(self, caller: Address, slot: SlotRef) -> FileFacts | None:
        self.facts.check_owner(caller, slot)
        self.admission.check(slot.owner)
        return self.facts.check_takes(slot)

    def _check_store(self) -> None:
        if self.store.files.failed:
            raise UnavailableError(
                f"the store of node {self.facts.node.hex()} has failed and it is stopping: "
                "try again later, or use another node"
            )

    def _check_signer(self) -> None:
        me, epoch = self.facts.me(), self.facts.epoch
        if me.signer_at(epoch) != self.receipts.signer.address:
            raise UnavailableError(
                f"node {me.node.hex()} changes its signer and gives receipts again from the next "
                "epoch on: try again later, or use another node"
            )

    def _reason(self, caller: Address, free: int) -> str:
        try:
            self._check_store()
            self.admission.check(caller)
            me = self.facts.me()
            if me.state is not NodeState.ONLINE:
                return f"it is {me.state.name.lower()}"
        except XdbError as error:
            return str(error)
        return "" if free else "it is full"

    async def _stored(self, manifest: Manifest, slot: SlotRef) -> dict[int, Commitment]:
        stored = {}
        for piece in range(len(manifest.slice_digests)):
            if piece % _TURN == _TURN - 1:
                await self.clock.sleep(0)
            commitment = self.store.commitment(ReplicaKey(slot.file, slot.slot, piece))
            if commitment is not None:
                stored[piece] = commitment
        return stored

    def _still_here(self, slot: SlotRef) -> StoredSlot:
        stored = self.store.slot(slot.file, slot.slot)
        if stored is None or not stored.accepted:
            raise RejectedError(
                f"slot {slot.slot} of file {slot.file.hex()} was removed meanwhile: push it again"
            )
        return stored

    def _latest(self, expiry: int) -> int:
        return min(expiry, self.facts.now + self.longest)

    def _valid_until(self, stored: StoredSlot, found: FileFacts | None) -> int:
        parameters, now = self.facts.parameters, self.facts.now
        until = now + parameters.receipt_validity
        if found is not None and self.facts.holds(found.record, stored.ref.slot):
            return until
        # What no record names by then is removed, so no receipt may last longer.
        until = min(until, stored.since + parameters.stray_grace)
        if until <= now:
            raise RejectedError(
                f"slot {stored.ref.slot} of file {stored.ref.file.hex()} waited for its record "
                f"since {stored.since} and is about to be removed: upload the file again"
            )
        return until
