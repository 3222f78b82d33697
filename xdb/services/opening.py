"""Opening a file to read: its record, its manifest and its keys, each checked."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdb.core import keyring
from xdb.core.manifest import decrypt_private, unwrap_key
from xdb.core.sealing import file_sealing_key, namespace_secret
from xdb.core.slicing import Layout
from xdb.index.index import Index
from xdb.index.views import FileView
from xdb.model.ids import NodeId
from xdb.model.manifest import Manifest, PrivatePart
from xdb.model.registry import NodeRecord
from xdb.ports.clock import Clock
from xdb.ports.compute import Compute
from xdb.ports.keys import Secrets
from xdb.ports.peer import StoragePeer, StoragePeers
from xdb.ports.spawn import Spawn
from xdb.services.manifests import Manifests
from xdb.services.standing import Holder, Standing


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


@dataclass(slots=True)
class Opener:
    """Opens files of one owner."""

    index: Index
    peers: StoragePeers
    secrets: Secrets
    compute: Compute
    clock: Clock
    spawn: Spawn
    manifests: Manifests = field(init=False)

    def __post_init__(self) -> None:
        """Nothing was read yet."""
        self.manifests = Manifests(self.index, self.peers, self.compute, self.clock, self.spawn)

    async def open(self, view: FileView) -> OpenFile:
        """The file behind a record.

        UnavailableError names what each holder answered when none had the manifest.
        """
        record, found = view.record, await self.manifests.read(view)
        manifest = found.manifest
        content_key = unwrap_key(keyring.file_kek(self.secrets, record.file), manifest.wrapped_key)
        secret = namespace_secret(self.secrets.derive, record.namespace)
        return OpenFile(
            view=view,
            data=found.data,
            manifest=manifest,
            layout=found.layout,
            private=decrypt_private(content_key, record.file, manifest.private),
            content_key=content_key,
            sealing_key=file_sealing_key(secret, record.file),
        )

    @property
    def standing(self) -> Standing:
        """How the holders did lately."""
        return self.manifests.standing

    def holders(self, view: FileView) -> Sequence[Holder]:
        """Slots and their nodes, as far as they are still registered."""
        return self.manifests.holders(view)

    def peer(self, node: NodeRecord) -> StoragePeer:
        """The way to a node."""
        return self.peers.peer(node)

    def record(self, node: NodeId) -> NodeRecord | None:
        """A node's record."""
        return self.index.node_record(node)
