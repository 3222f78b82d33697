"""What a seed makes of a life: how large, how long, under which parameters, with how many faults.

Profiles differ in how much happens in how much time. Within one, the seed draws redundancy,
epochs, finality, and how the network is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from xdb.model.registry import Coding, Redundancy
from xdb.ports.entropy import Entropy
from xdb.testing.simulation.chains import Personality
from xdb.testing.simulation.draws import below, fraction, one_of
from xdb.testing.simulation.links import LinkConditions
from xdb.testing.simulation.paces import HOUR, MINUTE, Paces
from xdb.testing.simulation.world import WorldConfig

DAY = 24 * HOUR
YEAR = 365 * DAY
MOST_AHEAD = 12.0
"""Seconds that a drifting clock is wrong in the end; nodes refuse requests 30 s ahead of theirs."""

POLICIES = (
    Redundancy(Coding.COPIES, 1, 3),
    Redundancy(Coding.COPIES, 1, 2),
    Redundancy(Coding.COPIES, 1, 4),
    Redundancy(Coding.ERASURE, 2, 3),
    Redundancy(Coding.ERASURE, 2, 4),
    Redundancy(Coding.ERASURE, 3, 5),
)


PERSONALITIES: tuple[Personality, ...] = ("immediate", "immediate", "ethereum", "fabric")


@dataclass(frozen=True, slots=True)
class LifeConfig:
    """How long a life is, in virtual hours, and how much happens in it."""

    hours: int = 24
    healing: int = 24  # within which everything must be whole after the last fault
    operations: int = 24  # of each client
    clients: int = 2
    faults: int = 24
    beyond: bool = False  # whether more is taken than redundancy bears
    tidy: bool = False  # whether it goes on until nothing may be left over
    world: WorldConfig = field(default_factory=WorldConfig)

    @property
    def seconds(self) -> float:
        """Of faults."""
        return self.hours * HOUR


def settle(profile: str, draw: Entropy) -> LifeConfig:
    """The life that a seed has under a profile; KeyError when there is no such profile."""
    return PROFILES[profile](draw)


def _brief(draw: Entropy) -> LifeConfig:
    """A day of six nodes: what every change has to pass."""
    return _drawn(LifeConfig(), draw, nodes=6, epochs=(HOUR, 2 * HOUR))


def _dense(draw: Entropy) -> LifeConfig:
    """A week of ten nodes with a fault every one and a half hours."""
    life = LifeConfig(hours=7 * 24, healing=48, operations=40, faults=130)
    return _drawn(life, draw, nodes=10, epochs=(4 * HOUR,))


def _sparse(draw: Entropy) -> LifeConfig:
    """A year of eight nodes."""
    life = LifeConfig(hours=365 * 24, healing=30 * 24, operations=60, faults=100)
    return _drawn(life, draw, nodes=8, epochs=(5 * DAY, 7 * DAY))


def _beyond(draw: Entropy) -> LifeConfig:
    """Two days of six nodes, of which more is taken than redundancy bears."""
    life = LifeConfig(hours=48, operations=24, faults=40, beyond=True)
    return _drawn(life, draw, nodes=6, epochs=(HOUR, 2 * HOUR))


PROFILES: Mapping[str, Callable[[Entropy], LifeConfig]] = {
    "brief": _brief,
    "dense": _dense,
    "sparse": _sparse,
    "beyond": _beyond,
}


def _drawn(life: LifeConfig, draw: Entropy, nodes: int, epochs: tuple[float, ...]) -> LifeConfig:
    epoch = one_of(draw, epochs)
    world = WorldConfig(
        nodes=nodes,
        redundancy=one_of(draw, POLICIES),
        leaves=one_of(draw, (8, 4, 16)),
        lag=one_of(draw, (0, 1, 3)),
        personality=one_of(draw, PERSONALITIES),
        links=_links(draw),
        paces=_paces(epoch),
        drift=MOST_AHEAD / (life.seconds + life.healing * HOUR),
        epoch=int(epoch),
        heartbeat=int(epoch / 2),
        unreachable=int(epoch),
        retention=int(6 * epoch),
        receipt_validity=int(epoch),
        stray_grace=int(3 * epoch),
    )
    return replace(life, tidy=not below(draw, 4), world=world)


def _links(draw: Entropy) -> LinkConditions:
    """Perfect ones in one life of four."""
    if not below(draw, 4):
        return LinkConditions()
    return LinkConditions(
        latency=fraction(draw) * 0.05,
        jitter=fraction(draw) * 0.02,
        lost=fraction(draw) * 0.002,
        broken=fraction(draw) * 0.002,
        duplicated=fraction(draw) * 0.01,
    )


def _paces(epoch: float) -> Paces:
    """As much in an epoch whatever its length."""
    return Paces(
        prover=epoch / 8,
        scrubber=epoch / 4,
        scrub_within=12 * epoch,
        restore_within=2 * epoch,
        collector=epoch,
        auditor=epoch / 4,
        health=epoch / 4,
        migrator=epoch / 4,
        renewer=2 * epoch,
        journal=4 * epoch,
        tick=max(MINUTE, epoch / 12),
    )
