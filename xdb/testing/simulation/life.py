"""One life of a simulated network: a workload, faults, invariants.

Safety phase: operations and faults as the seed draws them. Then everything is healed, and the
liveness phase begins: within a bounded time every file is green, every replica right, every
byte there. Beyond the budget of faults the network has to say truthfully what is lost.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from xdb.errors import XdbError
from xdb.index.views import FileView
from xdb.model.health import Colour, Verdict
from xdb.testing.simulation.account import Account
from xdb.testing.simulation.chains import CHAIN_STATES
from xdb.testing.simulation.draws import below, fraction
from xdb.testing.simulation.fate import FATE_STATES, Fate, Fault
from xdb.testing.simulation.invariants import (
    audits,
    check,
    check_bounds,
    check_left_over,
    check_misses,
    check_once,
    check_voids,
)
from xdb.testing.simulation.losses import LOSS_STATES, Losses
from xdb.testing.simulation.nonces import watched_encryption
from xdb.testing.simulation.oversight import Oversight, Recoverable, ViolationError
from xdb.testing.simulation.run import Simulation
from xdb.testing.simulation.settings import LifeConfig
from xdb.testing.simulation.unrest import UNREST_STATES, Unrest
from xdb.testing.simulation.watch import Watch
from xdb.testing.simulation.weather import WEATHER_STATES, Weather
from xdb.testing.simulation.work import WORK_STATES, Workload
from xdb.testing.simulation.world import World, running

STATES = (
    *WORK_STATES,
    *FATE_STATES,
    *LOSS_STATES,
    *WEATHER_STATES,
    *UNREST_STATES,
    *CHAIN_STATES,
    "a slot moved",
    "a node admitted a loss",
    "a node missed an epoch",
    "a file was lost beyond the budget",
)


T = TypeVar("T")

RECENT = 4
"""Epochs whose verdicts are looked at after every fault."""


@dataclass
class Life:
    """What has happened so far."""

    simulation: Simulation
    world: World
    config: LifeConfig
    account: Account = field(default_factory=Account)

    def __post_init__(self) -> None:
        """All that plays a part in it."""
        simulation, world, account = self.simulation, self.world, self.account
        self.oversight = Oversight(world, account)
        self.work = Workload(simulation, world, self.config, account, self.oversight)
        self.fate = Fate(simulation, world, account, self.oversight, self.config.beyond)
        self.losses = Losses(self.fate)
        self.weather = Weather(self.fate)
        self.unrest = Unrest(self.fate)
        self.watch = Watch(simulation, world, account, self.oversight)

    # ------------------------------------------------------------ phases

    async def run(self) -> None:
        """All phases."""
        await self.world.clock.sleep(60)
        await self.work.upload()  # there is something to lose from the start
        faults = [(1, quiet), *self.fate.faults()]
        faults += [*self.losses.faults(), *self.weather.faults()]
        if self.config.world.personality != "immediate":
            faults += self.unrest.faults()
        watching = asyncio.create_task(self.watch.run(), name="watch")
        clients = [
            self._client(f"work {number}", self.config.operations)
            for number in range(self.config.clients)
        ]
        await asyncio.gather(*clients, self._fate(faults))
        await self.unrest.heal()
        await self.weather.heal()
        await self.fate.heal()
        await self._settle()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        if self.watch.violation:
            raise self.watch.violation
        self._note_reached()

    async def _client(self, name: str, count: int) -> None:
        draw, choices = self.simulation.tape.stream(name), _spread(self.work.operations())
        for _ in range(count):
            await self._pause(name, count)
            await choices[below(draw, len(choices))]()

    async def _fate(self, faults: list[tuple[int, Fault]]) -> None:
        """Faults begin one after the other, and go on beside each other."""
        draw, choices = self.simulation.tape.stream("fate"), _spread(faults)
        under_way: list[asyncio.Task[None]] = []
        for _ in range(self.config.faults):
            await self._pause("fate", self.config.faults)
            self._check()
            fault = choices[below(draw, len(choices))]
            under_way.append(asyncio.create_task(fault(), name=fault.__name__))
        await asyncio.gather(*under_way)

    async def _pause(self, stream: str, count: int) -> None:
        draw = self.simulation.tape.stream(f"{stream} pauses")
        await self.world.clock.sleep(2 * fraction(draw) * self.config.seconds / count)

    # ------------------------------------------------------------ the end

    async def _settle(self) -> None:
        """Until all is as it has to be, for so long at most."""
        step = self.world.config.epoch / 2
        limit = self.simulation.loop.time() + self.config.healing * 3600
        while not self._is_settled():
            if self.simulation.loop.time() > limit:
                raise ViolationError(
                    f"not whole {self.config.healing} hours after the last fault\n{self._ill()}"
                )
            await self.world.clock.sleep(step)
            self.account.expire(self.world.chain.time)
        await self._read_all()
        self._check(everything=True)
        check_misses(self.oversight)
        check_voids(self.oversight)
        check_once(self.oversight)
        check_bounds(self.oversight)
        if self.config.tidy:
            await self._tidy()

    async def _read_all(self) -> None:
        """Every byte of every file comes back; beyond the budget, of every file not lost."""
        self.account.expire(self.world.chain.time)
        for view in list(self.oversight.views()):
            file, able = view.record.file, self.oversight.recoverable(view)
            kept = self.account.files[file]
            try:
                data = await self.work.fetch(file, 0, None)
            except XdbError:
                if able is Recoverable.YES or not self.config.beyond:
                    raise
            else:
                self.work.compare(file, kept.data, data)

    async def _tidy(self) -> None:
        """When all times in which something may be kept are over, nothing is left."""
        world = self.world.config
        before = self.world.chain.time
        kept = world.retention + world.stray_grace + 3 * world.epoch + 4 * world.paces.collector
        await self.world.clock.sleep(kept + 2 * world.paces.renewer)
        self.account.expire(self.world.chain.time)
        check_left_over(self.oversight, before)

    def _is_settled(self) -> bool:
        if not self.config.beyond:
            return self.oversight.is_whole()
        return self._is_truthful()

    def _is_truthful(self) -> bool:
        """Whether the owner says of each file what is the case: lost, or green and whole."""
        owner = self.world.owner.node
        if owner is None or not all(node.is_up for node in self.world.storage.values()):
            return False
        look = owner.care.viewpoint.look()
        for view in self.oversight.views():
            if self._is_lost(view):
                if look.colour(view) is not Colour.LOST:
                    return False
            elif self.oversight.recoverable(view) is Recoverable.YES and (
                look.colour(view) is not Colour.GREEN or self.oversight.bad_slots(view)
            ):
                return False
        return True

    def _is_lost(self, view: FileView) -> bool:
        return self.oversight.recoverable(view) is Recoverable.NO

    # ------------------------------------------------------------ inside

    def _check(self, *, everything: bool = False) -> None:
        epoch = self.world.chain.parameters.epoch_at(self.world.chain.time)
        check(self.oversight, 0 if everything else max(0, epoch - RECENT))
        if self.watch.violation:
            raise self.watch.violation

    def _ill(self) -> str:
        """What is not as it should be, for whoever looks into it."""
        owner, lines = self.world.owner.node, []
        if owner is None:
            return "the owner is down"
        lines += [f"{node.name} is down" for node in self.world.storage.values() if not node.is_up]
        look = owner.care.viewpoint.look()
        lines += [
            f"file {view.record.file.hex()[:12]}: {look.colour(view).name}, "
            f"bad slots {self.oversight.bad_slots(view)}, lost {view.lost}"
            for view in self.oversight.views()
        ]
        lines += [f"{task.name}: {task.status.last_error}" for task in owner.tasks]
        return "\n".join(lines)

    def _note_reached(self) -> None:
        index = self.oversight.index
        if index is None:
            return
        for verdict, name in (
            (Verdict.FAILED, "a node admitted a loss"),
            (Verdict.MISSED, "a node missed an epoch"),
        ):
            if any(True for _ in audits(index, verdict)):
                self.fate.reached(name)
        if index.migrations.listed().items:
            self.fate.reached("a slot moved")
        if any(self._is_lost(view) for view in self.oversight.views()):
            self.fate.reached("a file was lost beyond the budget")


async def quiet() -> None:
    """Nothing happens: what a shortened tape draws."""


def _spread(choices: Sequence[tuple[int, T]]) -> list[T]:
    """Each as often as its weight says."""
    return [choice for weight, choice in choices for _ in range(weight)]


async def live(simulation: Simulation, config: LifeConfig) -> Life:
    """A whole life."""
    with watched_encryption():
        async with running(simulation, config.world) as world:
            life = Life(simulation, world, config)
            await life.run()
            return life
