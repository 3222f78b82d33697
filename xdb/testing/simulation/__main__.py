"""`make simulate`: lives of simulated networks, one line for each seed."""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

from xdb.testing.simulation.campaign import lives
from xdb.testing.simulation.report import read, summary
from xdb.testing.simulation.settings import PROFILES
from xdb.testing.simulation.shrinking import shrunk


def seeds_of(text: str) -> range:
    """`N` for the first N seeds, `A-B` for those from A to B."""
    first, mark, last = text.partition("-")
    if not mark:
        return range(int(first))
    return range(int(first), int(last) + 1)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  # what it is for


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Lives of simulated networks.")
    parser.add_argument("seeds", type=seeds_of, nargs="?", default=range(0), help="N, or A-B")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="brief")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--log", type=Path, help="file to which a line of JSON a seed is added")
    parser.add_argument("--all", action="store_true", help="fail, too, when a state is not reached")
    parser.add_argument("--shrink", type=Path, help="file for the simplest life that fails, too")
    return parser.parse_args()


def _shrink(seeds: range, profile: str, file: Path) -> int:
    for seed in seeds:
        if (kept := shrunk(seed, profile)) is not None:
            file.write_text(kept.json())
            _say(f"seed {seed} fails; a simpler life that does is in {file}")
            return 1
    _say("none of these seeds fails: there is nothing to make simpler")
    return 0


def main() -> int:
    """Runs seeds; 1 when one of them fails. Without seeds it sums up a log."""
    options = _arguments()
    if not options.seeds and options.log:
        _say("\n".join(summary(read(options.log.read_text().splitlines()))))
        return 0
    if options.shrink:
        return _shrink(options.seeds, options.profile, options.shrink)
    found = []
    with ExitStack() as stack:
        log = stack.enter_context(options.log.open("a")) if options.log else None
        for seen in lives(options.seeds, options.profile, options.jobs):
            found.append(seen)
            _say(seen.line)
            if seen.failure:
                seed = seen.seed
                _say(f"replay: make simulate SEEDS={seed}-{seed} PROFILE={options.profile}")
            if log:
                log.write(seen.json() + "\n")
                log.flush()
    lines = summary(found)
    _say("\n".join(lines))
    missed = options.all and not lines[-1].endswith("nothing")
    return 1 if missed or any(seen.failure for seen in found) else 0


if __name__ == "__main__":
    sys.exit(main())
