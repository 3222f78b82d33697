"""Events of audits: seeds, segments, proofs; and the verdicts that follow from them.

A seed closes the epoch of the one before it. Only then is it known who proved nothing,
and whether so many proved nothing that the epoch says nothing about anybody.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from xdb.core.rules.segments import Space
from xdb.index.keys import (
    SEED,
    SPACES,
    AuditEntry,
    SegmentEntry,
    audit_key,
    epoch_key,
    file_key,
    node_key,
    number,
    pointer_key,
    segment_key,
    space_key,
    unsealed_key,
)
from xdb.index.moment import Moment
from xdb.index.poison import PoisonError
from xdb.index.staging import Staging
from xdb.index.views import FileView, Seed
from xdb.model.events import BucketsSealed, ProofAccepted, SeedRevealed
from xdb.model.health import Verdict
from xdb.model.ids import Address, FileId, NodeId
from xdb.model.registry import NodeRecord, NodeState

KEPT = 10_000
"""Epochs whose audits can be asked for: more than a year of hours."""


@dataclass(frozen=True, slots=True)
class Tenure:
    """A holding while one node has it: the slot, and since when."""

    node: NodeId
    file: FileId
    slot: int
    since: int


def entered(staging: Staging, tenure: Tenure, at: Moment) -> None:
    """A holding that will be sealed once its epoch is over."""
    epoch = at.parameters.epoch_at(tenure.since)
    staging.put(unsealed_key(tenure.node, epoch, tenure.file, tenure.slot), b"")


def ended(staging: Staging, tenure: Tenure, at: Moment) -> None:
    """A holding that is no longer asked for, from the next epoch on."""
    node, file, slot = tenure.node, tenure.file, tenure.slot
    unsealed = unsealed_key(node, at.parameters.epoch_at(tenure.since), file, slot)
    if staging.get(unsealed) is not None:
        staging.put(unsealed, None)
        return
    pointer = staging.get(pointer_key(node, file, slot))
    if pointer is None:
        return
    key = segment_key(node, int.from_bytes(pointer, "big"))
    segment = staging.load(key, SegmentEntry)
    if segment is not None:
        staging.save(key, replace(segment, ended=at.epoch + 1))
    staging.put(pointer_key(node, file, slot), None)


def sealed(staging: Staging, event: BucketsSealed, at: Moment) -> None:
    """Holdings of past epochs become segments."""
    index, start = event.first, event.start
    for ref in event.holdings:
        view = staging.load(file_key(ref.file), FileView)
        if view is None or not 1 <= ref.slot <= len(view.holdings):
            raise PoisonError(f"slot {ref.slot} of file {ref.file.hex()} is sealed and unknown")
        holding, since = view.holdings[ref.slot - 1], view.since[ref.slot - 1]
        entry = SegmentEntry(
            index, ref.file, ref.slot, holding.leaves, holding.replica_leaves, ended=0
        )
        staging.save(segment_key(event.node, start), entry)
        staging.put(pointer_key(event.node, ref.file, ref.slot), number(start))
        epoch = at.parameters.epoch_at(since)
        staging.put(unsealed_key(event.node, epoch, ref.file, ref.slot), None)
        index, start = index + 1, start + holding.leaves
    space = staging.load(space_key(event.node), Space) or Space(())
    staging.save(space_key(event.node), space.grown(at.enters, index, start))


def accepted(staging: Staging, event: ProofAccepted, at: Moment) -> None:
    """A node answered; what it admitted to have lost makes the epoch one it failed."""
    seed = staging.load(SEED, Seed)
    if seed is None or seed.epoch != event.epoch:
        raise PoisonError(f"epoch {event.epoch} is proved and not open")
    if staging.get(node_key(event.node)) is None:
        raise PoisonError(f"there is no node {event.node.hex()}")
    verdict = Verdict.FAILED if event.lost else Verdict.PROVED
    _save(staging, event.node, event.epoch, AuditEntry(verdict, at.time, event.lost))


def revealed(staging: Staging, event: SeedRevealed, at: Moment) -> None:
    """An epoch begins to ask, the one that asked before is over."""
    before = staging.load(SEED, Seed)
    if event.epoch != at.epoch or (before is not None and before.epoch >= event.epoch):
        raise PoisonError(f"a seed of epoch {event.epoch} appears in epoch {at.epoch}")
    if before is not None:
        _close(staging, before.epoch, at)
    staging.save(SEED, Seed(event.epoch, event.seed, at.time))


def _close(staging: Staging, epoch: int, at: Moment) -> None:
    asked = list(_asked(staging, epoch))
    answers = {node: staging.load(audit_key(node, epoch), AuditEntry) for node in asked}
    silent = sum(answer is None for answer in answers.values())
    void = 2 * silent > len(asked)
    for node, answer in answers.items():
        found = answer or AuditEntry(Verdict.MISSED, at.time, ())
        if void:
            found = replace(found, verdict=Verdict.VOID)
        if found != answer:
            _save(staging, node, epoch, found)
        if epoch >= KEPT:
            staging.put(audit_key(node, epoch - KEPT), None)
            staging.put(epoch_key(epoch - KEPT, node), None)


def _asked(staging: Staging, epoch: int) -> Iterator[NodeId]:
    """Nodes that had something to prove, and have not left."""
    for key in staging.stored(SPACES):
        node = NodeId(Address(key[len(SPACES) :]))
        space = staging.load(key, Space)
        extent = space.before(epoch) if space is not None else None
        record = staging.load(node_key(node), NodeRecord)
        if record is None or record.state is NodeState.LEFT:
            continue
        if extent is not None and extent.leaves:
            yield node


def _save(staging: Staging, node: NodeId, epoch: int, entry: AuditEntry) -> None:
    staging.save(audit_key(node, epoch), entry)
    staging.put(epoch_key(epoch, node), bytes([entry.verdict]))
