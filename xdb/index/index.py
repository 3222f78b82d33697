"""The index: what happened on the chain, ready to be asked."""

from collections.abc import Iterator

from xdb.errors import CorruptFileError
from xdb.index.audits import Audits
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
    state_key,
    totals_key,
)
from xdb.index.moves import Migrations
from xdb.index.paging import MOST, checked, cursor, newest_first, page, while_
from xdb.index.staging import load
from xdb.index.views import FileStatus, FileView, NamespaceView, NodeView, Page, status_of
from xdb.model.ids import Address, Deployment, FileId, NodeId, Tag
from xdb.model.registry import NamespaceRecord, NodeRecord, Parameters
from xdb.ports.blockchain import BlockEvents, Final, Head, Rollback
from xdb.ports.kv import KeyValue

COUNTED = 100_000
"""Ended files one question counts; beyond that, ended ones are taken for live."""
REMEMBERED = 4096
"""Records of nodes that are kept as they were read."""

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
        self._kv = kv
        self._history = History(kv, parameters, deployment)
        self._records: dict[NodeId, tuple[bytes, NodeRecord]] = {}
        self.audits = Audits(kv, lambda: self.parameters)
        self.migrations = Migrations(kv)

    @property
    def parameters(self) -> Parameters:
        """The chain's; where it counts epochs in blocks, such as fit the present one."""
        return self._history.parameters

    @property
    def head(self) -> Head:
        """The newest block applied, and the newest of them that is final."""
        return self._history.head

    @property
    def poisoned(self) -> int:
        """Events passed over because they made no sense; not 0 means a faulty chain or program."""
        return self._history.poisoned

    @property
    def rollbacks(self) -> int:
        """How often the chain took blocks back since the index was opened."""
        return self._history.rollbacks

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
        since = int.from_bytes(self._kv.get(state_key(node)) or b"", "big")
        return NodeView(record, seen, held.holdings, held.stored, since)

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

    def address_of(self, node: NodeId) -> str:
        """Where a node is reached, as host:port; empty for one that was never registered."""
        record = self.node_record(node)
        return "" if record is None else record.endpoint.address

    def nodes(self, after: bytes = b"", limit: int = 100) -> list[NodeView]:
        """Nodes in order of their ids, from the one behind `after` on."""
        found: list[NodeView] = []
        for key, _ in self._kv.scan(NODES, after=NODES + after if after else b""):
            if len(found) == checked(limit):
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
        problems: list[str] | None = None,
    ) -> Page[FileView]:
        """An owner's files published in [since, until), the newest first.

        A page may be short, or empty, though there are more: it ends after `SCANNED`
        files of other statuses. Records that cannot be read are an error, or with
        `problems` noted there and passed over.
        """
        prefix = BY_OWNER + owner if namespace is None else BY_NAMESPACE + owner + namespace
        pairs = newest_first(self._kv, prefix, since, until, after, _NUMBER + _FILE)

        def taken(key: bytes, value: bytes) -> FileView | None:
            expiry, deleted = _two(value)
            if status is not None and self._status(expiry, deleted) is not status:
                return None
            return self._readable(FileId(key[-_FILE:]), problems)

        return page(pairs, len(prefix), limit, taken)

    def held_by(
        self, node: NodeId, after: bytes = b"", limit: int = MOST
    ) -> Page[tuple[FileId, int]]:
        """Slots a node holds of files that are not released, in order of their ids."""
        prefix = HELD_BY + node
        pairs = self._scan(prefix, cursor(after, _FILE + _NUMBER))
        return page(
            pairs,
            len(prefix),
            limit,
            lambda key, _: (
                FileId(key[-_NUMBER - _FILE : -_NUMBER]),
                int.from_bytes(key[-_NUMBER:], "big"),
            ),
        )

    def expiring(
        self,
        before: int,
        *,
        of: Address | None = None,
        after: bytes = b"",
        limit: int = 100,
        problems: list[str] | None = None,
    ) -> Page[FileView]:
        """Files that ended, or will, before a time; in order of their ends.

        With `of`, only those that this owner owns or this node holds; `problems` as for `files`.
        """
        prefix = ENDS if of is None else ENDS_OF + of
        pairs = self._scan(prefix, cursor(after, _NUMBER + _FILE))
        end = prefix + number(before)
        return page(
            while_(pairs, lambda key: key < end),
            len(prefix),
            limit,
            lambda key, _: self._readable(FileId(key[-_FILE:]), problems),
        )

    def namespace(self, owner: Address, namespace: Tag) -> NamespaceView | None:
        """One namespace."""
        entry = load(self._kv.get(namespace_key(owner, namespace)), NamespaceEntry)
        return None if entry is None else self._namespace(entry)

    def namespace_record(self, owner: Address, namespace: Tag) -> NamespaceRecord | None:
        """One namespace without what is in it, which takes counting."""
        entry = load(self._kv.get(namespace_key(owner, namespace)), NamespaceEntry)
        return None if entry is None else entry.record

    def namespace_label(self, owner: Address, namespace: Tag) -> bytes | None:
        """A namespace's label alone, without counting either."""
        entry = load(self._kv.get(namespace_key(owner, namespace)), NamespaceEntry)
        return None if entry is None else entry.label

    def namespaces(
        self, owner: Address, after: bytes = b"", limit: int = 100
    ) -> Page[NamespaceView]:
        """An owner's namespaces, in order of their tags."""
        prefix = NAMESPACES + owner

        def taken(_: bytes, value: bytes) -> NamespaceView | None:
            entry = load(value, NamespaceEntry)
            return None if entry is None else self._namespace(entry)

        return page(self._scan(prefix, cursor(after, 32)), len(prefix), limit, taken)

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

    def _readable(self, file: FileId, problems: list[str] | None) -> FileView | None:
        try:
            return self.file(file)
        except CorruptFileError as error:
            if problems is None:
                raise
            if len(problems) < MOST:
                problems.append(f"file {file.hex()}: {error}")
            return None

    def _status(self, expiry: int, deleted: int) -> FileStatus:
        return status_of(expiry, deleted, self.head.time, self.parameters.retention)

    def _scan(self, prefix: bytes, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self._kv.scan(prefix, after=prefix + after if after else b"")


def _two(value: bytes) -> tuple[int, int]:
    return int.from_bytes(value[:_NUMBER], "big"), int.from_bytes(value[_NUMBER:], "big")
