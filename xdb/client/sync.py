"""The client for programs without an event loop: it has one of its own, in a thread.

Methods are those of `xdb.client.Client`, and block. They may be called from several
threads. Callbacks run in the loop's thread: let them be short.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeVar, Unpack

from xdb.client import client as asynchronous
from xdb.client.context import Context
from xdb.client.directory import DirectoryProgress, DirectoryResult
from xdb.client.loop import Loop
from xdb.client.options import Expiry, UploadOptions
from xdb.client.records import (
    Downloaded,
    DownloadProgress,
    FileInfo,
    FilePage,
    FileStatus,
    NamespaceInfo,
    NamespaceUsage,
    NodeInfo,
    OwnerStatus,
    ReplicaCheck,
    TaskListing,
    UploadProgress,
)
from xdb.client.refs import Ref
from xdb.client.source import Uploadable
from xdb.client.sync_health import Audits, HealthOf, Migrations
from xdb.model.registry import Redundancy

T = TypeVar("T")


class Client:
    """A blocking client of an owner node. `Client.open()` makes one."""

    def __init__(self, client: asynchronous.Client, loop: Loop) -> None:
        self._client = client
        self._loop = loop
        self.namespaces = Namespaces(client, loop)
        self.nodes = Nodes(client, loop)
        self.health = HealthOf(client, loop)
        self.migrations = Migrations(client, loop)
        self.audits = Audits(client, loop)

    @classmethod
    @contextmanager
    def open(
        cls, context: Context | Path | str | None = None, *, password: str | None = None
    ) -> Iterator[Self]:
        """See `xdb.client.Client.open`."""
        loop = Loop()
        try:
            opening = asynchronous.Client.open(context, password=password)
            client = loop.run(opening.__aenter__())
            try:
                yield cls(client, loop)
            finally:
                loop.run(client.close())
        finally:
            loop.close()

    def upload(
        self,
        source: Uploadable | Iterable[bytes],
        namespace: str,
        name: str | None = None,
        *,
        progress: Callable[[UploadProgress], None] | None = None,
        **options: Unpack[UploadOptions],
    ) -> FileInfo:
        """See `xdb.client.Client.upload`; also takes an ordinary iterator of bytes."""
        data = _asynchronous(source)
        return self._run(self._client.upload(data, namespace, name, progress=progress, **options))

    def upload_directory(
        self,
        directory: str | Path,
        namespace: str,
        prefix: str | None = None,
        *,
        skip_same: bool = False,
        progress: Callable[[DirectoryProgress], None] | None = None,
        **options: Unpack[UploadOptions],
    ) -> Iterator[DirectoryResult]:
        """See `xdb.client.Client.upload_directory`."""
        return self._loop.iterate(
            self._client.upload_directory(
                directory, namespace, prefix, skip_same=skip_same, progress=progress, **options
            )
        )

    def download(  # noqa: PLR0913  # what can be said of it
        self,
        ref: Ref,
        target: str | Path | BinaryIO,
        *,
        offset: int = 0,
        length: int | None = None,
        replace: bool = False,
        progress: Callable[[DownloadProgress], None] | None = None,
    ) -> Downloaded:
        """See `xdb.client.Client.download`."""
        return self._run(
            self._client.download(
                ref, target, offset=offset, length=length, replace=replace, progress=progress
            )
        )

    def read(self, ref: Ref, offset: int = 0, length: int | None = None) -> bytes:
        """See `xdb.client.Client.read`."""
        return self._run(self._client.read(ref, offset, length))

    def stream(
        self, ref: Ref, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes | bytearray | memoryview]:
        """See `xdb.client.Client.stream`."""
        return self._loop.iterate(self._client.stream(ref, offset, length))

    def list(  # noqa: PLR0913  # what can be said of it
        self,
        namespace: str = "",
        *,
        status: FileStatus = FileStatus.LIVE,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 0,
        cursor: bytes = b"",
    ) -> FilePage:
        """See `xdb.client.Client.list`."""
        return self._run(
            self._client.list(
                namespace, status=status, since=since, until=until, limit=limit, cursor=cursor
            )
        )

    def files(
        self,
        namespace: str = "",
        *,
        status: FileStatus = FileStatus.LIVE,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[FileInfo]:
        """See `xdb.client.Client.files`."""
        return self._loop.iterate(
            self._client.files(namespace, status=status, since=since, until=until)
        )

    def info(self, ref: Ref) -> FileInfo:
        """See `xdb.client.Client.info`."""
        return self._run(self._client.info(ref))

    def verify(self, ref: Ref) -> Iterator[ReplicaCheck]:
        """See `xdb.client.Client.verify`."""
        return self._loop.iterate(self._client.verify(ref))

    def usage(self) -> tuple[NamespaceUsage, ...]:
        """See `xdb.client.Client.usage`."""
        return self._run(self._client.usage())

    def status(self) -> OwnerStatus:
        """See `xdb.client.Client.status`."""
        return self._run(self._client.status())

    def delete(self, ref: Ref) -> FileInfo:
        """See `xdb.client.Client.delete`."""
        return self._run(self._client.delete(ref))

    def undelete(self, ref: Ref, expires: Expiry | None = None) -> FileInfo:
        """See `xdb.client.Client.undelete`."""
        return self._run(self._client.undelete(ref, expires))

    def renew(self, ref: Ref, expires: Expiry) -> FileInfo:
        """See `xdb.client.Client.renew`."""
        return self._run(self._client.renew(ref, expires))

    def rename(self, ref: Ref, name: str, description: str | None = None) -> FileInfo:
        """See `xdb.client.Client.rename`."""
        return self._run(self._client.rename(ref, name, description))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run(work)


class Namespaces:
    """`Client.namespaces`."""

    def __init__(self, client: asynchronous.Client, loop: Loop) -> None:
        self._namespaces = client.namespaces
        self._loop = loop

    def create(self, name: str, redundancy: Redundancy, description: str = "") -> NamespaceInfo:
        """See `xdb.client.namespaces.Namespaces.create`."""
        return self._loop.run(self._namespaces.create(name, redundancy, description))

    def update(
        self, name: str, *, redundancy: Redundancy | None = None, description: str | None = None
    ) -> NamespaceInfo:
        """See `xdb.client.namespaces.Namespaces.update`."""
        return self._loop.run(
            self._namespaces.update(name, redundancy=redundancy, description=description)
        )

    def info(self, name: str) -> NamespaceInfo:
        """See `xdb.client.namespaces.Namespaces.info`."""
        return self._loop.run(self._namespaces.info(name))

    def list(self) -> Iterator[NamespaceInfo]:
        """See `xdb.client.namespaces.Namespaces.list`."""
        return self._loop.iterate(self._namespaces.list())


class Nodes:
    """`Client.nodes`."""

    def __init__(self, client: asynchronous.Client, loop: Loop) -> None:
        self._nodes = client.nodes
        self._loop = loop

    def list(self) -> Iterator[NodeInfo]:
        """See `xdb.client.nodes.Nodes.list`."""
        return self._loop.iterate(self._nodes.list())

    def info(self, node: bytes) -> NodeInfo:
        """See `xdb.client.nodes.Nodes.info`."""
        return self._loop.run(self._nodes.info(node))

    def tasks(self, node: bytes | None = None, *, chain: bool = False) -> TaskListing:
        """See `xdb.client.nodes.Nodes.tasks`."""
        return self._loop.run(self._nodes.tasks(node, chain=chain))


def _asynchronous(source: Uploadable | Iterable[bytes]) -> Uploadable:
    if isinstance(source, str | Path | bytes | bytearray | memoryview) or hasattr(source, "read"):
        return source  # type: ignore[return-value]  # what the asynchronous client takes
    if isinstance(source, Iterable):
        return _each(iter(source))
    return source


async def _each(items: Iterator[bytes]) -> AsyncIterator[bytes]:
    end = object()
    while (item := await asyncio.to_thread(next, items, end)) is not end:
        yield item  # type: ignore[misc]  # the end is no item
