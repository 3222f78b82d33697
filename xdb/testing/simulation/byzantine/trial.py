"""One trial: a world, a strategy in it, and what came of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from xdb.model.health import Verdict
from xdb.model.ids import NodeId
from xdb.testing.simulation.byzantine.arena import WORLD, Arena
from xdb.testing.simulation.byzantine.evidence import Evidence
from xdb.testing.simulation.byzantine.strategies import STRATEGIES
from xdb.testing.simulation.byzantine.strategy import (
    Expected,
    Kind,
    Outcome,
    Plot,
    Strategy,
)
from xdb.testing.simulation.oversight import ViolationError
from xdb.testing.simulation.run import Simulation
from xdb.testing.simulation.world import running

BEFORE, AFTER, MORE = 4, 2, 12
"""Files uploaded before and after the cheat begins, and until it is given one."""
BEGINS = 2
"""The epoch in which it begins: the first one that asks for something."""
REPAIR = 14
"""Epochs behind the bound within which the cheat's slots must be on others, in good order."""
QUIET = 5
"""Epochs for which a harmless strategy goes on."""
LOOK = 150.0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a trial. `epochs` until it was seen, `by` which means; None when it was not.

    `repaired` are the epochs until all of it was on honest nodes. `asked` closed epochs wanted a
    proof of the cheats since, of which `missed` got none. `deeds` are what they did, by kind.
    """

    strategy: str
    outcome: Outcome
    epochs: int | None
    by: tuple[str, ...]
    repaired: int | None
    asked: int
    missed: int
    deeds: dict[str, int]
    reads: dict[str, int]


async def trial(simulation: Simulation, name: str) -> Result:
    """Follows a strategy; ViolationError when something does not hold that must."""
    strategy = STRATEGIES[name]
    async with running(simulation, WORLD) as world:
        arena = Arena(simulation, world)
        await world.clock.sleep(LOOK)
        await arena.upload(BEFORE)
        await arena.until_epoch(BEGINS, seconds=LOOK)
        plot = Plot(world, simulation.tape.stream("cheat"))
        if strategy.kind is Kind.OWNER:
            result = await _owner_trial(arena, plot, strategy)
        else:
            result = await _node_trial(arena, plot, strategy)
        if not plot.deeds[strategy.deed]:
            raise ViolationError(f"nobody cheated: no {strategy.deed}, only {dict(plot.deeds)}")
        return result


async def _node_trial(arena: Arena, plot: Plot, strategy: Strategy) -> Result:
    await _corrupt(arena, plot, strategy)
    cheats = [node for each in plot.cheats if (node := each.key.node) not in plot.innocent]
    evidence = Evidence(arena, cheats, arena.epoch)
    await arena.upload(AFTER)
    for _ in range(MORE if strategy.receives else 0):
        if not plot.deeds[strategy.deed]:
            await arena.upload(1)
    expected = strategy.expected
    last = evidence.began + (expected.within + REPAIR if expected.by else QUIET)
    repaired: int | None = None
    reads = 0
    while arena.epoch < last and repaired is None:
        await arena.world.clock.sleep(LOOK)
        evidence.look()
        arena.check(cheats)
        if arena.epoch > reads:
            reads = arena.epoch
            await arena.read_all()
        if expected.outcome is Outcome.CAUGHT and evidence.seen:
            done = arena.is_green_without(cheats) or (strategy.receives and arena.is_green())
            repaired = arena.epoch - evidence.began if done else None
    await _end(arena, evidence, expected, repaired)
    return _result(arena, plot, strategy, evidence, repaired)


async def _corrupt(arena: Arena, plot: Plot, strategy: Strategy) -> None:
    """The nodes with most to cheat about start again, with other intentions."""
    first = arena.busiest()
    plot.cheats = [first] if strategy.nodes == 1 else [first, arena.companion(first)]
    if strategy.corrupt is None:
        raise ValueError(f"{strategy.name} says nothing of nodes")
    for node in plot.cheats:
        await node.crash()
        node.twist = strategy.corrupt(plot, node)
        await node.start()


async def _end(arena: Arena, evidence: Evidence, expected: Expected, repaired: int | None) -> None:
    took = evidence.took(expected.by)
    shown = {means.value: epoch - evidence.began for means, epoch in evidence.seen.items()}
    if expected.outcome is Outcome.CAUGHT:
        if took is None or took > expected.within:
            raise ViolationError(
                f"not caught within {expected.within} epochs: seen {shown or 'nothing'}"
            )
        if repaired is None:
            raise ViolationError(f"seen ({shown}), but its slots are not on other nodes yet")
    elif shown:
        raise ViolationError(f"it is blamed for what it did not do: {shown}")
    else:
        _check_green(arena, [] if expected.outcome is Outcome.HARMLESS else evidence.cheats)
    await arena.read_all()
    if arena.reads["failed"]:
        raise ViolationError("a file could not be read, and an honest node had a copy")


def _check_green(arena: Arena, hidden: Iterable[NodeId] = ()) -> None:
    """`hidden` are nodes whose disks say nothing."""
    if not arena.is_green(hidden):
        raise ViolationError("a file is not green, or a slot not on its holder's disk")


async def _owner_trial(arena: Arena, plot: Plot, strategy: Strategy) -> Result:
    evidence = Evidence(arena, [], arena.epoch)
    if strategy.attack is None:
        raise ValueError(f"{strategy.name} says nothing of owners")
    await strategy.attack(plot, arena)
    await arena.upload(AFTER)
    while arena.epoch < evidence.began + QUIET:
        await arena.world.clock.sleep(LOOK)
        arena.check()
    await arena.read_all()
    if arena.reads["failed"]:
        raise ViolationError("a file of an honest owner cannot be read")
    _check_green(arena)
    return _result(arena, plot, strategy, evidence, None)


def _result(
    arena: Arena, plot: Plot, strategy: Strategy, evidence: Evidence, repaired: int | None
) -> Result:
    by = strategy.expected.by
    return Result(
        strategy=strategy.name,
        outcome=strategy.expected.outcome,
        epochs=evidence.took(by),
        by=tuple(sorted(means.value for means in evidence.seen)),
        repaired=repaired,
        asked=evidence.asked(),
        missed=evidence.asked(Verdict.MISSED),
        deeds=dict(sorted(plot.deeds.items())),
        reads=dict(arena.reads),
    )
