"""Which slots a storage node may remove: what nobody can ask for any more.

A slot is *referenced* while the record of its file names this node for it and the file is
not gone. From then on it waits until

- no receipt for it can be used any more, neither one from before nor one for a stray,
- every epoch that may still ask for it is over,
- the block that showed all this is final, and no block was taken back since.

Until when a slot was referenced is in the record. It is not when there is no record, or
the record no longer has such a slot: then the time counts at which that was first seen.
"""

from dataclasses import dataclass, field, replace
from enum import Enum

from xdb.index.index import Index
from xdb.index.views import FileView
from xdb.model.ids import FileId, NodeId
from xdb.store.replicas import StoredSlot

Name = tuple[FileId, int]
"""File and slot."""


class Kept(Enum):
    """Why a slot stays."""

    REFERENCED = "a record names this node for it"
    RECEIPT = "a receipt for it may still be used"
    EPOCH = "an epoch may still ask for it"
    FINALITY = "what the newest blocks say may yet be undone"


@dataclass(frozen=True, slots=True)
class _Sight:
    """An unreferenced slot. `due` is the height at which nothing but finality kept it, or 0."""

    version: int  # of the record, 0 when there is none
    left: int  # chain time at which it was referenced last, at the latest
    due: int = 0


@dataclass(slots=True)
class Collection:
    """Judges the slots of one node. What it remembers is made again after a restart."""

    node: NodeId
    index: Index
    _sights: dict[Name, _Sight] = field(default_factory=dict)
    _rollbacks: int = 0

    def why_kept(self, slot: StoredSlot) -> Kept | None:
        """Why a slot stays, by what the chain says now; None when it may go."""
        self._forget_undone()
        name = (slot.ref.file, slot.ref.slot)
        sight = self._sight(name)
        if sight is None:
            self.forget(name)
            return Kept.REFERENCED
        kept = self._waits(slot, sight.left)
        head = self.index.head
        if kept is not None:
            self._sights[name] = replace(sight, due=0)
            return kept
        sight = self._sights[name] = replace(sight, due=sight.due or head.height)
        return None if sight.due <= head.final else Kept.FINALITY

    def forget(self, name: Name) -> None:
        """A slot is referenced, or is not here any more."""
        self._sights.pop(name, None)

    def _forget_undone(self) -> None:
        if self.index.rollbacks != self._rollbacks:
            self._sights.clear()
            self._rollbacks = self.index.rollbacks

    def _sight(self, name: Name) -> _Sight | None:
        """What is known of an unreferenced slot; None when it is referenced."""
        file, slot = name
        view, now = self.index.file(file), self.index.head.time
        version, left = 0, None
        if view is not None:
            version, left = view.record.version, self._left(view, slot)
            if left is not None and left >= now and self._is_holder(view, slot):
                return None
        former = self._sights.get(name)
        if former is None or former.version != version:
            return _Sight(version, now if left is None else left)
        return former if left in {None, former.left} else _Sight(version, left or now)

    def _left(self, view: FileView, slot: int) -> int | None:
        """When a recorded slot was, or will be, this node's last; None when nothing tells.

        What was moved away has been somebody else's since the newest move at the latest.
        """
        if self._is_holder(view, slot):
            return view.record.gone(self.index.parameters.retention) - 1
        return view.since[slot - 1] if 1 <= slot <= len(view.since) else None

    def _is_holder(self, view: FileView, slot: int) -> bool:
        holders = view.record.holders
        return 1 <= slot <= len(holders) and holders[slot - 1] == self.node

    def _waits(self, slot: StoredSlot, left: int) -> Kept | None:
        """What an unreferenced slot waits for, finality apart."""
        parameters, now = self.index.parameters, self.index.head.time
        stray = slot.since >= now - parameters.stray_grace  # may be the target of a move
        if stray or left >= now - parameters.receipt_validity:
            return Kept.RECEIPT
        last = parameters.epoch_at(left)
        if parameters.epoch_at(now) <= last or self.index.audits.may_ask_until(last):
            return Kept.EPOCH
        return None
