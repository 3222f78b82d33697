"""Many lives: one for each seed, in several processes."""

import logging
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import structlog

from xdb.testing.simulation.life import STATES, live
from xdb.testing.simulation.report import DAY, Seen, seen_in
from xdb.testing.simulation.run import Outcome, Simulation, run
from xdb.testing.simulation.settings import LifeConfig, settle
from xdb.testing.simulation.tape import Tape


def simulate(
    seed: int, profile: str = "brief", tape: Tape | None = None
) -> Outcome[dict[str, Any]]:
    """One life; what it tells of itself."""
    tape = Tape(seed) if tape is None else tape
    return lived(seed, settle(profile, tape.stream("settings")), tape)


def lived(seed: int, config: LifeConfig, tape: Tape | None = None) -> Outcome[dict[str, Any]]:
    """One life under settings of its own."""

    async def main(simulation: Simulation) -> dict[str, Any]:
        return seen_in(await live(simulation, config), seed)

    return run(seed, main, tape=tape, states=STATES)


def see(seed: int, profile: str) -> Seen:
    """One life, whatever becomes of it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    began = time.process_time()
    try:
        outcome = simulate(seed, profile)
    except Exception as error:  # noqa: BLE001  # the seed failed, whatever it was
        failure = f"{type(error).__name__}: {error}"
        notes = "\n".join([failure, *getattr(error, "__notes__", [])])
        return Seen(seed, "", 0.0, 0, {}, {}, 0, (), (), {}, time.process_time() - began, notes)
    return Seen(
        **outcome.result,
        trace=outcome.trace,
        days=outcome.seconds / DAY,
        reached=dict(outcome.reached),
        cpu=time.process_time() - began,
    )


def lives(seeds: Iterable[int], profile: str, jobs: int) -> Iterator[Seen]:
    """All of them, in order."""
    if jobs == 1:
        yield from (see(seed, profile) for seed in seeds)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(partial(see, profile=profile), seeds)
