"""Trials of all strategies, one line each and a table in the end."""

import argparse
import logging
import sys
import time
from collections import defaultdict
from statistics import median

import structlog

from xdb.testing.simulation.byzantine.strategies import STRATEGIES
from xdb.testing.simulation.byzantine.trial import Result, trial
from xdb.testing.simulation.run import Outcome, Simulation, run

HEADINGS = ("strategy", "trials", "failed", "outcome", "min", "median", "max", "bound", "missed")
"""`min` to `bound` are epochs until it was seen, `missed` those without proof, of all asked."""
COMMAND = "python -m xdb.testing.simulation.byzantine"


def attempt(name: str, seed: int) -> Outcome[Result]:
    """One trial; a strategy and a seed make the same one in every process."""

    async def main(simulation: Simulation) -> Result:
        return await trial(simulation, name)

    return run(f"{name} {seed}", main)


def _seeds(text: str) -> range:
    first, mark, last = text.partition("-")
    return range(int(first), int(last) + 1) if mark else range(int(first))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  # what it is for


def _line(seed: int, result: Result, seconds: float) -> str:
    seen = ""
    if result.epochs is not None:
        seen = f" after {result.epochs} epochs, repaired after {result.repaired}"
    deeds = ", ".join(f"{count} {deed}" for deed, count in result.deeds.items())
    means = ", ".join(result.by) or "nothing"
    return (
        f"{result.strategy} {seed}: {result.outcome.value}{seen} "
        f"(seen: {means}; {deeds}; {seconds:.1f} s)"
    )


def _row(name: str, results: list[Result], failed: int) -> str:
    expected = STRATEGIES[name].expected
    took = sorted(result.epochs for result in results if result.epochs is not None)
    shown = [f"{took[0]}", f"{median(took):g}", f"{took[-1]}"] if took else ["-", "-", "-"]
    bound = str(expected.within) if expected.by else "-"
    missed, asked = (sum(each.missed for each in results), sum(each.asked for each in results))
    proofs = f"{missed}/{asked}"
    return _columns(name, len(results), failed, expected.outcome.value, *shown, bound, proofs)


def _columns(name: str, *others: object) -> str:
    return f"{name:32}" + "".join(f"{other!s:>9}" for other in others)


def _attempted(name: str, seed: int) -> Result | None:
    began = time.perf_counter()
    try:
        result = attempt(name, seed).result
    except Exception as error:  # noqa: BLE001  # the trial failed, whatever it was
        _say(f"{name} {seed}: FAILED: {type(error).__name__}: {error}")
        _say("\n".join(getattr(error, "__notes__", [])))
        _say(f"replay: {COMMAND} {seed}-{seed} --only {name}")
        return None
    _say(_line(seed, result, time.perf_counter() - began))
    return result


def main() -> int:
    """Runs trials; 1 when one of them fails."""
    parser = argparse.ArgumentParser(description="Trials of dishonest nodes and owners.")
    parser.add_argument("seeds", type=_seeds, help="N, or A-B")
    parser.add_argument("--only", action="append", choices=sorted(STRATEGIES), help="strategies")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    names = options.only or list(STRATEGIES)
    results = defaultdict[str, list[Result]](list)
    failures = defaultdict[str, int](int)
    for name in names:
        for seed in options.seeds:
            result = _attempted(name, seed)
            if result is None:
                failures[name] += 1
            else:
                results[name].append(result)
    _say(_columns(*HEADINGS))
    for name in names:
        _say(_row(name, results[name], failures[name]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
