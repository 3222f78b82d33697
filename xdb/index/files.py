"""Events of files."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from xdb.core.encoding import encode
from xdb.index.keys import (
    BY_NAMESPACE,
    BY_OWNER,
    ENDS,
    ENDS_IN_NAMESPACE,
    ENDS_OF,
    Held,
    Totals,
    file_key,
    held_key,
    holding_key,
    name_key,
    number,
    totals_key,
)
from xdb.index.poison import PoisonError
from xdb.index.staging import Staging
from xdb.index.views import FileView
from xdb.model.events import (
    FileDeleted,
    FileExtended,
    FileMoved,
    FilePublished,
    FileReleased,
    FileRenamed,
    FileRenewed,
    FileShrunk,
    HoldingRef,
)
from xdb.model.ids import FileId, NodeId
from xdb.model.registry import FileRecord, Holder, Holding


def published(staging: Staging, event: FilePublished, time: int) -> None:
    """A new file; the one it replaces is deleted."""
    if staging.get(file_key(event.file)) is not None:
        raise PoisonError(f"file {event.file.hex()} is published twice")
    if event.replaces is not None:
        deleted(staging, FileDeleted(event.replaces), time)
    record = FileRecord(
        file=event.file,
        owner=event.owner,
        namespace=event.namespace,
        name=event.name,
        manifest=event.manifest,
        root=event.root,
        redundancy=event.redundancy,
        size=event.size,
        expiry=event.expiry,
        version=1,
        published=time,
        deleted=0,
        holders=tuple(holder.node for holder in event.holders),
    )
    holdings = tuple(_holding(holder) for holder in event.holders)
    _take_name(staging, record)
    _change(staging, None, FileView(record, event.label, holdings))


def renewed(staging: Staging, event: FileRenewed) -> None:
    """A later expiry; a deleted file is live again and takes its name again."""
    view = _known(staging, event.file)
    holdings = list(view.holdings)
    for renewal in event.renewals:
        old = holdings[_place(view, renewal.slot)]
        latest = max(old.latest_expiry, renewal.holder.latest_expiry)
        holdings[renewal.slot - 1] = replace(old, latest_expiry=latest)
    record = replace(view.record, expiry=event.expiry, deleted=0)
    _take_name(staging, record)
    _change(staging, view, replace(view, record=record, holdings=tuple(holdings)))


def renamed(staging: Staging, event: FileRenamed) -> None:
    """A new name and label."""
    view = _known(staging, event.file)
    _drop_name(staging, view.record)
    record = replace(view.record, name=event.name)
    _take_name(staging, record)
    _change(staging, view, replace(view, record=record, label=event.label))


def deleted(staging: Staging, event: FileDeleted, time: int) -> None:
    """The file's end, and of its hold on the name."""
    view = _known(staging, event.file)
    _drop_name(staging, view.record)
    _change(staging, view, replace(view, record=replace(view.record, deleted=max(1, time))))


def moved(staging: Staging, event: FileMoved) -> None:
    """Another holder for a slot, or the same one anew."""
    view = _known(staging, event.file)
    at = _place(view, event.slot)
    record = replace(
        view.record,
        version=event.version,
        holders=(*view.record.holders[:at], event.holder.node, *view.record.holders[at + 1 :]),
    )
    holdings = (*view.holdings[:at], _holding(event.holder), *view.holdings[at + 1 :])
    lost = tuple(slot for slot in view.lost if slot != event.slot)
    _change(staging, view, replace(view, record=record, holdings=holdings, lost=lost))


def extended(staging: Staging, event: FileExtended) -> None:
    """One slot more."""
    view = _known(staging, event.file)
    if event.slot != len(view.holdings) + 1:
        raise PoisonError(f"slot {event.slot} follows slot {len(view.holdings)}")
    record = replace(
        view.record,
        root=event.root,
        redundancy=replace(view.record.redundancy, total=event.slot),
        version=event.version,
        holders=(*view.record.holders, event.holder.node),
    )
    holdings = (*view.holdings, _holding(event.holder))
    _change(staging, view, replace(view, record=record, holdings=holdings))


def shrunk(staging: Staging, event: FileShrunk) -> None:
    """The last slot less."""
    view = _known(staging, event.file)
    left = len(view.holdings) - 1
    if event.slot != left + 1 or left < 1 or view.record.holders[left] != event.node:
        raise PoisonError(f"slot {event.slot} of node {event.node.hex()} is not the last of many")
    record = replace(
        view.record,
        root=event.root,
        redundancy=replace(view.record.redundancy, total=left),
        version=event.version,
        holders=view.record.holders[:left],
    )
    lost = tuple(slot for slot in view.lost if slot <= left)
    _change(staging, view, replace(view, record=record, holdings=view.holdings[:left], lost=lost))


def released(staging: Staging, event: FileReleased) -> None:
    """Nothing is left of the file."""
    view = _known(staging, event.file)
    _drop_name(staging, view.record)
    _change(staging, view, None)


def lost(staging: Staging, node: NodeId, holding: HoldingRef) -> None:
    """A node gave a slot up."""
    view = _known(staging, holding.file)
    if view.record.holders[_place(view, holding.slot)] != node:
        raise PoisonError(f"node {node.hex()} gives up slot {holding.slot} of another")
    _change(staging, view, replace(view, lost=tuple(sorted({*view.lost, holding.slot}))))


def _known(staging: Staging, file: FileId) -> FileView:
    view = staging.load(file_key(file), FileView)
    if view is None:
        raise PoisonError(f"there is no file {file.hex()}")
    return view


def _place(view: FileView, slot: int) -> int:
    if not 1 <= slot <= len(view.holdings):
        raise PoisonError(f"file {view.record.file.hex()} has no slot {slot}")
    return slot - 1


def _holding(holder: Holder) -> Holding:
    return Holding(
        holder.root, holder.leaves, holder.replica_leaves, holder.size, holder.latest_expiry
    )


def _take_name(staging: Staging, record: FileRecord) -> None:
    staging.put(name_key(record.owner, record.namespace, record.name), record.file)


def _drop_name(staging: Staging, record: FileRecord) -> None:
    key = name_key(record.owner, record.namespace, record.name)
    if staging.get(key) == record.file:  # another file may have taken it meanwhile
        staging.put(key, None)


def _change(staging: Staging, old: FileView | None, new: FileView | None) -> None:
    """Everything that follows from a file, kept in step with it."""
    before = dict(_entries(old)) if old else {}
    after = dict(_entries(new)) if new else {}
    for key in before.keys() - after.keys():
        staging.put(key, None)
    for key, value in after.items():
        if before.get(key) != value:
            staging.put(key, value)
    _count_holdings(staging, old, new)
    _count_file(staging, old, new)


def _entries(view: FileView) -> Iterator[tuple[bytes, bytes]]:
    record = view.record
    yield file_key(record.file), encode(view)
    ends = number(record.ends()) + record.file
    published_at = number(record.published) + record.file
    life = number(record.expiry) + number(record.deleted)
    yield BY_OWNER + record.owner + published_at, life
    yield BY_NAMESPACE + record.owner + record.namespace + published_at, life
    sizes = number(record.size) + number(view.stored)
    yield ENDS_IN_NAMESPACE + record.owner + record.namespace + ends, sizes
    yield ENDS + ends, b""
    yield ENDS_OF + record.owner + ends, b""
    for node, slot, holding in _held(view):
        yield ENDS_OF + node + ends, b""
        yield holding_key(node, record.file, slot), number(holding.size)


def _held(view: FileView) -> Iterator[tuple[NodeId, int, Holding]]:
    pairs = zip(view.record.holders, view.holdings, strict=True)
    for slot, (node, holding) in enumerate(pairs, start=1):
        if slot not in view.lost:
            yield node, slot, holding


def _count_holdings(staging: Staging, old: FileView | None, new: FileView | None) -> None:
    holdings: Counter[NodeId] = Counter()
    stored: Counter[NodeId] = Counter()
    for view, sign in ((old, -1), (new, 1)):
        for node, _, holding in _held(view) if view else ():
            holdings[node] += sign
            stored[node] += sign * holding.size
    for node in holdings:
        if holdings[node] or stored[node]:
            held = staging.load(held_key(node), Held) or Held(0, 0)
            held = Held(held.holdings + holdings[node], held.stored + stored[node])
            staging.save(held_key(node), held)


def _count_file(staging: Staging, old: FileView | None, new: FileView | None) -> None:
    files, size, stored, key = 0, 0, 0, b""
    for view, sign in ((old, -1), (new, 1)):
        if view is not None:
            key = totals_key(view.record.owner, view.record.namespace)
            files += sign
            size += sign * view.record.size
            stored += sign * view.stored
    if files or size or stored:
        totals = staging.load(key, Totals) or Totals(0, 0, 0)
        totals = Totals(totals.files + files, totals.size + size, totals.stored + stored)
        staging.save(key, totals)
