"""An owner node in memory behind real gRPC on loopback: for tests of what talks to one.

It keeps plaintext in a dictionary and obeys its script; what a real owner node does with
nodes and the chain is left out.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

import grpc

from xdb.client.context import Context, write_context
from xdb.client.loop import Loop
from xdb.errors import ExpiredError, SourceChangedError, UnavailableError, XdbError
from xdb.model.ids import Address, ChainId, Deployment
from xdb.model.registry import Endpoint
from xdb.pb import owner_pb2
from xdb.peer.certificates import Certificate, make_certificate
from xdb.ports.clock import Clock
from xdb.rpc.authorization import Doorkeeper, Replays, caller
from xdb.rpc.edge import Method
from xdb.rpc.limits import Limits, Planes
from xdb.rpc.server import ServerSettings, Service, serve, service_of, unary
from xdb.runtime.clock import SystemClock
from xdb.store.keystore import write_keystore
from xdb.testing.entropy import SeededEntropy
from xdb.testing.gateway_answers import Answers
from xdb.testing.gateway_care import METHODS
from xdb.testing.gateway_history import methods_of
from xdb.testing.gateway_state import LIVE, Stored, World
from xdb.testing.keys import NamedKey

OWNER = NamedKey("owner")
CLIENT = NamedKey("client")
PASSWORD = "client"  # noqa: S105  # of a keystore that guards nothing
DEPLOYMENT = Deployment(ChainId(sha256(b"chain").digest()), Address(bytes(20)))
PIECE = 1000
"""Bytes of data in one message of a download."""


@dataclass
class Script:
    """What goes wrong. Everything here happens once, in the order in which it can."""

    refuse: dict[str, list[XdbError]] = field(default_factory=dict)  # by name of the method
    break_upload: list[tuple[int, XdbError]] = field(default_factory=list)  # after so many bytes
    break_download: list[tuple[int, XdbError]] = field(default_factory=list)
    spoil_download: list[int] = field(default_factory=list)  # a byte at this place is changed
    lose_answer: int = 0  # uploads that are done, but not answered
    notes: list[str] = field(default_factory=list)
    stall_at: int | None = None  # a transfer stands still after so many bytes, for good
    stalled: Event = field(default_factory=Event)  # it does

    async def stall(self, size: int) -> None:
        """Stands still if that is what the script wants."""
        if self.stall_at is not None and size >= self.stall_at:
            self.stalled.set()
            await asyncio.Event().wait()

    def check(self, method: str) -> None:
        """Raises what the script has for a method."""
        if self.refuse.get(method):
            raise self.refuse[method].pop(0)


@dataclass
class Gateway:
    """The servicers. `uploads` are the headers received, `sent` the bytes of each attempt."""

    clock: Clock
    world: World = field(init=False)
    answers: Answers = field(init=False)
    script: Script = field(default_factory=Script)
    uploads: list[owner_pb2.UploadHeader] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    callers: set[Address] = field(default_factory=set)
    downloads: list[owner_pb2.DownloadRequest] = field(default_factory=list)
    _done: dict[bytes, Stored] = field(default_factory=dict)
    _begun: dict[bytes, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """An empty world."""
        self.world = World(self.clock, OWNER.address, DEPLOYMENT)
        self.answers = Answers(self.world)

    async def upload(self, messages: AsyncIterator[Any], _: object) -> AsyncIterator[Any]:
        """`FileService.Upload`."""
        header = (await anext(messages)).header
        self._enter("Upload")
        self.uploads.append(header)
        stored = self._done.get(header.upload)
        if stored is None:
            self.world.check_upload(header)
            yield owner_pb2.UploadProgress(stage=owner_pb2.STAGE_READY)
            data, ended = bytearray(), False
            async for message in messages:
                ended = message.HasField("end")
                data += message.data
                self._break(self.script.break_upload, header, bytes(data))
                yield self._progress(owner_pb2.STAGE_SENDING, data)
                await self.script.stall(len(data))
            if not ended:
                raise UnavailableError("the upload was cut off: upload again")
            self.sent.append(bytes(data))
            self._compare(header.upload, bytes(data))
            stored = self._done[header.upload] = self.world.publish(header, bytes(data))
        if self.script.lose_answer:
            self.script.lose_answer -= 1
            raise UnavailableError("the answer was lost: ask again")
        for stage in (owner_pb2.STAGE_STORED, owner_pb2.STAGE_PUBLISHED):
            yield self._progress(stage, stored.data)
        last = owner_pb2.UploadProgress(stage=header.wait or owner_pb2.STAGE_PUBLISHED)
        last.received = len(stored.data)
        last.file.CopyFrom(self.world.info(stored, whole=True))
        yield last

    async def download(
        self, request: owner_pb2.DownloadRequest, _: object
    ) -> AsyncGenerator[bytes, None]:
        """`FileService.Download`."""
        self._enter("Download")
        self.downloads.append(request)
        stored = self.world.find(request.ref)
        if self.world.status(stored) != LIVE:
            raise ExpiredError(f"{stored.name} was deleted or has expired: undelete or renew it")
        length = request.length if request.HasField("length") else len(stored.data)
        data = stored.data[request.offset : request.offset + length]
        header = owner_pb2.DownloadHeader(
            file=self.world.info(stored, whole=True),
            offset=request.offset,
            length=len(data),
            digest=sha256(stored.data).digest(),
        )
        yield owner_pb2.DownloadReply(header=header).SerializeToString()
        if self.script.spoil_download and data:
            at = self.script.spoil_download.pop(0)
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        for start in range(0, len(data), PIECE):
            if self.script.break_download and start >= self.script.break_download[0][0]:
                raise self.script.break_download.pop(0)[1]
            await self.script.stall(start)
            part = data[start : start + PIECE]
            yield owner_pb2.DownloadReply(data=part).SerializeToString()

    async def verify(self, request: owner_pb2.FileRef, _: object) -> AsyncGenerator[bytes, None]:
        """`FileService.Verify`."""
        self._enter("Verify")
        for reply in self.world.checks(self.world.find(request)):
            yield reply.SerializeToString()

    async def answer(self, method: str, request: Any) -> Any:  # noqa: ANN401  # messages
        """Every method with one request and one answer."""
        self._enter(method)
        return self.answers.answer(method, request)

    def services(self) -> list[Service]:
        """The services of an owner node."""
        endless = dict.fromkeys(("Upload", "Download", "Verify"), Method("bulk", endless=True))
        return [
            service_of("xdb.v1.FileService", {**self._streams(), **self._unary(_FILES)}, endless),
            service_of("xdb.v1.NamespaceService", self._unary(_NAMESPACES), {}),
            service_of("xdb.v1.NodeService", self._unary(_NODES), {}),
            *(service_of(name, self._unary(each), {}) for name, each in METHODS.items()),
        ]

    def _streams(self) -> dict[str, Any]:
        return {
            "Upload": grpc.stream_stream_rpc_method_handler(
                self.upload,
                request_deserializer=owner_pb2.UploadRequest.FromString,
                response_serializer=owner_pb2.UploadProgress.SerializeToString,
            ),
            "Download": grpc.unary_stream_rpc_method_handler(
                self.download, request_deserializer=owner_pb2.DownloadRequest.FromString
            ),
            "Verify": grpc.unary_stream_rpc_method_handler(
                self.verify, request_deserializer=owner_pb2.FileRef.FromString
            ),
        }

    def _unary(self, methods: dict[str, tuple[str, Any]]) -> dict[str, Any]:
        def serve_as(name: str) -> Any:  # noqa: ANN401  # a handler
            async def handle(request: Any, _: object) -> Any:  # noqa: ANN401  # messages
                return await self.answer(name, request)

            return handle

        return {
            method: unary(serve_as(name), request) for method, (name, request) in methods.items()
        }

    def _enter(self, method: str) -> None:
        self.callers.add(caller())
        self.script.check(method)

    def _break(
        self, breaks: list[tuple[int, XdbError]], header: owner_pb2.UploadHeader, data: bytes
    ) -> None:
        if breaks and len(data) >= breaks[0][0]:
            self._begun.setdefault(header.upload, data)
            self.sent.append(data)
            raise breaks.pop(0)[1]

    def _compare(self, upload: bytes, data: bytes) -> None:
        if not data.startswith(self._begun.get(upload, b"")):
            raise SourceChangedError("the source has changed since the upload began")

    def _progress(self, stage: owner_pb2.Stage.ValueType, data: bytes | bytearray) -> Any:  # noqa: ANN401
        progress = owner_pb2.UploadProgress(stage=stage, received=len(data))
        progress.note = self.script.notes.pop(0) if self.script.notes else ""
        for slot, node in enumerate(self.world.holders(), start=1):
            progress.holders.add(node=node, slot=slot, bytes=len(data))
        return progress


_FILES = {
    "List": ("ListFiles", owner_pb2.ListFilesRequest),
    "Info": ("Info", owner_pb2.FileRef),
    "Delete": ("Delete", owner_pb2.FileRef),
    "Undelete": ("Undelete", owner_pb2.RenewRequest),
    "Renew": ("Renew", owner_pb2.RenewRequest),
    "Rename": ("Rename", owner_pb2.RenameRequest),
    "Usage": ("Usage", owner_pb2.UsageRequest),
}
_NAMESPACES = {
    "Create": ("CreateNamespace", owner_pb2.CreateNamespaceRequest),
    "Update": ("UpdateNamespace", owner_pb2.UpdateNamespaceRequest),
    "List": ("ListNamespaces", owner_pb2.ListNamespacesRequest),
    "Info": ("NamespaceInfo", owner_pb2.NamespaceRef),
}
_NODES = {
    "List": ("ListNodes", owner_pb2.ListNodesRequest),
    "Info": ("NodeInfo", owner_pb2.NodeRef),
    "Status": ("Status", owner_pb2.OwnerStatusRequest),
    "Tasks": ("Tasks", owner_pb2.TasksOf),
    **methods_of("xdb.v1.NodeService"),
}


@asynccontextmanager
async def gateway(
    clock: Clock, certificate: Certificate | None = None
) -> AsyncIterator[tuple[Gateway, Context]]:
    """A served gateway, and the context of its client; keystores are the caller's affair."""
    certificate = certificate or make_certificate()
    made, limits = Gateway(clock), Limits()
    settings = ServerSettings(
        listen="127.0.0.1:0",
        certificate=certificate,
        clock=clock,
        entropy=SeededEntropy("gateway"),
        limits=limits,
        doorkeeper=Doorkeeper(OWNER.address, DEPLOYMENT, clock, Replays(limits.replays)),
    )
    async with serve(settings, made.services(), Planes(limits)) as port:
        endpoint = Endpoint(f"127.0.0.1:{port}", certificate.fingerprint)
        yield made, Context(endpoint, OWNER.address, DEPLOYMENT, keystore=Path("/nowhere"))


@contextmanager
def gateway_in_thread(directory: Path) -> Iterator[tuple[Gateway, Path]]:
    """A gateway in a thread of its own, and a context file with everything it names."""
    loop = Loop()
    try:
        serving = gateway(SystemClock())
        made, context = loop.run(serving.__aenter__())
        try:
            keystore, password = directory / "client.json", directory / "client.password"
            write_keystore(keystore, CLIENT.private_key, PASSWORD, scrypt_n=2)
            password.touch(mode=0o600)
            password.write_text(f"{PASSWORD}\n")
            path = directory / "context.toml"
            write_context(path, replace(context, keystore=keystore, password_file=password))
            yield made, path
        finally:
            loop.run(serving.__aexit__(None, None, None))
    finally:
        loop.close()
