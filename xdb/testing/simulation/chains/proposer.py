"""Who makes the blocks of an Ethereum-like chain, and makes others instead of them."""

from collections.abc import Callable, Sequence

from xdb.model import events
from xdb.model.ids import Digest
from xdb.ports.entropy import Entropy
from xdb.testing.simulation.chains.blocks import Block
from xdb.testing.simulation.chains.branch import Branch
from xdb.testing.simulation.chains.mempool import Mempool, Transaction
from xdb.testing.simulation.chains.notes import Notes
from xdb.testing.simulation.draws import below, fraction

DEEPEST = 7
"""Blocks that a reorganisation undoes at most: mainnet had one as deep."""
_UNDONE: tuple[tuple[type[events.Event], str], ...] = (
    (events.FilePublished, "a reorganisation undid a publish"),
    (events.FileMoved, "a reorganisation undid a move"),
    (events.FileDeleted, "a reorganisation undid a deletion"),
    (events.ProofAccepted, "a reorganisation undid a proof"),
    (events.SeedRevealed, "a reorganisation undid a seed"),
)


class Proposer:
    """Makes blocks on a branch, of transactions that leave the mempool by that."""

    def __init__(self, branch: Branch, mempool: Mempool, draw: Entropy, notes: Notes) -> None:
        self._branch = branch
        self._mempool = mempool
        self._draw = draw
        self._notes = notes
        self._effective = set[Digest]()  # undone transactions that had taken effect

    def make(self, time: int, queue: Sequence[Transaction]) -> None:
        """The next block, of those that can be executed."""
        self._branch.append(time, queue)
        endings = self._branch.history.blocks[-1].endings
        for transaction in queue:
            if transaction.id in endings:
                self._mempool.remove(transaction)
        for done, ending in endings.items():
            if ending.refused is not None:
                self._notes.reached("a call was refused in its block")
                if done in self._effective:
                    self._notes.reached("a call that had taken effect was refused")
            self._effective.discard(done)

    def reorganise(self, depth: int, send: Callable[[Transaction], None]) -> int:
        """Undoes up to so many blocks, of which none is final; gives how many.

        What was in them comes again as it was, in another order, or not by itself; `send`
        spreads what is left over.
        """
        head = self._branch.history.head
        depth = min(depth, DEEPEST, head.height - head.final)
        if depth <= 0:
            return 0
        undone = self._branch.roll_back(head.height - depth)
        self._note([block for block, _ in undone])
        times = [block.events.time for block, _ in undone]
        bodies = [list(body) for _, body in undone]
        match below(self._draw, 3):
            case 0:
                self._notes.reached("undone calls came again as they were")
                self._again(times, bodies, send)
            case 1:
                self._notes.reached("undone calls came in another order")
                self._again(times, self._shuffled(bodies), send)
            case _:
                self._notes.reached("undone calls were dropped")
                self._again(times[: below(self._draw, depth + 1)], [], send)
                self._scatter([each for body in bodies for each in body], send)
        return depth

    def _again(
        self,
        times: Sequence[int],
        bodies: Sequence[list[Transaction]],
        send: Callable[[Transaction], None],
    ) -> None:
        """Other blocks in the same slots; what does not fit waits again."""
        left: list[Transaction] = []
        for at, time in enumerate(times):
            queue = left + (bodies[at] if at < len(bodies) else [])
            self.make(time, queue)
            left = [each for each in queue if each.id not in self._branch.endings]
        for transaction in left:
            send(transaction)

    def _shuffled(self, bodies: list[list[Transaction]]) -> list[list[Transaction]]:
        made: list[list[Transaction]] = [[] for _ in bodies]
        for transaction in (each for body in bodies for each in body):
            body = made[below(self._draw, len(made))]
            body.insert(below(self._draw, len(body) + 1), transaction)
        return made

    def _scatter(
        self, transactions: Sequence[Transaction], send: Callable[[Transaction], None]
    ) -> None:
        for transaction in transactions:
            if fraction(self._draw) < 1 / 2:
                send(transaction)
            else:
                self._notes.reached("a transaction was dropped")

    def _note(self, blocks: list[Block]) -> None:
        if len(blocks) == DEEPEST:
            self._notes.reached("a reorganisation was seven blocks deep")
        found = {type(event) for block in blocks for event in block.events.events}
        for kind, state in _UNDONE:
            if kind in found:
                self._notes.reached(state)
        for block in blocks:
            self._effective |= {
                each for each, ending in block.endings.items() if ending.refused is None
            }
