"""Events of files."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from xdb.core.encoding import encode
from xdb.index import moves, proofs
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
    holders_key,
    holding_key,
    name_key,
    number,
    totals_key,
)
from xdb.index.moment import Moment
from xdb.index.poison import PoisonError
from xdb.index.proofs import Tenure
from xdb.index.staging import Staging
from xdb.index.views import FileView, Loss
from xdb.model.events import (
    FileDeleted,
    FileExtended,
    FileMoved,
    FilePublished,
    FileReleased,
    FileRenamed,
    FileRenewed,
    HoldingRef,
)
from xdb.model.ids import Address, FileId, NodeId
from xdb.model.registry import FileRecord, Holder, Holding

T = TypeVar("T")


def published(staging: Staging, event: FilePublished, at: Moment) -> None:
    """A new file; the one it replaces is deleted."""
    if staging.get(file_key(event.file)) is not None:
        raise PoisonError(f"file {event.file.hex()} is published twice")
    if event.replaces is not None:
        deleted(staging, FileDeleted(event.replaces), at)
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
        published=at.time,
        deleted=0,
        holders=tuple(holder.node for holder in event.holders),
    )
    holdings = tuple(_holding(holder) for holder in event.holders)
    _take_name(staging, record)
    since = (at.time,) * len(holdings)
    _change(staging, at, None, FileView(record, event.label, holdings, since, at.height))


def renewed(staging: Staging, event: FileRenewed, at: Moment) -> None:
    """A later expiry; a deleted file is live again and takes its name again."""
    view = _known(staging, event.file)
    holdings = list(view.holdings)
    for renewal in event.renewals:
        old = holdings[_place(view, renewal.slot)]
        latest = max(old.latest_expiry, renewal.holder.latest_expiry)
        holdings[renewal.slot - 1] = replace(old, latest_expiry=latest)
    record = replace(view.record, expiry=event.expiry, deleted=0)
    _take_name(staging, record)
    _change(staging, at, view, replace(view, record=record, holdings=tuple(holdings)))


def renamed(staging: Staging, event: FileRenamed, at: Moment) -> None:
    """A new name and label."""
    view = _known(staging, event.file)
    _drop_name(staging, view.record)
    record = replace(view.record, name=event.name)
    _take_name(staging, record)
    _change(staging, at, view, replace(view, record=record, label=event.label))


def deleted(staging: Staging, event: FileDeleted, at: Moment) -> None:
    """The file's end, and of its hold on the name."""
    view = _known(staging, event.file)
    _drop_name(staging, view.record)
    record = replace(view.record, deleted=max(1, at.time))
    _change(staging, at, view, replace(view, record=record))


def moved(staging: Staging, event: FileMoved, at: Moment) -> None:
    """Another holder for a slot, or the same one anew."""
    view = _known(staging, event.file)
    place = _place(view, event.slot)
    record = replace(
        view.record,
        version=event.version,
        holders=_put(view.record.holders, place, event.holder.node),
    )
    new = replace(
        view,
        record=record,
        holdings=_put(view.holdings, place, _holding(event.holder)),
        since=_put(view.since, place, at.time),
        losses=tuple(loss for loss in view.losses if loss.slot != event.slot),
    )
    _change(staging, at, view, new)
    moves.recorded(staging, at, record, event.slot, event.source, event.holder.size)


def extended(staging: Staging, event: FileExtended, at: Moment) -> None:
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
    holdings, since = (*view.holdings, _holding(event.holder)), (*view.since, at.time)
    _change(staging, at, view, replace(view, record=record, holdings=holdings, since=since))
    moves.recorded(staging, at, record, event.slot, None, event.holder.size)


def released(staging: Staging, event: FileReleased, at: Moment) -> None:
    """Nothing is left of the file."""
    view = _known(staging, event.file)
    _drop_name(staging, view.record)
    _change(staging, at, view, None)


def lost(staging: Staging, node: NodeId, holding: HoldingRef, at: Moment) -> None:
    """A node gave a slot up."""
    view = _known(staging, holding.file)
    if view.record.holders[_place(view, holding.slot)] != node:
        raise PoisonError(f"node {node.hex()} gives up slot {holding.slot} of another")
    if holding.slot in view.lost:
        raise PoisonError(f"slot {holding.slot} of {holding.file.hex()} is given up twice")
    losses = sorted((*view.losses, Loss(holding.slot, at.time)), key=lambda loss: loss.slot)
    _change(staging, at, view, replace(view, losses=tuple(losses)))


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


def _put(values: tuple[T, ...], place: int, value: T) -> tuple[T, ...]:
    return (*values[:place], value, *values[place + 1 :])


def _change(staging: Staging, at: Moment, old: FileView | None, new: FileView | None) -> None:
    """Everything that follows from a file, kept in step with it."""
    if new is not None:
        new = replace(new, height=at.height)
    before = dict(_entries(old)) if old else {}
    after = dict(_entries(new)) if new else {}
    for key in before.keys() - after.keys():
        staging.put(key, None)
    for key, value in after.items():
        if before.get(key) != value:
            staging.put(key, value)
    _pass_on(staging, at, old, new)
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


def _pass_on(staging: Staging, at: Moment, old: FileView | None, new: FileView | None) -> None:
    """What is asked of nodes, and what no longer."""
    before, after = (dict.fromkeys(_tenures(view)) if view else {} for view in (old, new))
    for tenure in before:
        if tenure not in after:
            proofs.ended(staging, tenure, at)
    for tenure in after:
        if tenure not in before:
            proofs.entered(staging, tenure, at)


def _tenures(view: FileView) -> Iterator[Tenure]:
    for node, slot, _ in _held(view):
        yield Tenure(node, view.record.file, slot, view.since[slot - 1])


def _held(view: FileView) -> Iterator[tuple[NodeId, int, Holding]]:
    pairs = zip(view.record.holders, view.holdings, strict=True)
    for slot, (node, holding) in enumerate(pairs, start=1):
        if slot not in view.lost:
            yield node, slot, holding


def _count_holdings(staging: Staging, old: FileView | None, new: FileView | None) -> None:
    holdings: Counter[NodeId] = Counter()
    stored: Counter[NodeId] = Counter()
    owned: Counter[tuple[Address, NodeId]] = Counter()
    for view, sign in ((old, -1), (new, 1)):
        if view is None:
            continue
        for node, _, holding in _held(view):
            holdings[node] += sign
            stored[node] += sign * holding.size
            owned[view.record.owner, node] += sign
    for node in holdings:
        if holdings[node] or stored[node]:
            held = staging.load(held_key(node), Held) or Held(0, 0)
            held = Held(held.holdings + holdings[node], held.stored + stored[node])
            staging.save(held_key(node), held)
    for (owner, node), more in owned.items():
        if more:
            key = holders_key(owner, node)
            count = int.from_bytes(staging.get(key) or b"", "big") + more
            staging.put(key, number(count) if count else None)


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
