"""A chain like Ethereum: slots, a mempool, late finality, and reorganisations before it.

A transaction is the envelope here: signed by an account, which counts them by nonces. It may
wait, be overtaken, be dropped, be refused in its block, and be undone with its block. Slots
that nobody needs are passed over, so that an idle week is a few thousand blocks.

Seeds come from the world's beacon by preimages that lead to its commitment, as on the other
chains; an undone seed comes again, the same.
"""

import asyncio
from dataclasses import dataclass, field

from xdb.core.rules import Reader
from xdb.model.calls import Call
from xdb.model.ids import Address, Deployment
from xdb.model.registry import Parameters
from xdb.node.backend import Backend
from xdb.ports.blockchain import Head
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.testing.chain import DEPLOYMENT
from xdb.testing.simulation.chains.accounts import EthereumBackend, Wallets
from xdb.testing.simulation.chains.branch import Branch
from xdb.testing.simulation.chains.mempool import Mempool, Transaction
from xdb.testing.simulation.chains.notes import Notes
from xdb.testing.simulation.chains.proposer import DEEPEST, Proposer
from xdb.testing.simulation.chains.view import Sight
from xdb.testing.simulation.chains.views import Views
from xdb.testing.simulation.clock import SimulatedClock
from xdb.testing.simulation.draws import below

_DICE = 256


@dataclass(frozen=True, slots=True)
class EthereumConfig:
    """Times in seconds, chances of 256 for each slot (or transaction and slot)."""

    slot: int = 12
    idle: int = 300  # between blocks without transactions
    slots_per_epoch: int = 32
    final: int = 2  # epochs behind
    missed: int = 16
    later: int = 64
    dropped: int = 4
    reorganised: int = 6
    sight: Sight = field(default_factory=Sight)


class EthereumChain:
    """`Chain` of this personality. `accounts` and `view` have the nodes' side."""

    def __init__(
        self,
        parameters: Parameters,
        clock: SimulatedClock,
        draw: Entropy,
        notes: Notes,
        config: EthereumConfig | None = None,
    ) -> None:
        self.parameters = parameters
        self.deployment: Deployment = DEPLOYMENT
        self.config = config or EthereumConfig()
        self.branch = Branch(DEPLOYMENT, parameters)
        self.mempool = Mempool()
        self.notes = notes
        self._proposer = Proposer(self.branch, self.mempool, draw, notes)
        self._clock = clock
        self._draw = draw
        self._start = int(clock.wall() - clock.monotonic())
        self._views = Views(self.branch.history, clock, draw, self.config.sight, notes)
        self._wallets = Wallets(self)
        self._own: list[Transaction] = []  # of the world, until they are final
        self._wanted = asyncio.Event()
        self._held_until = 0.0
        self.branch.append(self.time, ())
        self.branch.history.settle(1)

    # ------------------------------------------------------------ what is seen from above

    @property
    def time(self) -> int:
        """See `Chain`: that of the present slot."""
        return self._time_of(self._slot)

    @property
    def head(self) -> Head:
        """See `Chain`."""
        return self.branch.history.head

    @property
    def safe(self) -> int:
        """The newest block that is an epoch old."""
        return self._height_at(self._slot - self.config.slots_per_epoch)

    @property
    def state(self) -> Reader:
        """See `Chain`."""
        return self.branch.state

    def call(self, sender: Address, call: Call) -> None:
        """See `Chain`: from an account of the world's own."""
        account = b"world" + sender
        known = [own for own in self._own if own.account == account]
        if any(own.call == call and not self._is_refused(own) for own in known):
            return
        nonce = max([own.nonce + 1 for own in known], default=self.branch.nonce(account))
        transaction = Transaction(account, nonce, sender, call)
        self._own.append(transaction)
        self.send(transaction)

    def tick(self) -> None:
        """See `Chain`: in the next slot, when the newest block is `idle` old."""
        self._settle()
        self._tend()
        if self.time - self.head.time >= self.config.idle:
            self._wanted.set()

    def send(self, transaction: Transaction) -> None:
        """Puts a transaction into the mempool, if it is of any use there."""
        if transaction.nonce >= self.branch.nonce(transaction.account):
            self.mempool.add(transaction)
            self._wanted.set()

    def backend(self, name: str, clock: Clock) -> Backend:
        """See `Chain`."""
        draw = self._draw.stream(name)
        return EthereumBackend(self, self._wallets, name, self._views.of(name), clock, draw)

    async def run(self) -> None:
        """See `Chain`."""
        while True:
            await self._wanted.wait()
            await self._clock.sleep(self.config.slot - self._clock.monotonic() % self.config.slot)
            self._pass_slot()

    # ------------------------------------------------------------ faults

    def reorganise(self, depth: int) -> int:
        """See `Chain`: what was in the blocks comes again, in another order, or not at all."""
        depth = self._proposer.reorganise(depth, self.send)
        if depth:
            self._wanted.set()
        return depth

    def drop(self) -> int:
        """See `Chain`."""
        count = self.mempool.clear()
        for _ in range(count):
            self.notes.reached("a transaction was dropped")
        return count

    def hold(self, seconds: float) -> None:
        """Nothing becomes final for a while."""
        self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    def stall(self, name: str, seconds: float) -> bool:
        """See `Chain`."""
        return self._views.stall(name, seconds)

    def cut(self, name: str, seconds: float) -> bool:
        """See `Chain`."""
        return self._views.cut(name, seconds)

    def forget(self, name: str) -> None:
        """See `Chain`."""
        self._wallets.forget(name)

    def heal(self) -> None:
        """See `Chain`: and no more reorganisations."""
        self._held_until = 0.0
        self._views.heal()

    # ------------------------------------------------------------ slots

    @property
    def _slot(self) -> int:
        return int(self._clock.monotonic() / self.config.slot + 1 / 4)

    def _time_of(self, slot: int) -> int:
        return self._start + slot * self.config.slot

    def _pass_slot(self) -> None:
        if self.time <= self.head.time:
            return
        if self._chance(self.config.missed):
            self.notes.reached("a slot was missed")
            return
        for transaction in self.mempool.waiting():
            if transaction.nonce < self.branch.nonce(transaction.account):
                self.mempool.remove(transaction)  # another has used it up
            elif self._chance(self.config.dropped):
                self.mempool.remove(transaction)
                self.notes.reached("a transaction was dropped")
        if self._chance(self.config.reorganised):
            self.reorganise(1 + below(self._draw, DEEPEST))
        self._proposer.make(self.time, self._chosen())
        self._settle()
        self._tend()
        if not any(self._can_run(each) for each in self.mempool.waiting()):
            self._wanted.clear()

    def _chosen(self) -> list[Transaction]:
        chosen = [each for each in self.mempool.waiting() if not self._chance(self.config.later)]
        places = {each.id: self._draw.draw(1) for each in chosen}
        return sorted(chosen, key=lambda each: places[each.id])

    def _can_run(self, transaction: Transaction) -> bool:
        return transaction.nonce == self.branch.nonce(transaction.account)

    def _settle(self) -> None:
        if self._clock.monotonic() < self._held_until:
            return
        epoch = self._slot // self.config.slots_per_epoch - self.config.final
        self.branch.history.settle(self._height_at(epoch * self.config.slots_per_epoch))

    def _height_at(self, slot: int) -> int:
        time, height = self._time_of(slot), self.head.final
        blocks = self.branch.history.blocks
        while height < len(blocks) and blocks[height].events.time <= time:
            height += 1
        return height

    def _tend(self) -> None:
        """Sends the world's own calls again until they are final."""
        for own in list(self._own):
            ending = self.branch.endings.get(own.id)
            if ending is not None and ending.height <= self.head.final:
                self._own.remove(own)
            elif ending is None and not self.mempool.has(own.account, own.nonce):
                self.send(own)

    def _is_refused(self, own: Transaction) -> bool:
        ending = self.branch.endings.get(own.id)
        return ending is not None and ending.refused is not None

    def _chance(self, of: int) -> bool:
        return not self._views.is_calm and self._draw.draw(1)[0] >= _DICE - of
