"""The index: what happened on the chain, ready to be asked."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from xdb.errors import InvalidRequestError
from xdb.index.history import History
from xdb.index.keys import (
    BY_NAMESPACE,
    BY_OWNER,
    ENDS,
    ENDS_IN_NAMESPACE,
    ENDS_OF,
    HELD_BY,
    NAMESPACES,
    NODES,
    Held,
    NamespaceEntry,
    Totals,
    file_key,
    heartbeat_key,
    held_key,
    name_key,
    namespace_key,
    node_key,
    number,
    totals_key,
)
from xdb.index.staging import load
from xdb.index.views import FileStatus, FileView, NamespaceView, NodeView, Page, status_of
from xdb.model.ids import Address, Deployment, FileId, NodeId, Tag
from xdb.model.registry import NamespaceRecord, NodeRecord, Parameters
from xdb.ports.blockchain import BlockEvents, Final, Head, Rollback
from xdb.ports.kv import KeyValue

MOST = 1000
SCANNED = 10_000
"""Entries one question looks at. A page may be short of its limit, or empty, and go on."""
COUNTED = 100_000
"""Ended files one question counts; beyond that, ended ones are taken for live."""
REMEMBERED = 4096
"""Records of nodes that are kept as they were read."""

T = TypeVar("T")
_NUMBER = 8
_FILE = 32


class Index:
    """Views of the chain over a key-value store of its own.

    One task feeds it with `apply`; anybody asks, at any time, and sees whole blocks. It
    can always be made again from the chain, so its writes are not synced. Statuses and
    counts are those at the time of the head. Lists have at most `MOST` items a page.
    """

    def __init__(
        self, kv: KeyValue, parameters: Parameters, deployment: Deployment | None = None
    ) -> None:
        self.parameters = parameters
        self._kv = kv
        self._history = History(kv, parameters, deployment)
        self._records: dict[NodeId, tuple[bytes, NodeRecord]] = {}

    @property
    def head(self) -> Head:
        """The newest block applied, and the newest of them that is final."""
        return self._history.head

    @property
    def poisoned(self) -> int:
        """Events passed over because they made no sense; not 0 means a faulty chain or program."""
        return self._history.poisoned

    async def apply(self, item: BlockEvents | Rollback | Final) -> None:
        """Takes the next item of the history. IntegrityError when it does not follow."""
        await self._history.apply(item)

    async def reached(self, height: int) -> None:
        """Returns when the block of that height is applied."""
        await self._history.reached(height)

    async def settled(self, height: int) -> None:
        """Returns when the block of that height is applied and final."""
        await self._history.settled(height)

    def node(self, node: NodeId) -> NodeView | None:
        """A node that is or was registered."""
        record = self.node_record(node)
        if record is None:
            return None
        held = load(self._kv.get(held_key(node)), Held) or Held(0, 0)
        seen = int.from_bytes(self._kv.get(heartbeat_key(node)) or b"", "big")
        return NodeView(record, seen, held.holdings, held.stored)

    def node_record(self, node: NodeId) -> NodeRecord | None:
        """A node's record alone, read once and for all until it changes."""
        value, known = self._kv.get(node_key(node)), self._records.get(node)
        if known is not None and known[0] == value:
            return known[1]
        record = load(value, NodeRecord)
        if value is not None and record is not None:
            if len(self._records) == REMEMBERED:
                self._records.clear()
            self._records[node] = value, record
        return record

    def nodes(self, after: bytes = b"", limit: int = 100) -> list[NodeView]:
        """Nodes in order of their ids, from the one behind `after` on."""
        found: list[NodeView] = []
        for key, _ in self._kv.scan(NODES, after=NODES + after if after else b""):
            if len(found) == _checked(limit):
                break
            view = self.node(NodeId(Address(key[len(NODES) :])))
            if view is not None:
                found.append(view)
        return found

    def file(self, file: FileId) -> FileView | None:
        """A file that is not released, whatever its status."""
        return load(self._kv.get(file_key(file)), FileView)

    def status(self, view: FileView) -> FileStatus:
        """Where a file stands now."""
        return self._status(view.record.expiry, view.record.deleted)

    def live_file(self, owner: Address, namespace: Tag, name: Tag) -> FileView | None:
        """The live file of that name."""
        file = self._kv.get(name_key(owner, namespace, name))
        view = None if file is None else self.file(FileId(file))
        if view is None or self.status(view) is not FileStatus.LIVE:
            return None
        return view

    def files(  # noqa: PLR0913  # what a list may be narrowed by
        self,
        owner: Address,
        namespace: Tag | None = None,
        *,
        status: FileStatus | None = FileStatus.LIVE,
        since: int = 0,
        until: int | None = None,
        after: bytes = b"",
        limit: int = 100,
    ) -> Page[FileView]:
        """An owner's files published in [since, until), the newest first.

        A page may be short, or empty, though there are more: it ends after `SCANNED`
        files of other statuses.
        """
        prefix = BY_OWNER + owner if namespace is None else BY_NAMESPACE + owner + namespace
        start = _cursor(after, _NUMBER + _FILE)
        if until is not None:
            start = min(start or number(until), number(until))
        pairs = self._kv.scan(prefix, after=prefix + start if start else b"", reverse=True)
        first = prefix + number(since)

        def taken(key: bytes, value: bytes) -> FileView | None:
            expiry, deleted = _two(value)
            if status is not None and self._status(expiry, deleted) is not status:
                return None
            return self.file(FileId(key[-_FILE:]))

        return _page(
            ((key, value) for key, value in _while(pairs, lambda key: key >= first)),
            len(prefix),
            limit,
            taken,
        )

    def held_by(
        self, node: NodeId, after: bytes = b"", limit: int = MOST
    ) -> Page[tuple[FileId, int]]:
        """Slots a node holds of files that are not released, in order of their ids."""
        prefix = HELD_BY + node
        pairs = self._scan(prefix, _cursor(after, _FILE + _NUMBER))
        return _page(
            pairs,
            len(prefix),
            limit,
            lambda key, _: (
                FileId(key[-_NUMBER - _FILE : -_NUMBER]),
                int.from_bytes(key[-_NUMBER:], "big"),
            ),
        )

    def expiring(
        self, before: int, *, of: Address | None = None, after: bytes = b"", limit: int = 100
    ) -> Page[FileView]:
        """Files that ended, or will, before a time; in order of their ends.

        With `of`, only those that this owner owns or this node holds.
        """
        prefix = ENDS if of is None else ENDS_OF + of
        pairs = self._scan(prefix, _cursor(after, _NUMBER + _FILE))
        end = prefix + number(before)
        return _page(
            _while(pairs, lambda key: key < end),
            len(prefix),
            limit,
            lambda key, _: self.file(FileId(key[-_FILE:])),
        )

    def namespace(self, owner: Address, namespace: Tag) -> NamespaceView | None:
        """One namespace."""
        entry = load(self._kv.get(namespace_key(owner, namespace)), NamespaceEntry)
        return None if entry is None else self._namespace(entry)

    def namespace_record(self, owner: Address, namespace: Tag) -> NamespaceRecord | None:
        """One namespace without what is in it, which takes counting."""
        entry = load(self._kv.get(namespace_key(owner, namespace)), NamespaceEntry)
        return None if entry is None else entry.record

    def namespaces(
        self, owner: Address, after: bytes = b"", limit: int = 100
    ) -> Page[NamespaceView]:
        """An owner's namespaces, in order of their tags."""
        prefix = NAMESPACES + owner

        def taken(_: bytes, value: bytes) -> NamespaceView | None:
            entry = load(value, NamespaceEntry)
            return None if entry is None else self._namespace(entry)

        return _page(self._scan(prefix, _cursor(after, 32)), len(prefix), limit, taken)

    def _namespace(self, entry: NamespaceEntry) -> NamespaceView:
        owner, namespace = entry.record.owner, entry.record.namespace
        totals = load(self._kv.get(totals_key(owner, namespace)), Totals) or Totals(0, 0, 0)
        files, size, stored, kept = totals.files, totals.size, totals.stored, 0
        prefix = ENDS_IN_NAMESPACE + owner + namespace
        now = prefix + number(self.head.time + 1)
        gone = prefix + number(max(0, self.head.time + 1 - self.parameters.retention))
        # Counters know which files there are, only a look at the ended ones which of them live.
        for counted, (key, value) in enumerate(self._kv.scan(prefix)):
            if key >= now or counted == COUNTED:
                break
            file_size, file_stored = _two(value)
            files, size, stored = files - 1, size - file_size, stored - file_stored
            kept += key >= gone
        return NamespaceView(entry.record, entry.label, files, size, stored, kept)

    def _status(self, expiry: int, deleted: int) -> FileStatus:
        return status_of(expiry, deleted, self.head.time, self.parameters.retention)

    def _scan(self, prefix: bytes, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self._kv.scan(prefix, after=prefix + after if after else b"")


def _page(
    pairs: Iterator[tuple[bytes, bytes]],
    skipped: int,
    limit: int,
    taken: Callable[[bytes, bytes], T | None],
) -> Page[T]:
    """Up to `limit` items; the cursor is the last key looked at, without the prefix."""
    found: list[T] = []
    last, seen, most = b"", 0, _checked(limit)
    for key, value in pairs:
        if len(found) == most or seen == SCANNED:
            return Page(tuple(found), last)
        item = taken(key, value)
        if item is not None:
            found.append(item)
        last, seen = key[skipped:], seen + 1
    return Page(tuple(found), b"")


def _while(
    pairs: Iterator[tuple[bytes, bytes]], wanted: Callable[[bytes], bool]
) -> Iterator[tuple[bytes, bytes]]:
    for key, value in pairs:
        if not wanted(key):
            return
        yield key, value


def _two(value: bytes) -> tuple[int, int]:
    return int.from_bytes(value[:_NUMBER], "big"), int.from_bytes(value[_NUMBER:], "big")


def _cursor(after: bytes, width: int) -> bytes:
    if after and len(after) != width:
        raise InvalidRequestError(
            f"a cursor of {len(after)} bytes where {width} belong: use the one that a page gave"
        )
    return after


def _checked(limit: int) -> int:
    if not 1 <= limit <= MOST:
        raise InvalidRequestError(f"{limit} items a page: ask for 1 to {MOST}")
    return limit
