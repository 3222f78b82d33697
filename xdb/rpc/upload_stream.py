"""The two streams of an upload: data in, progress out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from xdb.errors import InvalidRequestError, UnavailableError
from xdb.model.buffer import Buffer
from xdb.pb import owner_pb2
from xdb.peer.framing import unframe
from xdb.services.upload.request import Progress, Stage

_DATA = 2  # field of UploadRequest

Messages = AsyncIterator[Any]


class Reports:
    """Progress on its way to the client: what was overtaken is left out, but no note."""

    def __init__(self) -> None:
        self.last = Progress(stage=Stage.READY)
        self._waiting: list[Progress] = []
        self._changed = asyncio.Event()
        self._ended = False

    def add(self, report: Progress) -> None:
        """Queues a report."""
        waiting = self._waiting
        if waiting and not waiting[-1].note and waiting[-1].stage == report.stage:
            waiting.pop()
        waiting.append(report)
        self._changed.set()

    def end(self, _: object) -> None:
        """Nothing more comes."""
        self._ended = True
        self._changed.set()

    def __aiter__(self) -> AsyncIterator[Progress]:
        return self

    async def __anext__(self) -> Progress:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        self.last = self._waiting.pop(0)
        return self.last


async def upload_data(messages: Messages) -> AsyncIterator[Buffer]:
    """The data up to the end that the client declares; a connection cut off looks like one."""
    size = 0
    async for message in messages:
        if isinstance(message, memoryview):
            data: Buffer = message
        elif message.HasField("end"):
            if message.end.size != size:
                raise InvalidRequestError(
                    f"{size} bytes came, {message.end.size} were sent: upload again"
                )
            return
        elif message.HasField("header"):
            raise InvalidRequestError("a second header came: after the first one only data and end")
        else:
            data = message.data
        size += len(data)
        yield data
    raise UnavailableError(f"the upload was cut off after {size} bytes: upload again")


def read_upload(message: bytes) -> Any:  # noqa: ANN401  # see below
    """A message of an upload, or the data in one."""
    data = unframe(_DATA, message)
    return owner_pb2.UploadRequest.FromString(message) if data is None else data
