"""Slots: another holder for one, one more, or one less."""

from dataclasses import replace

from xdb.core import merkle
from xdb.core.rules.files import check_slot, check_version, live, named, owned
from xdb.core.rules.holdings import Place, accept, check_same
from xdb.core.rules.limits import check_count, refuse
from xdb.core.rules.segments import end_holding
from xdb.core.rules.state import Context, FileEntry, State
from xdb.errors import IntegrityError, RefusedCallError
from xdb.model.calls import Extend, Move, Shrink
from xdb.model.events import Event, FileExtended, FileMoved, FileShrunk
from xdb.model.ids import Address, Digest, NodeId
from xdb.model.refusal import Refusal
from xdb.model.registry import Coding

LONGEST_PATH = 64
"""Siblings in any path."""


def move(context: Context, state: State, sender: Address, call: Move) -> list[Event]:
    """The same holding with another node, or taken anew by the same one."""
    entry = owned(context, state, sender, call.file)
    check_version(entry, call.version)
    check_slot(entry, call.slot)
    record, at = entry.record, call.slot - 1
    source, old = record.holders[at], entry.slots[at]
    if call.holder.node != source:
        _check_apart(call.holder.node, record.holders)
    check_same(call.slot, call.holder, old.holding)
    end_holding(context, state, source, call.file, call.slot, old)
    version = record.version + 1
    place = Place(call.file, call.slot, record.root, version, record.expiry)
    slot = accept(context, state, place, call.holder)
    holders = (*record.holders[:at], call.holder.node, *record.holders[at + 1 :])
    state.put_file(
        FileEntry(
            record=replace(record, version=version, holders=holders),
            slots=(*entry.slots[:at], slot, *entry.slots[at + 1 :]),
        )
    )
    return [
        FileMoved(
            file=call.file, slot=call.slot, source=source, holder=call.holder, version=version
        )
    ]


def extend(context: Context, state: State, sender: Address, call: Extend) -> list[Event]:
    """One more copy, as slot total + 1."""
    entry = live(context, state, sender, call.file)
    check_version(entry, call.version)
    record = entry.record
    _check_extensible(context, entry)
    _check_apart(call.holder.node, record.holders)
    _check_like_others(entry, call)
    number, version = record.redundancy.total + 1, record.version + 1
    root = _extended_root(entry, call)
    place = Place(call.file, number, root, version, record.expiry)
    slot = accept(context, state, place, call.holder)
    record = replace(
        record,
        root=root,
        redundancy=replace(record.redundancy, total=number),
        version=version,
        holders=(*record.holders, call.holder.node),
    )
    state.put_file(FileEntry(record, (*entry.slots, slot)))
    return [
        FileExtended(file=call.file, slot=number, holder=call.holder, root=root, version=version)
    ]


def shrink(context: Context, state: State, sender: Address, call: Shrink) -> list[Event]:
    """One copy less: the last slot's holding ends."""
    entry = owned(context, state, sender, call.file)
    check_version(entry, call.version)
    _check_shrinkable(entry)
    record, old = entry.record, entry.slots[-1]
    number, version, node = record.redundancy.total, record.version + 1, record.holders[-1]
    root = _shrunk_root(entry, call)
    end_holding(context, state, node, call.file, number, old)
    record = replace(
        record,
        root=root,
        redundancy=replace(record.redundancy, total=number - 1),
        version=version,
        holders=record.holders[:-1],
    )
    state.put_file(FileEntry(record, entry.slots[:-1]))
    return [FileShrunk(file=call.file, slot=number, node=node, root=root, version=version)]


def _check_apart(node: NodeId, holders: tuple[NodeId, ...]) -> None:
    if node in holders:
        raise refuse(
            Refusal.HOLDERS,
            f"node {node.hex()} holds slot {holders.index(node) + 1} of this file already: "
            "choose a node that holds none",
        )


def _check_extensible(context: Context, entry: FileEntry) -> None:
    _check_copies(entry)
    redundancy = entry.record.redundancy
    if redundancy.total >= context.parameters.max_slots:
        raise refuse(
            Refusal.POLICY,
            f"{named(entry.record.file)} has {redundancy.total} slots, the most there may be",
        )


def _check_shrinkable(entry: FileEntry) -> None:
    _check_copies(entry)
    if entry.record.redundancy.total <= 1:
        raise refuse(
            Refusal.POLICY,
            f"{named(entry.record.file)} has one slot, and the last copy stays: "
            "delete the file if it is to end",
        )


def _check_copies(entry: FileEntry) -> None:
    if entry.record.redundancy.coding is not Coding.COPIES:
        raise refuse(
            Refusal.POLICY,
            f"{named(entry.record.file)} is erasure-coded and has its slots for good: "
            "upload it again with another redundancy",
        )


def _check_like_others(entry: FileEntry, call: Extend) -> None:
    # Every copy holds every slice: as many replicas, as long, as the first.
    first, new = entry.slots[0].holding, call.holder
    here = (new.leaves, new.replica_leaves, new.size)
    if here != (first.leaves, first.replica_leaves, first.size):
        raise refuse(
            Refusal.INVALID,
            f"a copy of {named(call.file)} has {first.size} bytes in {first.leaves} leaves, not "
            f"{new.size} in {new.leaves}: seal all slices for the new slot",
        )


def _extended_root(entry: FileEntry, call: Extend) -> Digest:
    check_count(len(call.siblings), 0, LONGEST_PATH, "siblings")
    leaves = entry.record.redundancy.total + 1  # the manifest and one for each slot
    try:
        return merkle.extended_root(entry.record.root, leaves, call.holder.root, call.siblings)
    except IntegrityError as error:
        raise _astray(entry, error) from error


def _shrunk_root(entry: FileEntry, call: Shrink) -> Digest:
    check_count(len(call.siblings), 0, LONGEST_PATH, "siblings")
    left = entry.record.redundancy.total  # the manifest and all slots but the last
    last = entry.slots[-1].holding.root
    try:
        return merkle.shrunk_root(entry.record.root, left, last, call.siblings)
    except IntegrityError as error:
        raise _astray(entry, error) from error


def _astray(entry: FileEntry, error: IntegrityError) -> RefusedCallError:
    return refuse(
        Refusal.ROOT,
        f"the siblings do not lead to the root of {named(entry.record.file)} ({error}): "
        "take them from the manifest and holding roots of the present record",
    )
