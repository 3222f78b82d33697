"""What a storage node knows from the chain and decides by."""

from dataclasses import dataclass
from typing import Protocol

from xdb.core.files import file_id
from xdb.errors import (
    AuthError,
    ExpiredError,
    InvalidRequestError,
    NotFoundError,
    RejectedError,
    UnavailableError,
)
from xdb.model.ids import Address, Deployment, FileId, NodeId
from xdb.model.registry import FileRecord, Holding, NodeRecord, NodeState, Parameters
from xdb.model.storage import SlotRef
from xdb.ports.blockchain import Head


class NodeFacts(Protocol):
    """A node as the index has it."""

    @property
    def record(self) -> NodeRecord:
        """Its record."""
        ...


class FileFacts(Protocol):
    """A file as the index has it."""

    @property
    def record(self) -> FileRecord:
        """Its record."""
        ...

    @property
    def holdings(self) -> tuple[Holding, ...]:
        """What slots 1, 2, ... hold."""
        ...


class Records(Protocol):
    """Where records are looked up: an index that follows the chain."""

    @property
    def head(self) -> Head:
        """The newest block it has seen."""
        ...

    @property
    def parameters(self) -> Parameters:
        """The chain's, such as fit the present epoch."""
        ...

    def node(self, node: NodeId) -> NodeFacts | None:
        """A node, None when it never registered."""
        ...

    def file(self, file: FileId) -> FileFacts | None:
        """A file, None when there is no record, or no longer."""
        ...


@dataclass(frozen=True, slots=True)
class Facts:
    """The chain as one storage node sees it."""

    node: NodeId
    deployment: Deployment
    parameters: Parameters
    records: Records

    @property
    def now(self) -> int:
        """Chain time."""
        return self.records.head.time

    @property
    def epoch(self) -> int:
        """The present epoch."""
        return self.records.parameters.epoch_at(self.now)

    def me(self) -> NodeRecord:
        """This node's own record."""
        found = self.records.node(self.node)
        if found is None:
            raise UnavailableError(
                f"node {self.node.hex()} does not see itself on the chain yet: try again shortly"
            )
        return found.record

    def check_owner(self, caller: Address, slot: SlotRef) -> None:
        """AuthError unless the caller owns the slot's file.

        The record shows who does; before there is one, the file's id.
        """
        found = self.records.file(slot.file)
        recorded = found is not None and found.record.owner == slot.owner
        if not recorded and slot.file != file_id(self.deployment, slot.owner, slot.nonce):
            raise AuthError(
                f"{slot.file.hex()} is not the id of a file of owner {slot.owner.hex()} on this "
                "chain: send the owner and nonce it was made with"
            )
        if caller != slot.owner:
            raise AuthError(
                f"file {slot.file.hex()} belongs to {slot.owner.hex()}, you signed as "
                f"{caller.hex()}: only the owner may store it"
            )
        if not 1 <= slot.slot <= self.parameters.max_slots:
            raise InvalidRequestError(
                f"slot {slot.slot} does not exist: they are numbered 1 to "
                f"{self.parameters.max_slots}"
            )

    def check_takes(self, slot: SlotRef) -> FileFacts | None:
        """What is recorded of the slot's file; an error when this node takes nothing for it."""
        found = self.records.file(slot.file)
        if found is not None:
            self.check_not_gone(found.record)
        me = self.me()
        if found is not None and self.holds(found.record, slot.slot):
            return found  # restoring and renewing what it holds is never refused
        if me.state is not NodeState.ONLINE:
            raise RejectedError(
                f"node {self.node.hex()} is {me.state.name.lower()} and takes nothing new: "
                "use another node"
            )
        return found

    def check_reads(self, caller: Address, file: FileId, staged: Address | None) -> None:
        """Raises when the caller may not read `file`; `staged` is whose slot of it is here.

        The owner may until the end of retention: bringing a file back needs its bytes.
        """
        found = self.records.file(file)
        owner = staged if found is None else found.record.owner
        if owner is None:
            raise NotFoundError(
                f"file {file.hex()} is not on node {self.node.hex()}: look up its holders"
            )
        if caller != owner:
            raise AuthError(
                f"you may not read file {file.hex()}, signed as {caller.hex()}: "
                "only its owner may; ask the owner"
            )
        if found is not None:
            self.check_not_gone(found.record)

    def check_not_gone(self, record: FileRecord) -> None:
        """ExpiredError when the file's retention is over."""
        gone = record.gone(self.parameters.retention)
        if self.now >= gone:
            raise ExpiredError(
                f"file {record.file.hex()} ended at {record.ends()} and its retention at {gone}: "
                "it cannot be brought back"
            )

    def recorded(self, file: FileId, slot: int) -> Holding | None:
        """What this node holds of a file by its record."""
        found = self.records.file(file)
        if found is None or not self.holds(found.record, slot):
            return None
        return found.holdings[slot - 1]

    def holds(self, record: FileRecord, slot: int) -> bool:
        """Whether the record names this node as the slot's holder."""
        return 1 <= slot <= len(record.holders) and record.holders[slot - 1] == self.node
