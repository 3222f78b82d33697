"""What many lives came to."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from xdb.testing.simulation.life import STATES, Life

DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What happened in one life. Delays are in epochs, `cpu` in seconds."""

    seed: int
    trace: str
    days: float
    nodes: int
    operations: dict[str, int]
    faults: dict[str, int]
    files: int
    detected: tuple[float, ...]
    repaired: tuple[float, ...]
    reached: dict[str, int] = field(default_factory=dict)
    cpu: float = 0.0
    failure: str = ""

    @property
    def line(self) -> str:
        """For people."""
        if self.failure:
            return f"seed {self.seed}: FAILED: {self.failure}"
        return (
            f"seed {self.seed}: ok, {sum(self.operations.values())} operations, "
            f"{sum(self.faults.values())} faults, {self.files} files, {self.days:.1f} days, "
            f"{self.cpu:.1f} s, trace {self.trace[:16]}"
        )

    def json(self) -> str:
        """For `read`."""
        return json.dumps(asdict(self))


def read(lines: Iterable[str]) -> list[Seen]:
    """What `Seen.json` wrote, a line each; of a seed that stands twice the last one counts."""
    found = {seen.seed: seen for seen in (Seen(**json.loads(line)) for line in lines)}
    return [found[seed] for seed in sorted(found)]


def seen_in(life: Life, seed: int) -> dict[str, Any]:
    """What a life tells of itself."""
    return {
        "seed": seed,
        "nodes": life.config.world.nodes,
        "operations": dict(life.work.done),
        "faults": dict(life.fate.counts),
        "files": len(life.account.files),
        "detected": tuple(life.watch.detected),
        "repaired": tuple(life.watch.repaired),
    }


def summary(lives: Sequence[Seen]) -> list[str]:
    """Figures over all of them, in lines."""
    good = [seen for seen in lives if not seen.failure]
    operations, faults, reached = _sum(good, "operations"), _sum(good, "faults"), Counter[str]()
    for seen in good:
        reached.update(seen.reached)
    days = sum(seen.days * seen.nodes for seen in good)
    cpu = sum(seen.cpu for seen in lives)
    lines = [
        f"{len(lives)} seeds, {len(lives) - len(good)} failed",
        f"{days:.0f} node-days, {days / max(cpu / 60, 1e-9):.0f} in a minute of CPU",
        f"operations: {operations.total()} ({_listed(operations)})",
        f"faults: {faults.total()} ({_listed(faults)})",
        f"epochs until the owner knew of damage: {_spread(good, 'detected')}",
        f"epochs until a slot was whole again: {_spread(good, 'repaired')}",
    ]
    if good:
        lines.append(
            f"of events never seen, 95 % bounds (3/n): {3 / len(good):.1e} a life, "
            f"{3 / max(days, 1):.1e} a node-day, {3 / max(faults.total(), 1):.1e} a fault"
        )
    unreached = sorted(set(STATES) - set(+reached))
    lines.append("never reached: " + (", ".join(unreached) or "nothing"))
    return lines


def _sum(lives: Iterable[Seen], what: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for seen in lives:
        total.update(getattr(seen, what))
    return total


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _spread(lives: Iterable[Seen], what: str) -> str:
    found = sorted(delay for seen in lives for delay in getattr(seen, what))
    if not found:
        return "none"
    at = [found[min(int(part * len(found)), len(found) - 1)] for part in (0.5, 0.9, 0.99)]
    shown = ", ".join(
        f"{name} {delay:.2f}" for name, delay in zip(("median", "90 %", "99 %"), at, strict=True)
    )
    return f"{len(found)} times, {shown}, longest {found[-1]:.2f}"
