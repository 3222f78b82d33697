"""The chain that blocks of transactions make, and that a reorganisation takes apart."""

from collections.abc import Sequence

from xdb.core.rules import Context, apply
from xdb.errors import RefusedCallError
from xdb.model.events import Event
from xdb.model.ids import Deployment, Digest
from xdb.model.registry import Parameters
from xdb.ports.blockchain import BlockEvents
from xdb.testing.chain import MemoryState
from xdb.testing.simulation.chains.blocks import Block, Ending, History
from xdb.testing.simulation.chains.mempool import Transaction

_ACCOUNTS = b"\0"  # no key of the rules begins so


class Branch:
    """State, blocks and what is in them. Every transaction of an account in its turn, once."""

    def __init__(self, deployment: Deployment, parameters: Parameters) -> None:
        self.history = History()
        self.state = MemoryState()
        self.endings: dict[Digest, Ending] = {}
        self._bodies: list[tuple[Transaction, ...]] = []
        self._deployment = deployment
        self._parameters = parameters

    def nonce(self, account: bytes) -> int:
        """The next nonce of an account."""
        return int.from_bytes(self.state.get(_ACCOUNTS + account) or b"", "big")

    def append(self, time: int, queue: Sequence[Transaction]) -> None:
        """Makes a block of what can be executed, in that order as far as nonces allow it."""
        height = self.history.height + 1
        undo: dict[bytes, bytes | None] = {}
        events: list[Event] = []
        done: dict[Transaction, Ending] = {}
        left, before = list(queue), -1
        while len(left) != before:  # one may have waited for another behind it
            before, later = len(left), list[Transaction]()
            for transaction in left:
                if transaction.nonce != self.nonce(transaction.account):
                    later.append(transaction)
                    continue
                done[transaction] = self._execute(transaction, height, time, undo, events)
            left = later
        endings = {transaction.id: ending for transaction, ending in done.items()}
        self.endings |= endings
        self._bodies.append(tuple(done))
        self.history.append(Block(BlockEvents(height, time, tuple(events)), endings, undo))

    def roll_back(self, height: int) -> list[tuple[Block, tuple[Transaction, ...]]]:
        """Takes blocks back; gives them with their transactions, oldest first."""
        undone = self.history.roll_back(height)
        bodies, self._bodies = self._bodies[height:], self._bodies[:height]
        for block in reversed(undone):
            self.state.write(block.undo.items())
            for transaction in block.endings:
                self.endings.pop(transaction, None)
        return list(zip(undone, bodies, strict=True))

    def _execute(
        self,
        transaction: Transaction,
        height: int,
        time: int,
        undo: dict[bytes, bytes | None],
        events: list[Event],
    ) -> Ending:
        writes: list[tuple[bytes, bytes | None]] = []
        refused = None
        if transaction.call is not None:
            context = Context(self._deployment, self._parameters, time)
            try:
                effects = apply(context, self.state, transaction.sender, transaction.call)
            except RefusedCallError as error:
                refused = error
            else:
                writes += effects.writes
                events += effects.events
        account = _ACCOUNTS + transaction.account
        writes.append((account, (transaction.nonce + 1).to_bytes(8, "big")))
        undo.update({key: old for key, old in self.state.write(writes).items() if key not in undo})
        return Ending(height, time, refused)
