"""`make simulate`: lives of simulated networks, one line for each seed."""

import argparse
import logging
import sys
import time

import structlog

from xdb.testing.simulation.counters import Counters
from xdb.testing.simulation.life import STATES, LifeConfig, live
from xdb.testing.simulation.run import Outcome, run


def seeds_of(text: str) -> range:
    """`N` for the first N seeds, `A-B` for those from A to B."""
    first, mark, last = text.partition("-")
    if not mark:
        return range(int(first))
    return range(int(first), int(last) + 1)


def simulate(seed: int, config: LifeConfig) -> Outcome[str]:
    """One life; what happened in it."""

    async def main(simulation):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  # as `run` takes it
        life = await live(simulation, config)
        return (
            f"{life.operations.total()} operations, {life.fate.faults.total()} faults, "
            f"{len(life.files)} files"
        )

    return run(seed, main, states=STATES)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  # what it is for


def main() -> int:
    """Runs seeds; 1 when one of them fails."""
    parser = argparse.ArgumentParser(description="Lives of simulated networks.")
    parser.add_argument("seeds", type=seeds_of, help="N, or A-B")
    parser.add_argument("--hours", type=int, default=LifeConfig().hours, help="of faults")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    config, reached, failed = LifeConfig(hours=options.hours), Counters(STATES), 0
    began = time.perf_counter()
    for seed in options.seeds:
        try:
            outcome = simulate(seed, config)
        except Exception as error:  # noqa: BLE001  # the seed failed, whatever it was
            failed += 1
            _say(f"seed {seed}: FAILED: {type(error).__name__}: {error}")
            _say("\n".join(getattr(error, "__notes__", [])))
            _say(f"replay: make simulate SEEDS={seed}-{seed}")
            continue
        reached.merge(outcome.reached)
        hours = outcome.seconds / 3600
        _say(f"seed {seed}: ok, {outcome.result}, {hours:.0f} h, trace {outcome.trace[:16]}")
    _say(f"{len(options.seeds)} seeds in {time.perf_counter() - began:.0f} s, {failed} failed")
    _say("never reached: " + (", ".join(reached.unreached()) or "nothing"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
