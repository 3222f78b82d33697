"""The data of an upload: from the client's stream to the holders, within bounds."""

import asyncio
from collections.abc import AsyncIterable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256

from xdb.core.coding import piece_length
from xdb.errors import InvalidRequestError
from xdb.model.buffer import Buffer
from xdb.model.ids import Digest
from xdb.model.registry import Coding
from xdb.model.units import Size
from xdb.ports.compute import Compute
from xdb.services.budget import Budget
from xdb.services.together import crew
from xdb.services.upload.pipeline import Pipeline
from xdb.services.upload.session import Session
from xdb.services.upload.source import SMALL, PlainSlice, cut_stream


@dataclass(frozen=True, slots=True)
class UploadConfig:
    """Bounds: bytes in flight over all uploads, uploads at once, large slices read at once."""

    window: Size = 48 << 20
    uploads: int = 256
    large: int = 8


@dataclass(slots=True)
class Sending:
    """What the uploads of one owner node share."""

    config: UploadConfig
    compute: Compute
    budget: Budget = field(init=False)
    desks: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        """Sets the bounds."""
        self.budget = Budget(self.config.window)
        self.desks = asyncio.Semaphore(self.config.large)

    async def send(
        self, session: Session, pipeline: Pipeline, data: AsyncIterable[Buffer]
    ) -> Digest:
        """Returns when all slices are durable at their holders; gives the digest of the whole."""
        whole = sha256()

        def absorb(part: Buffer) -> Digest:
            whole.update(part)
            return Digest(sha256(part).digest())

        slices = cut_stream(data, session.body, self.desks)
        async with crew() as group, aclosing(slices):
            async for plain in slices:
                session.received += len(plain.data)
                _check_size(session, plain)
                if len(plain.data) <= SMALL:
                    digest = absorb(plain.data)
                else:
                    digest = await self.compute.in_thread(absorb, plain.data)
                size = cost(session, plain)
                await self.budget.take(size)
                task = group.create_task(pipeline.take(plain, digest))
                task.add_done_callback(partial(self._free, size))
                del plain
        return Digest(whole.digest())

    def _free(self, size: int, _: object) -> None:
        self.budget.give(size)


def _check_size(session: Session, plain: PlainSlice) -> None:
    """Refuses data of another length than announced: nodes were chosen for that."""
    announced, came = session.request.size, session.received
    if announced is None:
        return
    if came > announced:
        raise InvalidRequestError(
            f"more than the {announced} bytes announced came: upload again with the right size"
        )
    if plain.last and came < announced:
        raise InvalidRequestError(
            f"{came} bytes came, {announced} were announced: upload again with the right size"
        )


def cost(session: Session, plain: PlainSlice) -> int:
    """Bytes that a slice takes at most at one time: coded once, and sealed for every slot."""
    redundancy, length = session.redundancy, len(plain.data)
    sealed = redundancy.total * piece_length(redundancy, length)
    return length + (sealed if redundancy.coding is Coding.COPIES else 2 * sealed)
