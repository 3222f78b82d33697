"""A registry on Ethereum as a node uses it: calls go out signed, events come from a copy here."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from xdb.blockchain.ethereum.checkpoint import Checkpoint
from xdb.blockchain.ethereum.config import FeeConfig, SendConfig, WatchConfig
from xdb.blockchain.ethereum.deployment import SLOT, Pins, Terms, open_terms
from xdb.blockchain.ethereum.endpoints import Endpoints
from xdb.blockchain.ethereum.history import EthereumEvents
from xdb.blockchain.ethereum.journal import Journal
from xdb.blockchain.ethereum.market import AccountView
from xdb.blockchain.ethereum.registry import EthereumRegistry
from xdb.blockchain.ethereum.rpc import Rpc
from xdb.blockchain.ethereum.sender import Sender
from xdb.blockchain.ethereum.store import BlockStore
from xdb.blockchain.ethereum.synchroniser import Synchroniser
from xdb.blockchain.waiting import together
from xdb.errors import UnavailableError
from xdb.model.ids import Address, Deployment
from xdb.model.registry import Parameters
from xdb.ports.blockchain import ChainEvents, Head, Registry
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Signer
from xdb.ports.kv import KeyValue


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set."""

    fees: FeeConfig = field(default_factory=FeeConfig)
    send: SendConfig = field(default_factory=SendConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)


def _silently(_name: str, _why: str) -> None:
    """Tells nobody."""


class EthereumChain:
    """One node's view of a deployment. `run` has to run for anything to come in or go out."""

    def __init__(  # noqa: PLR0913, PLR0917  # what opening found
        self,
        endpoints: Endpoints,
        pins: Pins,
        terms: Terms,
        kv: KeyValue,
        clock: Clock,
        settings: Settings,
        tell: Callable[[str, str], None] = _silently,
    ) -> None:
        self.endpoints = endpoints
        self.store = BlockStore(kv)
        self.trouble: dict[str, str] = {}
        self._pins = pins
        self._terms = terms
        self._kv = kv
        self._clock = clock
        self._settings = settings
        self._tell = tell
        self._senders: dict[Address, Sender] = {}
        self._synchroniser = Synchroniser(
            endpoints, self.store, terms, pins.contract, settings.watch
        )

    @property
    def deployment(self) -> Deployment:
        """What all signatures name."""
        return self._pins.deployment

    @property
    def parameters(self) -> Parameters:
        """Fixed at deployment."""
        return self._terms.parameters

    @property
    def head(self) -> Head:
        """The newest block here."""
        return self.store.head

    def registry(self, signer: Signer, entropy: Entropy) -> Registry:  # noqa: ARG002  # nonces are counted here
        """The chain as one identity uses it; all registries of one key share its nonces."""
        return EthereumRegistry(
            pins=self._pins,
            terms=self._terms,
            endpoints=self.endpoints,
            store=self.store,
            sender=self._sender(signer),
            address=signer.address,
            clock=self._clock,
            fees=self._settings.fees,
            config=self._settings.send,
        )

    def events(self) -> ChainEvents:
        """The chain's history."""
        return EthereumEvents(self.store, self._terms, self.endpoints, self._clock)

    async def run(self) -> None:
        """Follows and sends without end; IntegrityError when the chain cannot be believed."""
        await together(
            self._again("following", self._synchroniser.step, self._settings.watch.pause),
            self._again("sending", self._send, self._settings.send.pause),
        )

    async def tip(self) -> int:
        """The height that enough endpoints have; UnavailableError when they do not agree."""
        await self.endpoints.refresh()
        return max(0, self._terms.height_of(self.endpoints.head.number))

    async def close(self) -> None:
        """Ends connections."""
        await self.endpoints.close()

    async def _send(self) -> None:
        failures = []
        for sender in list(self._senders.values()):
            try:
                await sender.step()
            except UnavailableError as error:
                failures.append(error)
        if failures:
            raise failures[0]  # the others had their turn

    async def _again(self, name: str, step: Callable[[], Awaitable[None]], pause: float) -> None:
        while True:
            try:
                await step()
            except UnavailableError as error:
                self._troubled(name, str(error))
            else:
                self._troubled(name, "")
            for endpoint in self.endpoints.names:
                self._troubled(endpoint, self.endpoints.trouble.get(endpoint, ""))
            await self._clock.sleep(pause)

    def _troubled(self, name: str, why: str) -> None:
        """Remembers what is wrong, and tells it when it changes."""
        if self.trouble.get(name, "") != why:
            self._tell(name, why or "is well again")
        self.trouble[name] = why

    def _sender(self, signer: Signer) -> Sender:
        if signer.address not in self._senders:
            self._senders[signer.address] = Sender(
                self._pins.chain,
                signer,
                AccountView(self.endpoints, signer.address),
                Journal(self._kv, signer.address),
                self._clock,
                self._settings.fees,
                self._settings.send,
            )
        return self._senders[signer.address]


async def open_ethereum(  # noqa: PLR0913  # what it is made of
    rpcs: Sequence[Rpc],
    pins: Pins,
    kv: KeyValue,
    clock: Clock,
    settings: Settings | None = None,
    *,
    slot: int = SLOT,
    tell: Callable[[str, str], None] = _silently,
) -> EthereumChain:
    """The chain by its endpoints and what is kept of it in `kv`.

    `tell` hears what or who is in trouble, and why, whenever that changes. ConfigError when
    chain or contract are not the pinned ones.
    """
    settings = settings or Settings()
    endpoints = Endpoints(rpcs, pins.chain, Checkpoint(kv), clock, settings.watch)
    terms = await open_terms(endpoints, pins, kv, slot)
    return EthereumChain(endpoints, pins, terms, kv, clock, settings, tell)
