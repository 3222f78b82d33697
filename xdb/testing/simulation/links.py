"""Directed links between hosts: how long a message takes, and what happens to it on its way."""

import math
from dataclasses import dataclass, field
from enum import Enum

from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy

_BITS = 53  # of a float's mantissa


@dataclass(frozen=True, slots=True)
class LinkConditions:
    """What a link is like. Chances are between 0 and 1, of each message by itself."""

    latency: float = 0.0  # seconds, at least
    jitter: float = 0.0  # mean of the seconds on top; exponentially distributed
    bandwidth: float | None = None  # bytes per second of all messages together; None: no bound
    lost: float = 0.0  # never arrives, nor does what follows it in the same call
    broken: float = 0.0  # its connection breaks, with all calls on it
    duplicated: float = 0.0  # a request of one message arrives once more, later


PERFECT = LinkConditions()
"""Everything arrives at once."""


class Fate(Enum):
    """What becomes of one message."""

    ARRIVES = "arrives"
    LOST = "lost"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Dice:
    """Draws from one stream. What cannot happen costs no draw; of zeros nothing happens."""

    entropy: Entropy

    def happens(self, chance: float) -> bool:
        """Whether something of that chance happens now."""
        return chance > 0 and self._uniform() >= 1 - chance

    def exponential(self, mean: float) -> float:
        """An exponentially distributed number, in whole millionths."""
        if mean <= 0:
            return 0.0
        return round(-mean * math.log(1 - self._uniform()), 6)

    def _uniform(self) -> float:
        return (int.from_bytes(self.entropy.draw(8)) >> (64 - _BITS)) / (1 << _BITS)


@dataclass(slots=True)
class Link:
    """One direction between two hosts. Its conditions may change at any time."""

    source: str
    target: str
    clock: Clock
    dice: Dice
    conditions: LinkConditions = PERFECT
    _free: float = field(default=-math.inf, init=False)  # when the line has sent what it was given

    def arrival(self, size: int) -> float:
        """When a message of that size sent now arrives, in the clock's monotonic seconds."""
        now, conditions = self.clock.monotonic(), self.conditions
        if conditions.bandwidth is not None:
            now = self._free = max(now, self._free) + size / conditions.bandwidth
        return now + conditions.latency + self.dice.exponential(conditions.jitter)

    def fate(self) -> Fate:
        """What becomes of a message sent now."""
        if self.dice.happens(self.conditions.lost):
            return Fate.LOST
        if self.dice.happens(self.conditions.broken):
            return Fate.BROKEN
        return Fate.ARRIVES

    def duplicates(self) -> bool:
        """Whether a request sent now arrives twice."""
        return self.dice.happens(self.conditions.duplicated)
