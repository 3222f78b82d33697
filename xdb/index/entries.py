"""Entries that follow from a file: lists by owner and end, holdings, totals."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from xdb.core.encoding import encode
from xdb.index import proofs
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
    number,
    totals_key,
)
from xdb.index.moment import Moment
from xdb.index.proofs import Tenure
from xdb.index.staging import Staging
from xdb.index.views import FileView
from xdb.model.ids import Address, NodeId
from xdb.model.registry import Holding


def change(staging: Staging, at: Moment, old: FileView | None, new: FileView | None) -> None:
    """Puts `new` in the place of `old`, and with it everything that follows from a file."""
    if new is not None:
        new = replace(new, height=at.height)
    before = dict(_entries(old)) if old else {}
    after = dict(_entries(new)) if new else {}
    for key in before:
        if key not in after:
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
        for node in view.record.holders:  # those that gave a slot up are still of interest
            owned[view.record.owner, node] += sign
        for node, _, holding in _held(view):
            holdings[node] += sign
            stored[node] += sign * holding.size
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
