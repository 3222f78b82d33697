"""Opening a file to read: its record, its manifest and its keys, each checked."""

from collections.abc import Sequence
from dataclasses import dataclass

from xdb.core import keyring
from xdb.core.manifest import (
    check,
    decrypt_private,
    layout,
    manifest_digest,
    read_manifest,
    unwrap_key,
)
from xdb.core.sealing import file_sealing_key, namespace_secret
from xdb.core.slicing import Layout
from xdb.errors import IntegrityError, UnavailableError, XdbError
from xdb.index.index import Index
from xdb.index.views import FileView
from xdb.model.ids import NodeId
from xdb.model.manifest import Manifest, PrivatePart
from xdb.model.registry import NodeRecord
from xdb.ports.compute import Compute
from xdb.ports.keys import Secrets
from xdb.ports.peer import StoragePeer, StoragePeers

SMALL_MANIFEST = 64 << 10
"""Manifests up to this size are read on the spot."""


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that can be read. `data` is the manifest as stored."""

    view: FileView
    data: bytes
    manifest: Manifest
    layout: Layout
    private: PrivatePart
    content_key: bytes
    sealing_key: bytes


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens files of one owner."""

    index: Index
    peers: StoragePeers
    secrets: Secrets
    compute: Compute

    async def open(self, view: FileView) -> OpenFile:
        """The file behind a record.

        Asks one holder after the other for the manifest. UnavailableError names what each
        of them answered when none had it.
        """
        failures: list[str] = []
        for slot, node in self.holders(view):
            try:
                data = await self.peer(node).pull_manifest(view.record.file, slot)
                return await self._opened(view, data)
            except XdbError as error:
                failures.append(f"slot {slot}: {error}")
        raise UnavailableError(
            f"no holder of file {view.record.file.hex()} gave its manifest: {'; '.join(failures)}"
        )

    def holders(self, view: FileView) -> Sequence[tuple[int, NodeRecord]]:
        """Slots and their nodes, as far as they are still registered."""
        found = []
        for slot, node in enumerate(view.record.holders, start=1):
            known = self.index.node(node)
            if known is not None and slot not in view.lost:
                found.append((slot, known.record))
        return found

    def peer(self, node: NodeRecord) -> StoragePeer:
        """The way to a node."""
        return self.peers.peer(node)

    def record(self, node: NodeId) -> NodeRecord | None:
        """A node's record."""
        view = self.index.node(node)
        return None if view is None else view.record

    async def _opened(self, view: FileView, data: bytes) -> OpenFile:
        record = view.record
        if manifest_digest(data) != record.manifest:
            raise IntegrityError("its manifest is not the one on the chain")
        manifest = (
            read_manifest(data)
            if len(data) <= SMALL_MANIFEST
            else await self.compute.in_thread(read_manifest, data)
        )
        check(manifest, record.manifest, record)
        content_key = unwrap_key(keyring.file_kek(self.secrets, record.file), manifest.wrapped_key)
        secret = namespace_secret(self.secrets.derive, record.namespace)
        return OpenFile(
            view=view,
            data=data,
            manifest=manifest,
            layout=layout(manifest),
            private=decrypt_private(content_key, record.file, manifest.private),
            content_key=content_key,
            sealing_key=file_sealing_key(secret, record.file),
        )
