"""One download: bytes in order, gone on with where a connection was lost."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from xdb.client import messages
from xdb.client.messages import understand
from xdb.client.owner import FILES, Owner
from xdb.client.records import Downloaded, DownloadProgress
from xdb.client.retry import Retry
from xdb.client.target import Header, Target
from xdb.errors import IntegrityError, UnavailableError
from xdb.model.buffer import Buffer
from xdb.pb import owner_pb2
from xdb.peer.calls import read
from xdb.peer.framing import unframe

METHOD = f"{FILES}Download"
_DATA = 2  # field of DownloadReply

Report = Callable[[DownloadProgress], None]
Parts = AsyncGenerator[Header | Buffer, None]


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of a file; `length` None: to its end."""

    ref: owner_pb2.FileRef
    offset: int = 0
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """Downloads from one owner node."""

    owner: Owner

    async def stream(self, wanted: Range) -> Parts:
        """The header, then exactly as many bytes as it says, then the end."""
        retry, header = Retry(self.owner.clock), None
        place = wanted.offset
        while True:
            try:
                async with aclosing(self._once(wanted)) as parts:
                    async for part in parts:
                        if not isinstance(part, Header):
                            place += len(part)
                            retry.went_on()
                            yield part
                        elif header is None:
                            header = part
                            yield part
            except UnavailableError as error:
                if header is not None and place == header.offset + header.length:
                    return  # all is here
                await retry.after(error)
                if header is not None:
                    # The file that it was in the beginning, whatever has its name by now.
                    ref = owner_pb2.FileRef(file=header.file.file)
                    wanted = Range(ref, place, header.offset + header.length - place)
            else:
                return

    async def to(self, target: Target, wanted: Range, report: Report) -> Downloaded:
        """Everything into `target`, which keeps a whole file only when its digest is right."""
        try:
            async with aclosing(self.stream(wanted)) as parts:
                header = await _first(parts)
                resumed = await target.begin(header)
                report(DownloadProgress(resumed, header.length))
                if not resumed:
                    await _fill(target, parts, header, 0, report)
            if resumed:
                await self._rest(target, header, resumed, report)
                if target.digest() != header.digest:  # what was here is not its beginning
                    await target.start_anew()
                    resumed = 0
                    await self._rest(target, header, 0, report)
            await _check(target, header)
            await target.keep()
        finally:
            await target.release()
        return Downloaded(header.file, header.offset, header.length, resumed)

    async def _rest(self, target: Target, header: Header, done: int, report: Report) -> None:
        if done == header.length:
            return
        ref = owner_pb2.FileRef(file=header.file.file)
        wanted = Range(ref, header.offset + done, header.length - done)
        async with aclosing(self.stream(wanted)) as parts:
            await _first(parts)
            await _fill(target, parts, header, done, report)

    async def _once(self, wanted: Range) -> Parts:
        whom, left = self.owner.party.whom, None
        request = owner_pb2.DownloadRequest(
            ref=wanted.ref, offset=wanted.offset, length=wanted.length
        )
        async with aclosing(self.owner.party.receive(METHOD, request, None)) as replies:
            async for message in replies:
                data: Buffer | None = unframe(_DATA, message)
                if data is None:
                    reply = read(whom, message, owner_pb2.DownloadReply)
                    if reply.HasField("header"):
                        header = understand(_header, reply.header)
                        left = header.length
                        yield header
                        continue
                    data = reply.data
                if left is None or len(data) > left:
                    raise IntegrityError(f"{whom} sent more than the file has: download it again")
                left -= len(data)
                yield data
        if left != 0:
            raise UnavailableError(f"{whom} ended a download too early: download it again")


async def _first(parts: Parts) -> Header:
    header = await anext(parts)
    if not isinstance(header, Header):
        raise IntegrityError("the owner node sent data before it said of which file: report that")
    return header


async def _fill(target: Target, parts: Parts, header: Header, done: int, report: Report) -> None:
    async for part in parts:
        if not isinstance(part, Header):
            await target.write(part)
            done += len(part)
            report(DownloadProgress(done, header.length))


async def _check(target: Target, header: Header) -> None:
    if header.is_whole and target.digest() != header.digest:
        came = target.digest().hex()
        await target.start_anew()
        raise IntegrityError(
            f"{header.file.ref} came as {came}, its digest is {header.digest.hex()}: it was not "
            "kept; download it again"
        )


def _header(message: owner_pb2.DownloadHeader) -> Header:
    file = messages.file_info(message.file)
    digest = messages.digest(message.digest)
    return Header(file, message.offset, message.length, digest)
