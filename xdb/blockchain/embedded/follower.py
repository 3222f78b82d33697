"""Keeps a ledger at the head of the chain, from whichever server answers."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from xdb.blockchain.embedded.blocks import Block, read_block
from xdb.blockchain.embedded.config import FollowerConfig
from xdb.blockchain.embedded.ledger import Ledger
from xdb.blockchain.waiting import together, within
from xdb.errors import (
    AuthError,
    ConfigError,
    IntegrityError,
    RejectedError,
    UnavailableError,
)
from xdb.ports.clock import Clock
from xdb.ports.peer import ChainPeer


@dataclass(slots=True)
class FollowerState:
    """What an operator wants to know of a follower.

    `ahead` is the chain time of a block that is too far ahead of the clock, None when
    there is none; `trouble` is the last failure of every server that failed, by place.
    """

    server: int = 0
    ahead: int | None = None
    trouble: dict[int, str] = field(default_factory=dict)


class BlockFollower:
    """Pulls blocks from one of `peers` at a time, and compares heads with the others.

    A server that does not answer, or sends what the sequencer did not sign, is left for
    the next one. A chain that contradicts itself or the rules ends `run` with
    IntegrityError.
    """

    def __init__(
        self,
        ledger: Ledger,
        peers: Sequence[ChainPeer],
        clock: Clock,
        config: FollowerConfig | None = None,
    ) -> None:
        if not peers:
            raise ConfigError("no chain server is named: name at least one to follow the chain")
        self._ledger = ledger
        self._peers = tuple(peers)
        self._clock = clock
        self._config = config or FollowerConfig()
        self._silence = _TICKS_MISSED * ledger.genesis.tick + self._config.silence
        self.state = FollowerState()

    async def run(self) -> None:
        """Follows without end; IntegrityError when the chain cannot be believed any more."""
        await together(self._pull(), self._compare())

    async def _pull(self) -> None:
        pause = self._config.pause
        while True:
            before = self._ledger.head.height
            server = self.state.server
            try:
                await self._pull_from(server)
            except _BadServerError as error:
                self.state.trouble[server] = str(error)
            self.state.server = (server + 1) % len(self._peers)
            if self._ledger.head.height > before:
                pause = self._config.pause
            elif self.state.server == 0:  # all of them failed once more
                await self._clock.sleep(pause)
                pause = min(2 * pause, self._config.longest_pause)

    async def _pull_from(self, server: int) -> None:
        # From the head on, not behind it: the first block shows whether histories agree.
        start = max(1, self._ledger.head.height)
        async with aclosing(_blocks(self._peers[server], start)) as stream:
            while True:
                data, block = await self._next(stream)
                await self._wait_for_clock(block)
                await self._ledger.append(data)
                self.state.trouble.pop(server, None)

    async def _next(self, stream: AsyncIterator[bytes]) -> tuple[bytes, Block]:
        head = self._ledger.head.height
        try:
            data = await within(self._clock, self._silence, _next_of(stream))
            block = self._read(data)
        except _BAD_SERVER as error:
            raise _BadServerError(str(error)) from error
        if block.header.number > head + 1:
            raise _BadServerError(f"it left out blocks {head + 1} to {block.header.number - 1}")
        return data, block

    async def _wait_for_clock(self, block: Block) -> None:
        # Taken before its time, a block would end files that are still to live.
        try:
            while True:
                rest = block.header.time - self._config.ahead - self._clock.wall()
                if rest <= 0:
                    return
                self.state.ahead = block.header.time
                await self._clock.sleep(min(rest, 1.0))
        finally:
            self.state.ahead = None

    async def _compare(self) -> None:
        while True:
            await self._clock.sleep(self._config.compare)
            for server in range(len(self._peers)):
                if server != self.state.server:
                    await self._compare_with(server)

    async def _compare_with(self, server: int) -> None:
        peer = self._peers[server]
        try:
            head = await within(self._clock, self._config.answer, peer.head())
            if not 0 < head.height <= self._ledger.head.height:
                return
            if head.block == self._ledger.id_of(head.height):
                self.state.trouble.pop(server, None)
                return
            async with aclosing(_blocks(peer, head.height)) as stream:
                data = await within(self._clock, self._config.answer, _next_of(stream))
            self._read(data)
        except _BAD_SERVER as error:
            self.state.trouble[server] = str(error)
        else:
            await self._ledger.append(data)

    def _read(self, data: bytes) -> Block:
        return read_block(data, self._ledger.deployment, self._ledger.genesis.sequencer)


class _BadServerError(Exception):
    """This server is of no use now; another may be."""


_TICKS_MISSED = 3
_BAD_SERVER = (UnavailableError, AuthError, RejectedError, IntegrityError)


async def _blocks(peer: ChainPeer, start: int) -> AsyncGenerator[bytes, None]:
    async for data in peer.blocks(start):
        yield data


async def _next_of(stream: AsyncIterator[bytes]) -> bytes:
    try:
        return await anext(stream)
    except StopAsyncIteration as error:
        raise UnavailableError("the server ended the stream of blocks") from error
