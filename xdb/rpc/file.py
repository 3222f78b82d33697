"""FileService: an owner's files for its clients."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc

from xdb.errors import InvalidRequestError, UnavailableError
from xdb.index.index import Index
from xdb.index.paging import MOST
from xdb.index.views import FileView
from xdb.pb import owner_pb2
from xdb.peer.framing import CHUNK, frame
from xdb.ports.spawn import Spawn
from xdb.rpc import owner_messages
from xdb.rpc.clients import Clients
from xdb.rpc.edge import Context, Method
from xdb.rpc.server import Service, service_of, unary
from xdb.rpc.upload_stream import Reports, read_upload, upload_data
from xdb.services.catalog import Catalog
from xdb.services.download import Downloader
from xdb.services.health.look import Look, Viewpoint
from xdb.services.upload.uploader import Uploader
from xdb.services.verification import Verification

NAME = "xdb.v1.FileService"
_DATA = 2  # field of UploadRequest and DownloadReply
_PAGE, _NAMESPACES = 100, 10_000
PATIENCE = 300.0
"""Seconds that an upload waits for the next bytes of its client."""

Messages = AsyncIterator[Any]


@dataclass(frozen=True, slots=True)
class OwnerServices:
    """What an owner node does for its clients."""

    index: Index
    catalog: Catalog
    viewpoint: Viewpoint
    uploader: Uploader
    downloader: Downloader
    verification: Verification
    spawn: Spawn
    slice_size: int


class FileServicer:
    """Hands requests to the owner's services."""

    def __init__(self, services: OwnerServices, clients: Clients) -> None:
        self._services = services
        self._clients = clients

    async def upload(self, messages: Messages, _context: Context) -> AsyncIterator[Any]:
        """Takes a file in; says what is reached, and the file at last."""
        self._clients.check()
        first = await anext(messages)
        if not isinstance(first, owner_pb2.UploadRequest) or not first.HasField("header"):
            raise InvalidRequestError("the first message must be the header: send it first")
        request = owner_messages.upload_request(first.header, self._services.slice_size)
        reports = Reports()
        task = self._services.spawn.start(
            self._services.uploader.upload(request, upload_data(messages), reports.add),
            name="upload",
        )
        task.add_done_callback(reports.end)
        try:
            async for report in reports:
                if report.stage < request.wait:  # that one comes with the file
                    yield owner_messages.progress(report)
            try:
                view = await task
            except asyncio.CancelledError as error:
                raise UnavailableError(
                    "the owner node is stopping: upload again when it is back"
                ) from error
        finally:
            task.cancel()
        last = owner_messages.progress(reports.last)
        last.file.CopyFrom(await self._info(view))
        yield last

    async def download(
        self, request: owner_pb2.DownloadRequest, _context: Context
    ) -> AsyncIterator[Any]:
        """A file, or a range of it, in order; nothing behind the first error."""
        self._clients.check()
        services = self._services
        view = services.catalog.find(owner_messages.file_ref(request.ref))
        length = request.length if request.HasField("length") else None
        download = await services.downloader.open(view, request.offset, length)
        header = owner_pb2.DownloadHeader(
            file=owner_messages.file_info(
                services.catalog.details(view),
                services.viewpoint.look().colour(view),
                services.index,
                download.file,
            ),
            offset=download.offset,
            length=download.length,
            digest=download.file.private.plaintext_digest,
        )
        yield owner_pb2.DownloadReply(header=header).SerializeToString()
        async with aclosing(services.downloader.read(download)) as parts:
            async for part in parts:
                for start in range(0, len(part), CHUNK):
                    yield frame(_DATA, part[start : start + CHUNK])

    async def list_files(
        self, request: owner_pb2.ListFilesRequest, _context: Context
    ) -> owner_pb2.ListFilesReply:
        """A page of files, the newest first."""
        self._clients.check()
        services = self._services
        namespace = None
        if request.namespace:
            namespace = services.catalog.namespace_tag(request.namespace)
        # `from` is a keyword here and a field there
        since: int = getattr(request, "from")
        page = services.index.files(
            services.catalog.owner,
            namespace,
            status=owner_messages.status(request.status),
            since=since,
            until=request.until or None,
            after=request.cursor,
            limit=min(request.limit or _PAGE, MOST),
        )
        look = services.viewpoint.look()
        return owner_pb2.ListFilesReply(
            files=[self._plain_info(view, look) for view in page.items], next=page.next
        )

    async def info(self, request: owner_pb2.FileRef, _context: Context) -> owner_pb2.FileInfo:
        """All there is to say about a file."""
        self._clients.check()
        return await self._info(self._services.catalog.find(owner_messages.file_ref(request)))

    async def delete(self, request: owner_pb2.FileRef, _context: Context) -> owner_pb2.FileInfo:
        """Starts retention."""
        self._clients.check()
        ref = owner_messages.file_ref(request)
        return self._plain_info(await self._services.catalog.delete(ref))

    async def undelete(
        self, request: owner_pb2.RenewRequest, _context: Context
    ) -> owner_pb2.FileInfo:
        """Brings a deleted or expired file back."""
        self._clients.check()
        ref = owner_messages.file_ref(request.ref)
        return self._plain_info(await self._services.catalog.undelete(ref, request.expiry))

    async def renew(self, request: owner_pb2.RenewRequest, _context: Context) -> owner_pb2.FileInfo:
        """A later expiry."""
        self._clients.check()
        ref = owner_messages.file_ref(request.ref)
        return self._plain_info(await self._services.catalog.renew(ref, request.expiry))

    async def rename(
        self, request: owner_pb2.RenameRequest, _context: Context
    ) -> owner_pb2.FileInfo:
        """Another name within the namespace."""
        self._clients.check()
        description = request.description if request.HasField("description") else None
        view = await self._services.catalog.rename(
            owner_messages.file_ref(request.ref), request.name, description
        )
        return self._plain_info(view)

    async def verify(self, request: owner_pb2.FileRef, _context: Context) -> AsyncIterator[Any]:
        """Every replica, read back and compared."""
        self._clients.check()
        view = self._services.catalog.find(owner_messages.file_ref(request))
        async with aclosing(self._services.verification.verify(view)) as found:
            async for each in found:
                yield owner_pb2.VerifyReply(
                    slot=each.slot,
                    node=each.node,
                    piece=each.piece,
                    good=not each.problem,
                    problem=each.problem,
                    checked=each.checked,
                    total=each.total,
                ).SerializeToString()

    async def usage(
        self, _request: owner_pb2.UsageRequest, _context: Context
    ) -> owner_pb2.UsageReply:
        """What every namespace takes, of the first 10,000."""
        self._clients.check()
        services, reply, after = self._services, owner_pb2.UsageReply(), b""
        while len(reply.namespaces) < _NAMESPACES:
            page = services.index.namespaces(services.catalog.owner, after=after, limit=MOST)
            for view in page.items:
                reply.namespaces.add(
                    namespace=services.catalog.namespace_name(view.record.namespace),
                    files=view.files,
                    size=view.size,
                    stored=view.stored,
                    expired=view.expired,
                )
            if not page.next:
                break
            after = page.next
        return reply

    def _plain_info(self, view: FileView, look: Look | None = None) -> owner_pb2.FileInfo:
        services = self._services
        colour = (look or services.viewpoint.look()).colour(view)
        return owner_messages.file_info(services.catalog.details(view), colour, services.index)

    async def _info(self, view: FileView) -> owner_pb2.FileInfo:
        services = self._services
        try:
            opened = await services.downloader.opener.open(view)
        except UnavailableError:
            return self._plain_info(view)  # what the chain knows can always be told
        return owner_messages.file_info(
            services.catalog.details(view),
            services.viewpoint.look().colour(view),
            services.index,
            opened,
        )


def file_service(services: OwnerServices, clients: Clients) -> Service:
    """The service of an owner node."""
    servicer = FileServicer(services, clients)
    stream = grpc.unary_stream_rpc_method_handler

    handlers: dict[str, Any] = {
        "Upload": grpc.stream_stream_rpc_method_handler(
            servicer.upload,
            request_deserializer=read_upload,
            response_serializer=owner_pb2.UploadProgress.SerializeToString,
        ),
        "Download": stream(
            servicer.download, request_deserializer=owner_pb2.DownloadRequest.FromString
        ),
        "List": unary(servicer.list_files, owner_pb2.ListFilesRequest),
        "Info": unary(servicer.info, owner_pb2.FileRef),
        "Delete": unary(servicer.delete, owner_pb2.FileRef),
        "Undelete": unary(servicer.undelete, owner_pb2.RenewRequest),
        "Renew": unary(servicer.renew, owner_pb2.RenewRequest),
        "Rename": unary(servicer.rename, owner_pb2.RenameRequest),
        "Verify": stream(servicer.verify, request_deserializer=owner_pb2.FileRef.FromString),
        "Usage": unary(servicer.usage, owner_pb2.UsageRequest),
    }
    endless = Method("bulk", endless=True, silence=PATIENCE)
    return service_of(NAME, handlers, dict.fromkeys(("Upload", "Download", "Verify"), endless))
