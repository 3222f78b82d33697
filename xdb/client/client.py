"""The asynchronous client."""

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Self, Unpack

from xdb.client import messages
from xdb.client.context import Context, find_context, read_context
from xdb.client.directory import DirectoryProgress, DirectoryResult
from xdb.client.download import Download, Range
from xdb.client.health import Audits, HealthOf, Migrations
from xdb.client.keys import open_key
from xdb.client.messages import seconds
from xdb.client.namespaces import Namespaces
from xdb.client.nodes import Nodes
from xdb.client.options import Expiry, UploadOptions, expiry
from xdb.client.owner import FILES, NODES, Owner
from xdb.client.records import (
    Downloaded,
    DownloadProgress,
    FileInfo,
    FilePage,
    FileStatus,
    NamespaceUsage,
    OwnerStatus,
    ReplicaCheck,
    UploadProgress,
)
from xdb.client.refs import Ref, file_ref
from xdb.client.source import Uploadable
from xdb.client.target import Header, PathTarget, StreamTarget, Target, is_stream
from xdb.client.uploads import Uploads
from xdb.core.names import check_name
from xdb.model.buffer import Buffer
from xdb.pb import owner_pb2
from xdb.peer.calls import Party
from xdb.peer.config import PeerConfig
from xdb.peer.connections import Connections
from xdb.peer.requests import RequestSigner
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Signer
from xdb.runtime.clock import SystemClock
from xdb.runtime.entropy import SystemEntropy

PATIENCE = 60.0
"""Seconds for a call that changes something, and so waits for the chain."""


class Client:
    """An owner node's client. Errors are those of `xdb.errors`; methods may run concurrently.

    A file is named by `namespace/name`, by its id (hexadecimal text or bytes), or by a
    `FileInfo` that an earlier call gave.
    """

    namespaces: Namespaces
    nodes: Nodes

    def __init__(
        self,
        context: Context,
        signer: Signer,
        *,
        config: PeerConfig | None = None,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        clock, entropy = clock or SystemClock(), entropy or SystemEntropy()
        self._clock = clock
        self._connections = Connections(config)
        requests = RequestSigner(signer, context.deployment, clock, entropy)
        whom = f"owner node {context.endpoint.address}"
        party = Party(
            whom, context.endpoint, self._connections, context.owner, requests, terse=True
        )
        self._owner = Owner(party, clock, entropy, PATIENCE)
        self._uploads = Uploads(self._owner)
        self.namespaces = Namespaces(self._owner)
        self.nodes = Nodes(self._owner)
        self.health, self.audits = HealthOf(self._owner), Audits(self._owner)
        self.migrations = Migrations(self._owner)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, context: Context | Path | str | None = None, *, password: str | None = None
    ) -> AsyncIterator[Self]:
        """A client as a context (file) describes it, by default the one `find_context` finds."""
        if not isinstance(context, Context):
            context = read_context(find_context() if context is None else Path(context))
        key = await asyncio.to_thread(open_key, context, password)
        async with cls(context, key) as client:
            yield client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends all calls."""
        await self._connections.close()

    # ------------------------------------------------------------ up

    async def upload(
        self,
        source: Uploadable,
        namespace: str,
        name: str | None = None,
        *,
        progress: Callable[[UploadProgress], None] | None = None,
        **options: Unpack[UploadOptions],
    ) -> FileInfo:
        """Stores a file; without `name` it gets that of the path.

        Returns at `options["wait"]`. Sources that can be read again are, when the
        connection or a node is lost: what is stored already is not sent to nodes twice.
        """
        return await self._uploads.file(source, namespace, name, options, progress)

    def upload_directory(  # what can be said of it
        self,
        directory: str | Path,
        namespace: str,
        prefix: str | None = None,
        *,
        skip_same: bool = False,
        progress: Callable[[DirectoryProgress], None] | None = None,
        **options: Unpack[UploadOptions],
    ) -> AsyncGenerator[DirectoryResult, None]:
        """Stores every file below a directory; gives what became of each, as it ends.

        Names are `prefix/relative path`; the prefix is the directory's own name unless
        given, and may be empty. Links are not followed. With `skip_same`, files that are
        there with the same content are left alone.
        """
        return self._uploads.directory(
            Path(directory), namespace, prefix, options, progress, skip_same=skip_same
        )

    # ------------------------------------------------------------ down

    async def download(  # noqa: PLR0913  # what can be said of it
        self,
        ref: Ref,
        target: str | Path | BinaryIO,
        *,
        offset: int = 0,
        length: int | None = None,
        replace: bool = False,
        progress: Callable[[DownloadProgress], None] | None = None,
    ) -> Downloaded:
        """Fetches a file, or `length` bytes from `offset` on, into a path or a file object.

        A path holds nothing, or what it held, until everything is here and is what the
        chain says; ConflictError when something is there and `replace` is not set. What an
        interrupted download of a whole file left is used.
        """
        wanted = Range(file_ref(ref), offset, length)
        report = progress or (lambda _: None)
        if not isinstance(target, str | Path):
            return await self._download.to(StreamTarget(target), wanted, report)
        path = Path(target)
        if is_stream(path):
            with await asyncio.to_thread(path.open, "wb") as file:
                return await self._download.to(StreamTarget(file), wanted, report)
        into: Target = PathTarget(path, replace=replace)
        return await self._download.to(into, wanted, report)

    async def read(self, ref: Ref, offset: int = 0, length: int | None = None) -> bytes:
        """A file's bytes, or a range of them, in memory."""
        with io.BytesIO() as memory:
            await self.download(ref, memory, offset=offset, length=length)
            return memory.getvalue()

    async def stream(
        self, ref: Ref, offset: int = 0, length: int | None = None
    ) -> AsyncGenerator[Buffer, None]:
        """A file's bytes as they come; each is verified against the chain by the owner node."""
        wanted = Range(file_ref(ref), offset, length)
        async with aclosing(self._download.stream(wanted)) as parts:
            async for part in parts:
                if not isinstance(part, Header):
                    yield part

    # ------------------------------------------------------------ what is there

    async def list(  # noqa: PLR0913  # what can be said of it
        self,
        namespace: str = "",
        *,
        status: FileStatus = FileStatus.LIVE,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 0,
        cursor: bytes = b"",
    ) -> FilePage:
        """A page of files, the newest first; of all namespaces when none is named."""
        request = owner_pb2.ListFilesRequest(
            namespace=namespace,
            status=owner_pb2.FileStatus.ValueType(status),
            until=seconds(until) if until else 0,
            limit=limit,
            cursor=cursor,
            **{"from": seconds(since) if since else 0},
        )
        return await self._owner.ask(
            f"{FILES}List", request, owner_pb2.ListFilesReply, messages.file_page
        )

    async def files(
        self,
        namespace: str = "",
        *,
        status: FileStatus = FileStatus.LIVE,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncGenerator[FileInfo, None]:
        """All files, page by page."""
        cursor: bytes | None = b""
        while cursor is not None:
            page = await self.list(
                namespace, status=status, since=since, until=until, cursor=cursor
            )
            for file in page.files:
                yield file
            cursor = page.next

    async def info(self, ref: Ref) -> FileInfo:
        """All there is to say about a file; it may have expired or been deleted."""
        return await self._owner.ask(
            f"{FILES}Info", file_ref(ref), owner_pb2.FileInfo, messages.file_info
        )

    async def verify(self, ref: Ref) -> AsyncGenerator[ReplicaCheck, None]:
        """Has every replica read back and compared; gives each as it is checked."""
        checks = self._owner.follow(
            f"{FILES}Verify", file_ref(ref), owner_pb2.VerifyReply, messages.replica_check
        )
        async with aclosing(checks):
            async for check in checks:
                yield check

    async def usage(self) -> tuple[NamespaceUsage, ...]:
        """What every namespace takes."""
        return await self._owner.ask(
            f"{FILES}Usage", owner_pb2.UsageRequest(), owner_pb2.UsageReply, messages.usage
        )

    async def status(self) -> OwnerStatus:
        """The owner node, and what it sees of the chain."""
        request = owner_pb2.OwnerStatusRequest()
        return await self._owner.ask(
            f"{NODES}Status", request, owner_pb2.OwnerStatus, messages.owner_status
        )

    # ------------------------------------------------------------ changes

    async def delete(self, ref: Ref) -> FileInfo:
        """Deletes a file; `undelete` brings it back until its `gone`."""
        return await self._change("Delete", file_ref(ref))

    async def undelete(self, ref: Ref, expires: Expiry | None = None) -> FileInfo:
        """Brings a deleted file back; its expiry stays unless another is given."""
        request = owner_pb2.RenewRequest(ref=file_ref(ref))
        if expires is not None:
            request.expiry = expiry(expires, self._clock)
        return await self._change("Undelete", request)

    async def renew(self, ref: Ref, expires: Expiry) -> FileInfo:
        """Another expiry; brings an expired file back as long as it is in retention."""
        at = expiry(expires, self._clock)
        return await self._change("Renew", owner_pb2.RenewRequest(ref=file_ref(ref), expiry=at))

    async def rename(self, ref: Ref, name: str, description: str | None = None) -> FileInfo:
        """Another name in the same namespace; ConflictError when it is taken."""
        request = owner_pb2.RenameRequest(
            ref=file_ref(ref), name=check_name(name), description=description
        )
        return await self._change("Rename", request)

    async def _change(
        self,
        method: str,
        request: owner_pb2.FileRef | owner_pb2.RenewRequest | owner_pb2.RenameRequest,
    ) -> FileInfo:
        return await self._owner.tell(
            f"{FILES}{method}", request, owner_pb2.FileInfo, messages.file_info
        )

    @property
    def _download(self) -> Download:
        return Download(self._owner)
