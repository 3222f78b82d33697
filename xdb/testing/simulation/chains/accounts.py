"""A node's side of an Ethereum-like chain: its wallets, journals and view."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from xdb.blockchain.waiting import within
from xdb.errors import TimeoutExpiredError
from xdb.model.calls import Call
from xdb.model.ids import Address, Deployment
from xdb.model.registry import Parameters
from xdb.ports.blockchain import BlockEvents, ChainEvents, Final, Inclusion, Registry, Rollback
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Signer
from xdb.testing.simulation.chains.blocks import Ending
from xdb.testing.simulation.chains.branch import Branch
from xdb.testing.simulation.chains.mempool import Mempool, Transaction
from xdb.testing.simulation.chains.notes import Notes
from xdb.testing.simulation.chains.view import View
from xdb.testing.simulation.draws import fraction

PATIENCE = 300.0
"""Seconds that `submit` waits for a block."""
AGAIN = 36.0
"""Seconds after which a transaction that is in no block is sent again."""
_ANSWER = 0.5


class Network(Protocol):
    """What wallets need of the chain."""

    branch: Branch
    mempool: Mempool
    notes: Notes
    parameters: Parameters
    deployment: Deployment

    def send(self, transaction: Transaction) -> None:
        """Spreads a transaction."""
        ...


@dataclass
class Entry:
    """A transaction in the journal, and the one that shall take its nonce instead of it."""

    transaction: Transaction
    cancel: Transaction | None = None
    sent: float = 0.0  # monotonic seconds
    is_refused: bool = False  # as its caller was told

    def ending(self, view: View) -> Ending | None:
        """What became of its nonce, as the view has it."""
        for each in (self.transaction, self.cancel):
            if each is not None and each.id in view.endings:
                return view.endings[each.id]
        return None


@dataclass
class Wallet:
    """The journal of one key, which is written before anything is sent, and survives its node.

    An entry stays until its nonce is final. Until then it is sent again whenever it is in no
    block: as it is, or, when its caller was told that it is refused, as one that does nothing.
    """

    network: Network
    view: View
    address: Address
    entries: dict[int, Entry] = field(default_factory=dict)
    _next: int = 0

    def enter(self, call: Call, now: float) -> Entry:
        """A new transaction, journalled; it is to be sent next."""
        nonce = max(self._next, self.network.branch.nonce(self.address))
        while self.network.mempool.has(self.address, nonce):
            nonce += 1  # of a journal that was lost
        return self._enter(nonce, call, now)

    def send(self, entry: Entry, now: float) -> None:
        """Spreads what shall be in a block."""
        entry.sent = now
        self.network.send(entry.cancel or entry.transaction)

    def tend(self, now: float) -> bool:
        """Sends again what is in no block, lets go of what is final; whether anything waits."""
        for nonce, entry in list(self.entries.items()):
            ending = entry.ending(self.view)
            if ending is not None:
                if ending.height <= self.view.final:
                    del self.entries[nonce]
            elif now - entry.sent >= AGAIN:
                if entry.is_refused and entry.cancel is None:
                    entry.cancel = Transaction(self.address, nonce, self.address, None, 1)
                self.network.notes.reached("a transaction was sent again")
                self.send(entry, now)
        self._fill_gaps(now)
        return any(entry.ending(self.view) is None for entry in self.entries.values())

    def _fill_gaps(self, now: float) -> None:
        """Uses up nonces that nothing will use any more, since their journal was lost."""
        for nonce in range(self.network.branch.nonce(self.address), self._next):
            if nonce not in self.entries and not self.network.mempool.has(self.address, nonce):
                self.send(self._enter(nonce, None, now), now)

    def _enter(self, nonce: int, call: Call | None, now: float) -> Entry:
        entry = Entry(Transaction(self.address, nonce, self.address, call), sent=now)
        self.entries[nonce] = entry
        self._next = max(self._next, nonce + 1)
        return entry


class Wallets:
    """All of them, by node and key."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._wallets: dict[tuple[str, Address], Wallet] = {}

    def wallet(self, name: str, view: View, address: Address) -> Wallet:
        """The one of that key on that node: all who use it share its nonces."""
        key = (name, address)
        if key not in self._wallets:
            self._wallets[key] = Wallet(self._network, view, address)
        return self._wallets[key]

    def of(self, name: str) -> list[Wallet]:
        """Those of one node."""
        return [wallet for (owner, _), wallet in self._wallets.items() if owner == name]

    def forget(self, name: str) -> None:
        """Loses those of one node."""
        for key in [key for key in self._wallets if key[0] == name]:
            del self._wallets[key]


@dataclass(frozen=True, slots=True)
class EthereumBackend:
    """`Backend` of one life of a node."""

    network: Network
    wallets: Wallets
    name: str
    view: View
    clock: Clock
    draw: Entropy

    @property
    def deployment(self) -> Deployment:
        """See `Backend`."""
        return self.network.deployment

    @property
    def parameters(self) -> Parameters:
        """See `Backend`."""
        return self.network.parameters

    def registry(self, signer: Signer, entropy: Entropy) -> Registry:  # noqa: ARG002  # the nonces count
        """See `Backend`."""
        wallet = self.wallets.wallet(self.name, self.view, signer.address)
        return _EthereumRegistry(self, wallet)

    def events(self) -> ChainEvents:
        """See `Backend`."""
        return ViewEvents(self.view)

    async def run(self) -> None:
        """See `Backend`: takes up what the view shows, and tends the journals."""

        def tend() -> float | None:
            now = self.clock.monotonic()
            left = [wallet.tend(now) for wallet in self.wallets.of(self.name)]
            return AGAIN if any(left) else None

        await self.view.run(tend)

    async def tip(self) -> int:
        """See `Backend`."""
        self.view.check()
        self.view.take()
        return self.view.height


@dataclass(frozen=True, slots=True)
class ViewEvents:
    """`ChainEvents` of a view."""

    view: View

    def follow(self, after: int) -> AsyncIterator[BlockEvents | Rollback | Final]:
        """See `ChainEvents`."""
        return self.view.follow(after)


@dataclass(frozen=True, slots=True)
class _EthereumRegistry:
    backend: EthereumBackend
    wallet: Wallet

    @property
    def deployment(self) -> Deployment:
        return self.backend.deployment

    @property
    def parameters(self) -> Parameters:
        return self.backend.parameters

    async def submit(self, call: Call) -> Inclusion:
        """See `Registry`. A node that goes down meanwhile leaves it to its next life."""
        backend, view = self.backend, self.backend.view
        view.check()
        entry = self.wallet.enter(call, backend.clock.monotonic())
        await backend.clock.sleep(fraction(backend.draw) * _ANSWER)
        self.wallet.send(entry, backend.clock.monotonic())
        try:
            ending = await within(backend.clock, PATIENCE, self._ending(entry))
        except TimeoutExpiredError as error:
            backend.network.notes.reached("a call's outcome stayed unknown")
            raise TimeoutExpiredError(
                f"the call is in no block after {PATIENCE:g} s and may still come into one: look "
                "whether it took effect before you repeat it"
            ) from error
        if ending.refused is not None:
            entry.is_refused = True
            raise ending.refused
        return Inclusion(ending.height, ending.time, entry.transaction.id)

    async def _ending(self, entry: Entry) -> Ending:
        while (ending := entry.ending(self.backend.view)) is None:
            await self.backend.view.moved()
        return ending
