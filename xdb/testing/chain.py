"""A chain in memory: the registry's rules, one block for each call, no network."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import Protocol

from xdb.core.encoding import encode
from xdb.core.envelope import sign_envelope
from xdb.core.rules import Context, Effects, apply, execute
from xdb.model.calls import Call, Envelope
from xdb.model.events import Event
from xdb.model.ids import Address, ChainId, Deployment, Digest, Nonce
from xdb.model.registry import Parameters
from xdb.ports.blockchain import (
    BlockEvents,
    ChainEvents,
    Final,
    Head,
    Inclusion,
    Registry,
    Rollback,
)
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Signer

DEPLOYMENT = Deployment(ChainId(sha256(b"memory chain").digest()), Address(b"\x0c" * 20))

Item = BlockEvents | Rollback | Final


class WallClock(Protocol):
    """What a chain needs of a clock."""

    def wall(self) -> float:
        """Unix seconds."""
        ...


@dataclass(frozen=True)
class StillClock:
    """A clock that stands; `MemoryChain.advance` moves chain time."""

    now: float

    def wall(self) -> float:
        """Always the same."""
        return self.now


@dataclass
class MemoryState:
    """Chain state as a dict; a `Reader` of the rules."""

    values: dict[bytes, bytes] = field(default_factory=dict)

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        return self.values.get(key)

    def scan(self, prefix: bytes, limit: int) -> Iterable[tuple[bytes, bytes]]:
        """The first pairs whose key starts with `prefix`."""
        keys = sorted(key for key in self.values if key.startswith(prefix))
        return [(key, self.values[key]) for key in islice(keys, limit)]

    def write(self, writes: Iterable[tuple[bytes, bytes | None]]) -> dict[bytes, bytes | None]:
        """Applies writes; gives those that undo them."""
        undo: dict[bytes, bytes | None] = {}
        for key, value in writes:
            undo[key] = self.values.pop(key, None)
            if value is not None:
                self.values[key] = value
        return undo


@dataclass(frozen=True)
class _Block:
    """A block and the writes that undo it."""

    events: BlockEvents
    undo: Mapping[bytes, bytes | None]


class MemoryChain:
    """Executes calls as they come. Every block is final `lag` blocks later (0: at once).

    Chain time is the clock's wall time plus what `advance` added, and never goes back.
    """

    def __init__(
        self,
        parameters: Parameters,
        clock: WallClock,
        *,
        deployment: Deployment = DEPLOYMENT,
        lag: int = 0,
    ) -> None:
        self.parameters = parameters
        self.deployment = deployment
        self.state = MemoryState()
        self._clock = clock
        self._lag = lag
        self._ahead = 0
        self._blocks: list[_Block] = []
        self._log: list[Item] = []
        self._grown = asyncio.Event()

    @property
    def time(self) -> int:
        """Chain time of a block made now."""
        now = int(self._clock.wall()) + self._ahead
        return max(now, self._blocks[-1].events.time) if self._blocks else now

    @property
    def head(self) -> Head:
        """The newest block and the newest final one; heights count from 1."""
        height = len(self._blocks)
        time = self._blocks[-1].events.time if self._blocks else 0
        return Head(height, time, max(0, height - self._lag))

    def registry(self, signer: Signer, entropy: Entropy) -> Registry:
        """The chain as one identity uses it."""
        return _MemoryRegistry(self, signer, entropy)

    def events(self) -> ChainEvents:
        """The chain's history."""
        return _MemoryEvents(self)

    def advance(self, seconds: int) -> None:
        """Moves chain time ahead of the clock, and makes a block."""
        self._ahead += seconds
        self.tick()

    def tick(self) -> None:
        """Makes a block without calls."""
        self._append(Effects((), ()))

    def call(self, sender: Address, call: Call) -> tuple[Event, ...]:
        """Executes an unsigned call of `sender` in a block of its own."""
        effects = apply(self.context(), self.state, sender, call)
        self._append(effects)
        return effects.events

    def submit(self, envelope: Envelope) -> Inclusion:
        """Executes an envelope in a block of its own; RefusedCallError makes none."""
        self._append(execute(self.context(), self.state, envelope))
        head = self.head
        return Inclusion(head.height, head.time, Digest(sha256(encode(envelope)).digest()))

    def roll_back(self, height: int) -> None:
        """Undoes all blocks above `height`, as a reorganisation does."""
        if height < self.head.final:
            raise ValueError(f"block {self.head.final} is final")
        while len(self._blocks) > height:
            self.state.write(self._blocks.pop().undo.items())
        self._publish(Rollback(height))

    def context(self) -> Context:
        """Where and when a call made now is executed."""
        return Context(self.deployment, self.parameters, self.time)

    def _append(self, effects: Effects) -> None:
        events = BlockEvents(len(self._blocks) + 1, self.time, effects.events)
        self._blocks.append(_Block(events, self.state.write(effects.writes)))
        self._publish(events)
        if self.head.final:
            self._publish(Final(self.head.final))

    def _publish(self, item: Item) -> None:
        self._log.append(item)
        self._grown.set()
        self._grown = asyncio.Event()

    async def follow(self, after: int) -> AsyncIterator[Item]:
        """See `ChainEvents`."""
        seen = len(self._log)
        head = self.head
        if after > head.height:
            yield Rollback(head.height)
        for block in self._blocks[after:]:
            yield block.events
        if head.final:
            yield Final(head.final)
        while True:
            while seen < len(self._log):
                seen += 1
                yield self._log[seen - 1]
            await self._grown.wait()


@dataclass(frozen=True)
class _MemoryRegistry:
    """`Registry` of one identity."""

    chain: MemoryChain
    signer: Signer
    entropy: Entropy

    @property
    def deployment(self) -> Deployment:
        return self.chain.deployment

    @property
    def parameters(self) -> Parameters:
        return self.chain.parameters

    async def submit(self, call: Call) -> Inclusion:
        deadline = self.chain.time + self.parameters.envelope_lifetime
        nonce = Nonce(self.entropy.draw(16))
        return self.chain.submit(sign_envelope(call, self.deployment, self.signer, nonce, deadline))


@dataclass(frozen=True)
class _MemoryEvents:
    """`ChainEvents` of the chain."""

    chain: MemoryChain

    def follow(self, after: int) -> AsyncIterator[Item]:
        return self.chain.follow(after)
