"""The manifest of a file, from whichever holder has it, verified against the chain.

Nothing here needs the content key: whoever repairs a file reads its manifest in the same way.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from xdb.core.manifest import check, layout, manifest_digest, read_manifest
from xdb.core.slicing import Layout
from xdb.errors import IntegrityError, UnavailableError, XdbError
from xdb.index.index import Index
from xdb.index.views import FileView
from xdb.model.ids import Digest
from xdb.model.manifest import Manifest
from xdb.model.registry import NodeRecord
from xdb.ports.clock import Clock
from xdb.ports.compute import Compute
from xdb.ports.peer import StoragePeer, StoragePeers
from xdb.ports.spawn import Spawn
from xdb.services.standing import Holder, Standing

SMALL_MANIFEST = 64 << 10
"""Manifests up to this size are read on the spot."""
KEPT = 8 << 20
"""Bytes of manifests that are remembered: reading a file in ranges opens it again and again."""
HEDGE_AFTER = 2.0
"""Seconds without an answer after which another holder is asked, too."""


@dataclass(frozen=True, slots=True)
class Described:
    """A file as its manifest describes it. `data` is the manifest as stored."""

    view: FileView
    data: bytes
    manifest: Manifest
    layout: Layout


@dataclass(slots=True)
class Manifests:
    """Reads manifests and remembers them, and how the holders did."""

    index: Index
    peers: StoragePeers
    compute: Compute
    clock: Clock
    spawn: Spawn
    standing: Standing = field(init=False)
    _kept: OrderedDict[Digest, tuple[bytes, Manifest]] = field(default_factory=OrderedDict)
    _size: int = 0

    def __post_init__(self) -> None:
        """Nobody failed yet."""
        self.standing = Standing(self.clock)

    async def read(self, view: FileView) -> Described:
        """The manifest behind a record.

        Asks holders until one of them has it. UnavailableError names what each of them
        answered when none had it.
        """
        record = view.record
        known = self._kept.get(record.manifest)
        if known is None:
            known = await self._fetched(view)
            self.keep(record.manifest, *known)
        else:
            self._kept.move_to_end(record.manifest)
        data, manifest = known
        check(manifest, record.manifest, record)
        return Described(view, data, manifest, layout(manifest))

    def holders(self, view: FileView) -> Sequence[Holder]:
        """Slots and their nodes, as far as they are still registered."""
        found = []
        for slot, node in enumerate(view.record.holders, start=1):
            known = self.index.node_record(node)
            if known is not None and slot not in view.lost:
                found.append((slot, known))
        return found

    def peer(self, node: NodeRecord) -> StoragePeer:
        """The way to a node."""
        return self.peers.peer(node)

    async def _fetched(self, view: FileView) -> tuple[bytes, Manifest]:
        untried = self.standing.order(self.holders(view), view.record.file[0])
        failures: list[str] = []
        running: dict[asyncio.Task[tuple[bytes, Manifest]], Holder] = {}
        try:
            while untried or running:
                if untried:
                    holder = untried.pop(0)
                    pulling = self._pulled(view, *holder)
                    running[self.spawn.start(pulling, name="manifest")] = holder
                hedge = self.spawn.start(self.clock.sleep(HEDGE_AFTER), name="hedge")
                await asyncio.wait({*running, hedge}, return_when=asyncio.FIRST_COMPLETED)
                hedge.cancel()
                for task in [task for task in running if task.done()]:
                    slot, node = running.pop(task)
                    try:
                        return task.result()
                    except XdbError as error:
                        self.standing.note_failure(node.node)
                        failures.append(f"slot {slot}: {error}")
        finally:
            for task in running:
                task.cancel()
        why = "; ".join(failures) or "none of them is registered any more"
        raise UnavailableError(
            f"no holder of file {view.record.file.hex()} gave its manifest: {why}"
        )

    async def _pulled(self, view: FileView, slot: int, node: NodeRecord) -> tuple[bytes, Manifest]:
        with self.standing.asking(node.node):
            data = await self.peer(node).pull_manifest(view.record.file, slot)
        if manifest_digest(data) != view.record.manifest:
            raise IntegrityError(
                f"the manifest that node {node.node.hex()} gave is not the one on the chain"
            )
        if len(data) <= SMALL_MANIFEST:
            return data, read_manifest(data)
        return data, await self.compute.in_thread(read_manifest, data)

    def keep(self, digest: Digest, data: bytes, manifest: Manifest) -> None:
        """Remembers a manifest stored as `data`, whose digest was compared."""
        if len(data) > KEPT // 4 or digest in self._kept:
            return
        self._kept[digest] = data, manifest
        self._size += len(data)
        while self._size > KEPT:
            _, (old, _) = self._kept.popitem(last=False)
            self._size -= len(old)
