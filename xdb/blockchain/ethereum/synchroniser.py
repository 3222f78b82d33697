"""Keeps the block store at the head of the chain, by what enough endpoints agree on."""

import asyncio
from collections.abc import Iterable, Sequence

from xdb.blockchain.ethereum.config import WatchConfig
from xdb.blockchain.ethereum.deployment import Terms
from xdb.blockchain.ethereum.endpoint import Endpoint
from xdb.blockchain.ethereum.endpoints import Endpoints
from xdb.blockchain.ethereum.headers import Header
from xdb.blockchain.ethereum.logs import RawLog, read_log, told
from xdb.blockchain.ethereum.quantities import data, quantity
from xdb.blockchain.ethereum.store import BlockStore, NewBlock
from xdb.errors import IntegrityError, UnavailableError
from xdb.model.ids import Address

MARKS = 256
"""Of old blocks without events only every so many are kept: the time of those between is
that of the one below."""


class Synchroniser:
    """The only writer of a store."""

    def __init__(
        self,
        endpoints: Endpoints,
        store: BlockStore,
        terms: Terms,
        contract: Address,
        config: WatchConfig,
    ) -> None:
        self._endpoints = endpoints
        self._store = store
        self._terms = terms
        self._contract = contract
        self._config = config
        self._range = config.range
        self._asking = asyncio.Semaphore(config.parallel)

    async def step(self) -> None:
        """Takes what is new. UnavailableError when too few agree; what was taken stays.

        IntegrityError when a final block was taken back.
        """
        await self._endpoints.refresh()
        head, final = self._endpoints.head, self._endpoints.final
        settled = 0 if final is None else max(0, self._terms.height_of(final.number))
        await self._check_branch(head)
        await self._back_fill(settled)
        await self._store.settle(min(settled, self._store.top.height))
        await self._live(head, settled)

    async def _check_branch(self, head: Header) -> None:
        """Takes back what the chain no longer has."""
        top = self._store.top
        height = min(top.height, self._terms.height_of(head.number))
        if height <= 0 or await self._fits(head):
            return
        while height > self._store.final and not await self._is_ours(height):
            height -= 1
        if height == self._store.final and height and not await self._is_ours(height):
            raise IntegrityError(
                f"Ethereum block {self._terms.block_at(height)} was final and is another now: this "
                "node takes no more blocks; find out which history holds"
            )
        await self._store.roll_back(height)

    async def _fits(self, head: Header) -> bool:
        """Whether what is here and `head` are on one branch, as far as both reach."""
        top, height = self._store.top, self._terms.height_of(head.number)
        if height <= top.height:
            return head.hash == self._store.hash_of(height)
        if height == top.height + 1:
            return head.parent == top.hash
        return await self._is_ours(top.height)

    async def _is_ours(self, height: int) -> bool:
        header = await self._header(height)
        return header.hash == self._store.hash_of(height)

    async def _back_fill(self, settled: int) -> None:
        """Takes final blocks by the range, with the headers of few."""
        while settled - self._store.top.height > self._config.parallel:
            first = self._store.top.height + 1
            last = min(settled, first + self._range - 1)
            logs = _by_height(await self._ranged(first, last), self._terms)
            heights = range(first, last + 1)
            marks = {height for height in heights if self._is_kept(height)}
            headers = await self._headers(sorted({first, last, *marks, *logs}))
            blocks = [_block(height, headers[height], logs) for height in sorted(headers)]
            await self._store.append(blocks, final=last)
            await self._store.settle(last)

    def _is_kept(self, height: int) -> bool:
        """Whether an old block is kept for its time."""
        return height % MARKS == 1 or height == self._terms.begins(self._terms.epoch_of(height))

    async def _live(self, head: Header, settled: int) -> None:
        """Takes the newest blocks one by one, each of which must follow the one before."""
        newest = self._terms.height_of(head.number)
        while self._store.top.height < newest:
            first = self._store.top.height + 1
            last = min(newest, first + self._config.parallel - 1)
            headers = await self._headers(range(first, last + 1))
            _check_links(headers, self._store.top.hash if first > 1 else None)
            logs = await asyncio.gather(
                *(self._logs_of(header) for _, header in sorted(headers.items()))
            )
            blocks = [
                NewBlock(height, headers[height].hash, headers[height].time, told(found))
                for height, found in zip(sorted(headers), logs, strict=True)
            ]
            await self._store.append(blocks, final=settled)
            await self._store.settle(min(settled, last))

    async def _headers(self, heights: Iterable[int]) -> dict[int, Header]:
        wanted = list(heights)
        headers = await asyncio.gather(*(self._header(height) for height in wanted))
        return dict(zip(wanted, headers, strict=True))

    async def _header(self, height: int) -> Header:
        number = self._terms.block_at(height)
        async with self._asking:
            header = await self._endpoints.agreed(lambda endpoint: endpoint.header(number))
        if header is None:
            raise UnavailableError(f"the endpoints do not have Ethereum block {number}: wait")
        return header

    async def _ranged(self, first: int, last: int) -> list[RawLog]:
        """Events of a range; after a failure smaller ones are asked for: endpoints have limits."""
        try:
            found = await self._logs(first, last)
        except UnavailableError:
            self._range = max(1, self._range // 2)
            raise
        self._range = min(2 * self._range, self._config.range)
        return found

    async def _logs(self, first: int, last: int) -> list[RawLog]:
        where = {
            "fromBlock": quantity(self._terms.block_at(first)),
            "toBlock": quantity(self._terms.block_at(last)),
        }
        return await self._ask_logs(where)

    async def _logs_of(self, header: Header) -> list[RawLog]:
        logs = await self._ask_logs({"blockHash": data(header.hash)})
        if any(log.block != header.hash for log in logs):
            raise UnavailableError("the endpoints gave logs of another block: asked again later")
        return logs

    async def _ask_logs(self, where: dict[str, str]) -> list[RawLog]:
        request = {"address": data(self._contract)} | where

        async def read(endpoint: Endpoint) -> list[RawLog]:
            found = await endpoint.call("eth_getLogs", request)
            if not isinstance(found, list):
                raise IntegrityError(f"{endpoint.name} gives no list of logs: use another")
            logs = [read_log(value) for value in found]
            own = [log for log in logs if log.address == self._contract]
            return sorted(own, key=lambda log: (log.number, log.place))

        async with self._asking:
            return await self._endpoints.agreed(read)


def _by_height(logs: Sequence[RawLog], terms: Terms) -> dict[int, list[RawLog]]:
    found: dict[int, list[RawLog]] = {}
    for log in logs:
        found.setdefault(terms.height_of(log.number), []).append(log)
    return found


def _block(height: int, header: Header, logs: dict[int, list[RawLog]]) -> NewBlock:
    own = logs.get(height, [])
    if any(log.block != header.hash for log in own):
        raise UnavailableError(
            f"logs and header of Ethereum block {header.number} do not belong together: asked "
            "again later"
        )
    return NewBlock(height, header.hash, header.time, told(own))


def _check_links(headers: dict[int, Header], previous: bytes | None) -> None:
    for _, header in sorted(headers.items()):
        if previous is not None and header.parent != previous:
            raise UnavailableError(
                f"Ethereum block {header.number} does not follow the one before: a reorganisation "
                "is under way; asked again at once"
            )
        previous = header.hash
