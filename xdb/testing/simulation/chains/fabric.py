"""A chain like Fabric: calls are executed on a peer's state, ordered, and then validated.

What a call read must still be so when its turn comes, or it does nothing and starts over: keys
(an MVCC conflict) and ranges (a phantom). Blocks are final at once; peers lag.

Chain time is a key of the state: ticks write it, every execution reads it. So no call takes
effect at another time than that of its block, which the index goes by, however long ago it
was executed; the price is that calls under way at a tick start over.
"""

import asyncio
from dataclasses import dataclass, field

from xdb.core.encoding import decode, encode
from xdb.core.rules import Context, Effects, Reader, apply, execute
from xdb.model.calls import Call, Envelope
from xdb.model.events import Event
from xdb.model.ids import Address, Deployment, Digest
from xdb.model.registry import Parameters
from xdb.node.backend import Backend
from xdb.ports.blockchain import BlockEvents, Head
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.testing.chain import DEPLOYMENT
from xdb.testing.simulation.chains.blocks import Block, Ending, History
from xdb.testing.simulation.chains.gateway import FabricBackend
from xdb.testing.simulation.chains.notes import Notes
from xdb.testing.simulation.chains.versions import Endorsed, Snapshot, VersionedState
from xdb.testing.simulation.chains.view import Sight
from xdb.testing.simulation.chains.views import Views
from xdb.testing.simulation.clock import SimulatedClock
from xdb.testing.simulation.draws import fraction

_TIME = b"t/"  # no key of the rules begins so
_DICE = 256


@dataclass(frozen=True, slots=True)
class FabricConfig:
    """Times in seconds, chances of 256."""

    batch: float = 2.0  # the longest that an orderer waits for more
    election: float = 30.0  # the longest that there is no orderer
    elections: int = 2  # for each block
    lost: int = 4  # for each transaction: ordered by nobody
    status: int = 12  # for each transaction: nobody is told what became of it
    sight: Sight = field(default_factory=lambda: Sight(lag=1.0, stalls=1, cuts=1))


class FabricChain:
    """`Chain` of this personality: the orderer, and what all peers come to. `gateway` has the rest.

    What the world itself does is executed when it is ordered, and is never stale.
    """

    def __init__(
        self,
        parameters: Parameters,
        clock: SimulatedClock,
        draw: Entropy,
        notes: Notes,
        config: FabricConfig | None = None,
    ) -> None:
        self.parameters = parameters
        self.deployment: Deployment = DEPLOYMENT
        self.config = config or FabricConfig()
        self.history = History()
        self.notes = notes
        self._state = VersionedState()
        self._clock = clock
        self._draw = draw
        self._views = Views(self.history, clock, draw, self.config.sight, notes)
        self._queue: list[Endorsed] = []
        self._wanted = asyncio.Event()
        self._took_effect: dict[Digest, Digest] = {}  # attempts by envelope
        self.tick()

    @property
    def time(self) -> int:
        """See `Chain`: that of the last tick."""
        return self.head.time

    @property
    def head(self) -> Head:
        """See `Chain`."""
        return self.history.head

    @property
    def state(self) -> Reader:
        """See `Chain`."""
        return self._state.at(self.history.height)

    def call(self, sender: Address, call: Call) -> None:
        """See `Chain`: in a block of its own, at once."""
        effects = apply(self._context(self.time), self.state, sender, call)
        height = self.history.height + 1
        self._state.write(effects.writes, (height, 0))
        self._append(BlockEvents(height, self.time, effects.events), {})

    def tick(self) -> None:
        """See `Chain`."""
        time, height = int(self._clock.wall()), self.history.height + 1
        if self.history.blocks and time <= self.time:
            return
        self._state.write([(_TIME, encode(time))], (height, 0))
        self._append(BlockEvents(height, time, ()), {})

    def endorse(self, height: int, envelope: Envelope) -> tuple[Snapshot, Effects]:
        """Executes a call on the state of a peer that is at that height; RefusedCallError."""
        snapshot = self._state.at(height)
        time = decode(int, snapshot.get(_TIME) or b"")
        return snapshot, execute(self._context(time), snapshot, envelope)

    def order(self, endorsed: Endorsed) -> None:
        """Hands an executed call to the orderers; it may be lost, which nobody is told."""
        if not self._chance(self.config.lost):
            self._queue.append(endorsed)
            self._wanted.set()

    def tells(self) -> bool:
        """Whether a caller is told what became of its transaction."""
        if self._chance(self.config.status):
            self.notes.reached("a commit status was lost")
            return False
        return True

    def backend(self, name: str, clock: Clock) -> Backend:
        """See `Chain`."""
        return FabricBackend(self, self._views.of(name), clock, self._draw.stream(name))

    async def run(self) -> None:
        """See `Chain`."""
        while True:
            await self._wanted.wait()
            await self._clock.sleep(fraction(self._draw) * self.config.batch)
            if self._chance(self.config.elections):
                await self._clock.sleep(fraction(self._draw) * self.config.election)
            self._cut_block()

    # ------------------------------------------------------------ faults

    def reorganise(self, depth: int) -> int:  # noqa: ARG002  # as the protocol has it
        """See `Chain`: never, blocks are final."""
        return 0

    def drop(self) -> int:
        """See `Chain`: the orderers lose what they have not yet put into a block."""
        count = len(self._queue)
        self._queue.clear()
        self._wanted.clear()
        return count

    def stall(self, name: str, seconds: float) -> bool:
        """See `Chain`: its peer gets no blocks."""
        return self._views.stall(name, seconds)

    def cut(self, name: str, seconds: float) -> bool:
        """See `Chain`: its peer is down."""
        return self._views.cut(name, seconds)

    def forget(self, name: str) -> None:
        """See `Chain`: nothing is kept."""

    def heal(self) -> None:
        """See `Chain`."""
        self._views.heal()

    # ------------------------------------------------------------ blocks

    def _cut_block(self) -> None:
        """Puts what waits into a block, in any order."""
        batch, self._queue = self._queue, []
        self._wanted.clear()
        places = {each.id: self._draw.draw(1) for each in batch}
        height, events, endings = self.history.height + 1, list[Event](), dict[Digest, Ending]()
        for number, endorsed in enumerate(sorted(batch, key=lambda each: places[each.id])):
            stale = endorsed.snapshot.stale()
            endings[endorsed.id] = Ending(height, self.time, None, stale)
            if not stale:
                self._check_once(endorsed)
                self._state.write(endorsed.effects.writes, (height, number))
                events += endorsed.effects.events
                endings[endorsed.envelope] = endings[endorsed.id]
        if batch:
            self._append(BlockEvents(height, self.time, tuple(events)), endings)

    def _check_once(self, endorsed: Endorsed) -> None:
        known = self._took_effect.setdefault(endorsed.envelope, endorsed.id)
        if known != endorsed.id:
            raise AssertionError(f"envelope {endorsed.envelope.hex()} took effect twice")

    def _append(self, block: BlockEvents, endings: dict[Digest, Ending]) -> None:
        self.history.append(Block(block, endings))
        self.history.settle(block.height)

    def _context(self, time: int) -> Context:
        return Context(self.deployment, self.parameters, time)

    def _chance(self, of: int) -> bool:
        return not self._views.is_calm and self._draw.draw(1)[0] >= _DICE - of
