"""Uploads of files and directories."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from xdb.client import messages
from xdb.client.directory import (
    DirectoryProgress,
    DirectoryResult,
    DirectoryUpload,
    Entry,
    Outcome,
    prefix_of,
    walk,
)
from xdb.client.options import UploadOptions, header
from xdb.client.owner import FILES, Owner
from xdb.client.records import FileInfo, FileStatus, UploadProgress
from xdb.client.source import Uploadable, source_of
from xdb.client.upload import ID_BYTES, Upload
from xdb.core.names import check_name, check_namespace_name
from xdb.errors import InvalidRequestError, NotFoundError
from xdb.pb import owner_pb2

Report = Callable[[UploadProgress], None]


@dataclass(frozen=True, slots=True)
class Uploads:
    """Uploads to one owner node."""

    owner: Owner

    async def file(
        self,
        source: Uploadable,
        namespace: str,
        name: str | None,
        options: UploadOptions,
        progress: Report | None,
    ) -> FileInfo:
        """See `Client.upload`."""
        made = header(namespace, name or _name_of(source), options, self.owner.clock)
        if made.upload and len(made.upload) != ID_BYTES:
            raise InvalidRequestError(
                f"an upload id has {ID_BYTES} bytes, not {len(made.upload)}: give the one that "
                "the interrupted upload had"
            )
        resumes = bool(made.upload)
        made.upload = made.upload or self.owner.entropy.draw(ID_BYTES)
        upload = Upload(self.owner, source_of(source), made, progress or _silent, resumes=resumes)
        return await upload.run()

    async def directory(  # noqa: PLR0913  # what can be said of it
        self,
        directory: Path,
        namespace: str,
        prefix: str | None,
        options: UploadOptions,
        progress: Callable[[DirectoryProgress], None] | None,
        *,
        skip_same: bool,
    ) -> AsyncGenerator[DirectoryResult, None]:
        """See `Client.upload_directory`."""
        namespace = check_namespace_name(namespace)
        if prefix is None:
            prefix = prefix_of(directory)
        elif prefix:
            prefix = check_name(prefix)
        if "upload_id" in options:
            raise InvalidRequestError("an upload id is that of one file: leave it out")

        async def one(entry: Entry, report: Report) -> DirectoryResult:
            if skip_same and (there := await self._same(entry, namespace)) is not None:
                return DirectoryResult(entry.path, entry.name, Outcome.UNCHANGED, there)
            file = await self.file(entry.path, namespace, entry.name, options, report)
            return DirectoryResult(entry.path, entry.name, Outcome.UPLOADED, file)

        entries = await asyncio.to_thread(walk, directory, prefix)
        upload = DirectoryUpload(entries, one, progress or _silent)
        async with aclosing(upload.run()) as results:
            async for result in results:
                yield result

    async def _same(self, entry: Entry, namespace: str) -> FileInfo | None:
        ref = owner_pb2.FileRef(namespace=namespace, name=entry.name)
        try:
            there = await self.owner.ask(
                f"{FILES}Info", ref, owner_pb2.FileInfo, messages.file_info
            )
        except NotFoundError:
            return None
        if there.status is not FileStatus.LIVE or there.size != entry.size:
            return None
        try:
            digest = await asyncio.to_thread(_digest, entry.path)
        except OSError:
            return None  # uploading it will say why
        return there if digest == there.digest else None


def _name_of(source: Uploadable) -> str:
    if isinstance(source, str | Path) and (name := Path(source).name):
        return name
    raise InvalidRequestError("the source has no name of its own: give one")


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return file_digest(file, "sha256").digest()


def _silent(_: object) -> None:
    """Tells nobody."""
