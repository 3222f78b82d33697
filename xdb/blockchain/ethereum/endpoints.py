"""Several endpoints, believed where enough of them agree.

A final block that was agreed on is kept, and never taken back. Whoever does not answer, is
behind, is on another chain or contradicts the others is set aside, with the reason, until
it does better; every look asks all of them again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from xdb.blockchain.ethereum.agreement import majority, reached_by
from xdb.blockchain.ethereum.checkpoint import Checkpoint
from xdb.blockchain.ethereum.config import WatchConfig
from xdb.blockchain.ethereum.endpoint import Endpoint, Look
from xdb.blockchain.ethereum.headers import Header
from xdb.blockchain.ethereum.rpc import Rpc, RpcError
from xdb.errors import ConfigError, IntegrityError, UnavailableError, XdbError
from xdb.ports.clock import Clock

T = TypeVar("T")

_DEEPEST = 64
"""Blocks below the head that are looked through for one that enough endpoints have."""


class Endpoints:
    """The chain as enough endpoints see it. `refresh` looks; everything else goes by that."""

    def __init__(
        self,
        rpcs: Sequence[Rpc],
        chain: int,
        checkpoint: Checkpoint,
        clock: Clock,
        config: WatchConfig,
    ) -> None:
        if config.quorum > len(rpcs):
            raise ConfigError(
                f"{config.quorum} endpoints have to agree and {len(rpcs)} are named: name more in "
                "chain.endpoints, or lower chain.watch.quorum if you trust them"
            )
        self.trouble: dict[str, str] = {}
        self.chain = chain
        names = [rpc.name for rpc in rpcs]
        self._all = tuple(
            Endpoint(rpc, clock, config.answer, names[: place + 1].count(rpc.name))
            for place, rpc in enumerate(rpcs)
        )
        self._good: tuple[Endpoint, ...] = ()
        self._clock = clock
        self._config = config
        self._checkpoint = checkpoint
        self._head: Header | None = None
        self._grew = clock.monotonic()
        self._looking = asyncio.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(endpoint.name for endpoint in self._all)

    @property
    def final(self) -> Header | None:
        """The highest final block that was ever agreed on; None before the first."""
        return self._checkpoint.header

    @property
    def head(self) -> Header:
        """The newest block that enough endpoints have; UnavailableError while it is too old."""
        problem = self.problem()
        if self._head is None or problem:
            raise UnavailableError(problem or "no endpoint was asked yet")
        return self._head

    def problem(self) -> str:
        """Why the chain must not be judged, or written to, now; empty when it may."""
        if len(self._good) < self._config.quorum or self._head is None:
            return f"too few Ethereum endpoints agree: {self._reasons()}"
        stood = self._clock.monotonic() - self._grew
        age = self._clock.wall() - self._head.time
        if max(stood, age) > self._config.stale:
            return (
                f"the newest Ethereum block {self._head.number} is {max(stood, age):.0f} s old: "
                "nothing is judged or sent until there is a newer one; see to the endpoints"
            )
        if -age > self._config.ahead:
            return (
                f"Ethereum block {self._head.number} is {-age:.0f} s ahead of this machine's "
                "clock: set the clock"
            )
        return ""

    async def refresh(self) -> None:
        """Looks at all endpoints. UnavailableError when too few agree.

        IntegrityError when they agree that a final block was taken back.
        """
        async with self._looking:
            await self._refresh()

    async def _refresh(self) -> None:
        looks = await self._looks()
        try:
            looks = await self._on_the_chain(looks)
            await self._settle(looks)
            await self._advance(looks)
        finally:
            self._good = tuple(one for one in self._all if one.name not in self.trouble)
        if len(self._good) < self._config.quorum:
            raise UnavailableError(f"too few Ethereum endpoints agree: {self._reasons()}")

    async def ask(self, method: str, *parameters: object) -> Any:  # noqa: ANN401  # JSON
        """The first answer; who is set aside is asked last."""
        return await self.first(lambda endpoint: endpoint.call(method, *parameters))

    async def first(self, read: Callable[[Endpoint], Awaitable[T]], *, refusing: bool = False) -> T:
        """What the first endpoint that answers says.

        With `refusing` a refusal is an answer, too: RpcError. Else the next one is asked.
        """
        reasons = []
        for endpoint in sorted(self._all, key=lambda one: one.name in self.trouble):
            try:
                return await read(endpoint)
            except (UnavailableError, IntegrityError, RpcError) as error:
                if refusing and isinstance(error, RpcError):
                    raise
                reasons.append(f"{endpoint.name}: {error}")
        raise UnavailableError(f"no Ethereum endpoint answers: {'; '.join(reasons)}")

    async def all(self, read: Callable[[Endpoint], Awaitable[T]]) -> list[T | XdbError]:
        """What every good endpoint says, or its error."""
        endpoints = self._good or self._all

        async def one(endpoint: Endpoint) -> T | XdbError:
            try:
                return await read(endpoint)
            except XdbError as error:
                return error

        return list(await asyncio.gather(*(one(endpoint) for endpoint in endpoints)))

    async def agreed(
        self, read: Callable[[Endpoint], Awaitable[T]], *, refusing: bool = False
    ) -> T:
        """What enough endpoints say alike; UnavailableError when they do not.

        With `refusing` it is RpcError when enough refuse, whatever their words.
        """
        answers = await self.all(read)
        refusals = [answer for answer in answers if isinstance(answer, RpcError)]
        found = [answer for answer in answers if not isinstance(answer, XdbError)]
        chosen = majority(found, self._config.quorum)
        if chosen is not None:
            return chosen[0]
        if refusing and len(refusals) >= self._config.quorum:
            raise refusals[0]
        errors = [str(answer) for answer in answers if isinstance(answer, XdbError)]
        said = f"{len(found)} different answers" if found else ""
        raise UnavailableError(
            "the Ethereum endpoints do not agree, or too few answer: "
            + "; ".join(filter(None, [said, *errors]))
        )

    async def close(self) -> None:
        """Ends all connections."""
        for endpoint in self._all:
            await endpoint.rpc.close()

    async def _looks(self) -> dict[Endpoint, Look]:
        async def one(endpoint: Endpoint) -> Look | str:
            try:
                if endpoint.name in self.trouble or not self._good:
                    chain = await endpoint.chain()
                    if chain != self.chain:
                        return f"is on chain {chain}, not {self.chain}"
                return await endpoint.look()
            except XdbError as error:
                return str(error)

        answers = await asyncio.gather(*(one(endpoint) for endpoint in self._all))
        self.trouble = {}
        looks = {}
        for endpoint, answer in zip(self._all, answers, strict=True):
            if isinstance(answer, str):
                self.trouble[endpoint.name] = answer
            else:
                looks[endpoint] = answer
        self._drop_laggards(looks)
        return looks

    def _drop_laggards(self, looks: dict[Endpoint, Look]) -> None:
        if len(looks) < self._config.quorum:
            return
        # Not behind the highest: whoever claims a block that nobody has would win.
        newest = reached_by([look.head.number for look in looks.values()], self._config.quorum)
        for endpoint, look in list(looks.items()):
            behind = newest - look.head.number
            if behind > self._config.lag:
                self._set_aside(looks, endpoint, f"is {behind} blocks behind the others")

    async def _on_the_chain(self, looks: dict[Endpoint, Look]) -> dict[Endpoint, Look]:
        """Those that have the final block that was agreed on before."""
        kept = self._checkpoint.header
        if kept is None:
            return looks
        headers = await self._headers(looks, kept.number)
        for endpoint in [each for each in looks if each not in headers]:
            self._set_aside(looks, endpoint, f"does not have block {kept.number}, which was final")
        others = [each for each, header in headers.items() if header.hash != kept.hash]
        for endpoint in others:
            self._set_aside(looks, endpoint, f"has another block {kept.number}, which was final")
        if len(others) >= self._config.quorum and len(looks) < self._config.quorum:
            raise IntegrityError(
                f"{len(others)} Ethereum endpoints agree that block {kept.number} is not "
                f"{kept.hash.hex()}, which was final: this node takes no more blocks and judges "
                "nobody; find out which history holds"
            )
        return looks

    async def _settle(self, looks: dict[Endpoint, Look]) -> None:
        """Agrees on the newest final block."""
        if len(looks) < self._config.quorum:
            return
        number = reached_by([look.final.number for look in looks.values()], self._config.quorum)
        kept = self._checkpoint.header
        if kept is not None and number <= kept.number:
            return
        headers = await self._headers(looks, number)
        chosen = majority(list(headers.values()), self._config.quorum)
        if chosen is None:
            for endpoint in list(looks):
                self._set_aside(looks, endpoint, f"does not agree on the final block {number}")
            return
        final = chosen[0]
        for endpoint, header in headers.items():
            if header.hash != final.hash:
                self._set_aside(looks, endpoint, f"has another final block {number}")
        await self._checkpoint.raise_to(final)

    async def _advance(self, looks: dict[Endpoint, Look]) -> None:
        """Agrees on the newest block."""
        if len(looks) < self._config.quorum:
            return
        newest = reached_by([look.head.number for look in looks.values()], self._config.quorum)
        for number in range(newest, max(newest - _DEEPEST, -1), -1):
            headers = await self._headers(dict(looks), number)
            chosen = majority(list(headers.values()), self._config.quorum)
            if chosen is not None:
                self._take(chosen[0])
                return

    def _take(self, head: Header) -> None:
        if self._head is None or head.hash != self._head.hash:
            self._grew = self._clock.monotonic()
        self._head = head

    async def _headers(self, looks: dict[Endpoint, Look], number: int) -> dict[Endpoint, Header]:
        """Block `number` by each; who does not have it is set aside."""

        async def one(endpoint: Endpoint, look: Look) -> Header | str:
            for known in (look.head, look.final):
                if known.number == number:
                    return known
            try:
                header = await endpoint.header(number)
            except XdbError as error:
                return str(error)
            return f"does not have block {number}" if header is None else header

        pairs = list(looks.items())
        answers = await asyncio.gather(*(one(*pair) for pair in pairs))
        headers = {}
        for (endpoint, look), answer in zip(pairs, answers, strict=True):
            if not isinstance(answer, str):
                headers[endpoint] = answer
            elif look.head.number >= number:
                self._set_aside(looks, endpoint, answer)
        return headers

    def _set_aside(self, looks: dict[Endpoint, Look], endpoint: Endpoint, reason: str) -> None:
        self.trouble[endpoint.name] = reason
        looks.pop(endpoint, None)

    def _reasons(self) -> str:
        return "; ".join(f"{name}: {why}" for name, why in self.trouble.items()) or "none asked yet"
