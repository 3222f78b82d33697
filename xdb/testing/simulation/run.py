"""One run: a seed goes in, a result and the hash of its trace come out."""

import gc
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from xdb.testing.simulation.counters import Counters
from xdb.testing.simulation.loop import SimulatedLoop, SimulationError
from xdb.testing.simulation.stacks import stacks
from xdb.testing.simulation.tape import Tape
from xdb.testing.simulation.trace import Trace

T = TypeVar("T")

SCHEDULE = "schedule"
"""The stream that the order of work is drawn from."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the code of a run has at hand."""

    loop: SimulatedLoop
    tape: Tape
    trace: Trace
    counters: Counters

    def record(self, node: str, event: str) -> None:
        """Something happened now."""
        self.trace.record(self.loop.time(), node, event)

    def reached(self, node: str, state: str) -> None:
        """A declared state was reached now."""
        self.counters.reached(state)
        self.record(node, state)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a run came to; `seconds` are virtual."""

    result: T
    trace: str
    seconds: float
    turns: int
    reached: Mapping[str, int]


def run(
    seed: int | str,
    main: Callable[[Simulation], Coroutine[Any, Any, T]],
    *,
    tape: Tape | None = None,
    states: Iterable[str] = (),
) -> Outcome[T]:
    """Runs `main` to its end in a simulated loop; `states` may be reached on the way.

    SimulationError when it can never end, when it leaves a task behind, or when an error
    was told to nobody. Every error carries a note: the seed, the time, the last records.
    """
    trace, counters = Trace(), Counters(states)
    tape = Tape(seed) if tape is None else tape
    loop = SimulatedLoop(tape.stream(SCHEDULE), trace)
    simulation = Simulation(loop, tape, trace, counters)
    with _collecting():
        try:
            result = loop.run_until_complete(main(simulation))
            _check(loop)
        except BaseException as error:
            error.add_note(_note(simulation))
            raise
        finally:
            loop.abandon()
            loop.close()
    return Outcome(result, trace.hexdigest(), loop.time(), loop.turns, counters.counts())


def _check(loop: SimulatedLoop) -> None:
    loop.run_until_complete(loop.close_generators())
    if left := loop.pending():
        raise SimulationError(f"{len(left)} tasks were left behind\n{stacks(left)}")
    gc.collect()  # an error that nobody asked for shows when its task goes
    if loop.mistakes:
        raise SimulationError("\n".join(["nobody asked for these errors:", *loop.mistakes]))


def _note(simulation: Simulation) -> str:
    trace, loop = simulation.trace, simulation.loop
    head = f"seed {simulation.tape.seed}, {loop.time()} s, trace {trace.hexdigest()}; at last:"
    return "\n".join([head, *trace.last()])


@contextmanager
def _collecting() -> Iterator[None]:
    """The loop collects cycles at fixed turns, and nothing that was there before."""
    was = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if was:
            gc.enable()
