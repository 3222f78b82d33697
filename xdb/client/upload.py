"""One upload: sent, and sent again under the same id when that may help."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import Any

from xdb.client import messages
from xdb.client.messages import understand
from xdb.client.owner import FILES, Owner
from xdb.client.records import FileInfo, Stage, UploadProgress
from xdb.client.retry import Retry
from xdb.client.sending import send, send_first, send_last
from xdb.client.source import Source
from xdb.errors import IntegrityError, SourceChangedError, UnavailableError, XdbError
from xdb.model.ids import Digest
from xdb.pb import owner_pb2
from xdb.peer.calls import read
from xdb.peer.framing import CHUNK, frame
from xdb.runtime.spawn import TaskSpawn

METHOD = f"{FILES}Upload"
ID_BYTES = 16
MOST_CHANGES = 3
"""How often an upload begins anew because its source changed."""
_DATA = 2  # field of UploadRequest

Report = Callable[[UploadProgress], None]


@dataclass(slots=True)
class Upload:
    """An upload of `source` as `header` describes it; `header.upload` may be that of an earlier.

    The source is read again from its beginning in every attempt: the owner node compares,
    and sends on only what its nodes do not have.
    """

    owner: Owner
    source: Source
    header: owner_pb2.UploadHeader
    report: Report
    resumes: bool = False
    _sent: Digest | None = field(default=None, init=False)
    _most: int = field(default=0, init=False)
    _changes: int = field(default=0, init=False)
    _last: UploadProgress | None = field(default=None, init=False)

    async def run(self) -> FileInfo:
        """Returns when the stage in `header.wait` is reached."""
        retry = Retry(self.owner.clock)
        while True:
            most = self._most
            try:
                file = await self._attempt()
            except SourceChangedError:
                if not self.source.rewindable or self._changes == MOST_CHANGES:
                    raise
                self._start_anew()
            except UnavailableError as error:
                if not self.source.rewindable:
                    raise
                if self._most > most:
                    retry.went_on()
                await retry.after(error, self._tell)
                self.resumes = True
            else:
                return await self._checked(file)

    def _tell(self, error: XdbError) -> None:
        if self._last is not None:
            self.report(replace(self._last, note=f"{error}; trying again"))

    def _start_anew(self) -> None:
        self._changes += 1
        self.header.upload = self.owner.entropy.draw(ID_BYTES)
        self.resumes = False
        self._most = 0
        self._last = None

    async def _attempt(self) -> FileInfo:
        size = await self.source.measure()
        if size is not None:
            self.header.size = size
        self.header.rewindable = self.source.rewindable
        self._sent = None
        first = owner_pb2.UploadRequest(header=self.header).SerializeToString()
        party = self.owner.party
        async with party.channel() as channel, TaskSpawn() as spawn:
            opened: Any = channel.stream_stream(METHOD)
            call = opened(metadata=party.sign(METHOD, first))
            try:
                await send_first(call, first)
                ready = asyncio.Event()
                reading = spawn.start(self._read(call, ready, size), name="upload progress")
                sending = spawn.start(self._send(call, ready, size), name="upload data")
                for task in (reading, sending):
                    task.add_done_callback(_seen)
                await asyncio.wait({reading, sending}, return_when=asyncio.FIRST_COMPLETED)
                if sending.done() and not sending.cancelled():
                    sending.result()  # the source's own error comes first
                return await reading
            finally:
                call.cancel()

    async def _read(self, call: Any, ready: asyncio.Event, size: int | None) -> FileInfo:  # noqa: ANN401  # grpc
        file = None
        async for message in call:
            said = read(self.owner.party.whom, message, owner_pb2.UploadProgress)
            if said.HasField("file"):
                file = understand(messages.file_info, said.file)
            convert = partial(messages.upload_progress, total=size, upload_id=self.header.upload)
            progress = understand(convert, said)
            if progress.stage is Stage.READY:
                ready.set()
            self._most = max(self._most, progress.received)
            self._last = progress
            self.report(progress)
        if file is None:
            raise UnavailableError(
                f"{self.owner.party.whom} ended the upload without saying what became of it"
            )
        return file

    async def _send(self, call: Any, ready: asyncio.Event, size: int | None) -> None:  # noqa: ANN401  # grpc
        await ready.wait()
        digest, sent = sha256(), 0
        async with aclosing(self.source.read(size)) as blocks:
            async for block in blocks:
                await asyncio.to_thread(digest.update, block)
                view = memoryview(block).cast("B")
                sent += len(view)
                for start in range(0, len(view), CHUNK):
                    if not await send(call, frame(_DATA, view[start : start + CHUNK])):
                        return
        self._sent = Digest(digest.digest())
        end = owner_pb2.UploadRequest(end=owner_pb2.UploadEnd(size=sent))
        await send_last(call, end.SerializeToString())

    async def _checked(self, file: FileInfo) -> FileInfo:
        sent = self._sent
        if sent is None and self.resumes and self.source.rewindable:  # was there already
            sent = await self._digest()
        if None not in (sent, file.digest) and sent != file.digest:
            raise IntegrityError(
                f"{file.ref} is stored as {_hex(file.digest)}, what was read here is {_hex(sent)}: "
                "the source changed, or the upload id belongs to another one; upload it again"
            )
        return file

    async def _digest(self) -> Digest:
        digest = sha256()
        async with aclosing(self.source.read(await self.source.measure())) as blocks:
            async for block in blocks:
                await asyncio.to_thread(digest.update, block)
        return Digest(digest.digest())


def _seen(task: asyncio.Task[Any]) -> None:
    # whoever gives up an upload that has just failed does not ask why it failed
    if not task.cancelled():
        task.exception()


def _hex(digest: Digest | None) -> str:
    return digest.hex() if digest else "?"
