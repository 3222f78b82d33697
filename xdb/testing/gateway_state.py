"""What the owner node in memory knows: files, namespaces, nodes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from xdb.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
)
from xdb.model.ids import Address, Deployment
from xdb.pb import owner_pb2, registry_pb2
from xdb.ports.clock import Clock
from xdb.testing.keys import NamedKey

RETENTION = 7 * 86400
SLICE = 4 << 20
NODES = 4

LIVE = owner_pb2.FILE_STATUS_LIVE
EXPIRED = owner_pb2.FILE_STATUS_EXPIRED
DELETED = owner_pb2.FILE_STATUS_DELETED
GONE = owner_pb2.FILE_STATUS_GONE


@dataclass
class Stored:
    """A file. `damaged` slots do not pass verification."""

    file: bytes
    namespace: str
    name: str
    data: bytes
    expiry: int
    published: int
    header: owner_pb2.UploadHeader
    deleted: int = 0
    version: int = 1
    damaged: set[int] = field(default_factory=set)


@dataclass
class World:
    """All of it. The chain's time is the clock's."""

    clock: Clock
    owner: Address
    deployment: Deployment
    files: list[Stored] = field(default_factory=list)
    namespaces: dict[str, owner_pb2.NamespaceInfo] = field(default_factory=dict)
    nodes: list[NamedKey] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Some nodes."""
        self.nodes = [NamedKey(f"node {number}") for number in range(1, NODES + 1)]

    @property
    def now(self) -> int:
        """Chain time."""
        return int(self.clock.wall())

    def holders(self) -> list[bytes]:
        """Who gets every file."""
        return [node.address for node in self.nodes[:3]]

    # ------------------------------------------------------------ files

    def check_upload(self, header: owner_pb2.UploadHeader) -> None:
        """What is refused before any data is taken."""
        self.namespace(header.namespace)
        if header.expiry <= self.now:
            raise InvalidRequestError("the expiry is past: choose a later one")
        if not header.replace and self.named(header.namespace, header.name, LIVE):
            raise ConflictError(
                f"{header.namespace}/{header.name} exists: replace it, or choose another name"
            )

    def publish(self, header: owner_pb2.UploadHeader, data: bytes) -> Stored:
        """A file is there."""
        if header.HasField("size") and header.size != len(data):
            raise InvalidRequestError(f"{len(data)} bytes came, {header.size} were announced")
        self.check_upload(header)
        former = self.named(header.namespace, header.name, LIVE)
        if former is not None:
            former.deleted = self.now
        file = sha256(b"file" + header.upload).digest()
        stored = Stored(file, header.namespace, header.name, data, header.expiry, self.now, header)
        self.files.append(stored)
        return stored

    def find(self, ref: owner_pb2.FileRef) -> Stored:
        """A file by id or name."""
        for stored in self.files:
            if ref.file and stored.file == ref.file:
                return stored
        if not ref.file:
            self.namespace(ref.namespace)
            for status in (LIVE, EXPIRED, DELETED):
                if found := self.named(ref.namespace, ref.name, status):
                    return found
        raise NotFoundError(f"there is no file {ref.file.hex() or ref.namespace + '/' + ref.name}")

    def status(self, stored: Stored) -> owner_pb2.FileStatus.ValueType:
        """Where it stands."""
        if self.now >= self._ends(stored) + RETENTION:
            return GONE
        if stored.deleted:
            return DELETED
        return EXPIRED if self.now >= stored.expiry else LIVE

    def info(self, stored: Stored, *, whole: bool = False) -> owner_pb2.FileInfo:
        """As the owner node tells it."""
        damaged = len(stored.damaged)
        info = owner_pb2.FileInfo(
            file=stored.file,
            namespace=stored.namespace,
            name=stored.name,
            description=stored.header.description,
            size=len(stored.data),
            published=stored.published,
            expiry=stored.expiry,
            deleted=stored.deleted,
            gone=self._ends(stored) + RETENTION,
            status=self.status(stored),
            redundancy=self.namespaces[stored.namespace].redundancy,
            root=sha256(stored.data).digest(),
            version=stored.version,
            health=owner_pb2.HEALTH_YELLOW if damaged else owner_pb2.HEALTH_GREEN,
        )
        for slot, node in enumerate(self.holders(), start=1):
            state = registry_pb2.NODE_STATE_ONLINE
            info.slots.add(slot=slot, node=node, address=f"127.0.0.1:{7400 + slot}", state=state)
        if whole:
            info.media_type = stored.header.media_type
            info.extra.update(stored.header.extra)
            info.digest = sha256(stored.data).digest()
            info.slices = max(1, -(-len(stored.data) // SLICE))
            info.slice_size = SLICE
        return info

    def checks(self, stored: Stored) -> Iterator[owner_pb2.VerifyReply]:
        """One replica of each slot."""
        holders = self.holders()
        for slot, node in enumerate(holders, start=1):
            problem = "its bytes are not what was stored" if slot in stored.damaged else ""
            yield owner_pb2.VerifyReply(
                slot=slot,
                node=node,
                piece=0,
                good=not problem,
                problem=problem,
                checked=slot,
                total=len(holders),
            )

    def named(
        self, namespace: str, name: str, status: owner_pb2.FileStatus.ValueType
    ) -> Stored | None:
        """The newest file of a name in a status."""
        wanted = (namespace, name, status)
        for stored in reversed(self.files):
            if (stored.namespace, stored.name, self.status(stored)) == wanted:
                return stored
        return None

    def namespace(self, name: str) -> owner_pb2.NamespaceInfo:
        """A namespace; NotFoundError when there is none."""
        if name not in self.namespaces:
            raise NotFoundError(
                f"there is no namespace {name}: create it with `xdb-cli ns create {name}`"
            )
        return self.namespaces[name]

    def _ends(self, stored: Stored) -> int:
        return min(stored.deleted, stored.expiry) if stored.deleted else stored.expiry
