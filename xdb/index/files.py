"""Events of files."""

from dataclasses import replace
from typing import TypeVar

from xdb.index import moves
from xdb.index.entries import change
from xdb.index.keys import file_key, name_key
from xdb.index.moment import Moment
from xdb.index.moves import Leg
from xdb.index.poison import PoisonError
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
    FileShrunk,
    HoldingRef,
)
from xdb.model.ids import FileId, NodeId
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
    change(staging, at, None, FileView(record, event.label, holdings, since, at.height))


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
    change(staging, at, view, replace(view, record=record, holdings=tuple(holdings)))


def renamed(staging: Staging, event: FileRenamed, at: Moment) -> None:
    """A new name and label."""
    view = _known(staging, event.file)
    _drop_name(staging, view.record)
    record = replace(view.record, name=event.name)
    _take_name(staging, record)
    change(staging, at, view, replace(view, record=record, label=event.label))


def deleted(staging: Staging, event: FileDeleted, at: Moment) -> None:
    """The file's end, and of its hold on the name."""
    view = _known(staging, event.file)
    _drop_name(staging, view.record)
    record = replace(view.record, deleted=max(1, at.time))
    change(staging, at, view, replace(view, record=record))


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
    change(staging, at, view, new)
    leg = Leg(event.slot, event.source, event.holder.node, event.holder.size)
    moves.recorded(staging, at, record, leg)


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
    change(staging, at, view, replace(view, record=record, holdings=holdings, since=since))
    moves.recorded(staging, at, record, Leg(event.slot, None, event.holder.node, event.holder.size))


def shrunk(staging: Staging, event: FileShrunk, at: Moment) -> None:
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
    new = replace(
        view,
        record=record,
        holdings=view.holdings[:left],
        since=view.since[:left],
        losses=tuple(loss for loss in view.losses if loss.slot <= left),
    )
    change(staging, at, view, new)
    size = view.holdings[left].size
    moves.recorded(staging, at, record, Leg(event.slot, event.node, None, size))


def released(staging: Staging, event: FileReleased, at: Moment) -> None:
    """Nothing is left of the file."""
    view = _known(staging, event.file)
    _drop_name(staging, view.record)
    change(staging, at, view, None)


def lost(staging: Staging, node: NodeId, holding: HoldingRef, at: Moment) -> None:
    """A node gave a slot up; a proof of the same epoch may admit it once more."""
    view = _known(staging, holding.file)
    if view.record.holders[_place(view, holding.slot)] != node:
        raise PoisonError(f"node {node.hex()} gives up slot {holding.slot} of another")
    if holding.slot in view.lost:
        return
    losses = sorted((*view.losses, Loss(holding.slot, at.time)), key=lambda loss: loss.slot)
    change(staging, at, view, replace(view, losses=tuple(losses)))


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
