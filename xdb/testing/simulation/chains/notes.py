"""What happened on a simulated chain."""

from collections import Counter

from xdb.testing.simulation.run import Simulation

CHAIN_STATES = (
    "a reorganisation undid a publish",
    "a reorganisation undid a move",
    "a reorganisation undid a deletion",
    "a reorganisation undid a proof",
    "a reorganisation undid a seed",
    "a reorganisation was seven blocks deep",
    "undone calls were dropped",
    "undone calls came in another order",
    "undone calls came again as they were",
    "a call that had taken effect was refused",
    "a transaction was dropped",
    "a transaction was sent again",
    "a slot was missed",
    "a call was refused in its block",
    "a call's outcome stayed unknown",
    "a node's view stood still",
    "a node's view failed",
    "an MVCC conflict was started over",
    "a phantom was started over",
    "a commit status was lost",
    "an envelope was sent again",
    "an envelope was sent twice and took effect once",
)
"""What a chain of some personality can come to, for whoever declares it."""


class Notes:
    """Counts what happens; in the simulation's counters and trace, too, when it is declared."""

    def __init__(self, simulation: Simulation) -> None:
        self.seen: Counter[str] = Counter()
        self._simulation = simulation
        self._declared = frozenset(simulation.counters.counts())

    def reached(self, state: str) -> None:
        """One of `CHAIN_STATES`."""
        if state not in CHAIN_STATES:
            raise KeyError(f"{state!r} is no state of chains: declare it in CHAIN_STATES")
        self.seen[state] += 1
        self._simulation.record("chain", state)
        if state in self._declared:
            self._simulation.counters.reached(state)
