"""How soon a cheat must have been found, by the formulas that are published."""

from math import ceil, log

DOUBT = 1e-9
"""Chance that a bound is broken by luck: a trial that breaks one has found something."""

CERTAIN = 2
"""Epochs until a node that cannot answer is on the chain as *missed*.

It begins in an epoch that it has proved already, the next one asks, and its miss is known when
the one behind that gets its seed.
"""


def escapes(part: float, leaves: int) -> float:
    """Chance that an epoch's draws pass by a part of all leaves: (1 - f)^c."""
    return (1 - part) ** leaves


def epochs(part: float, leaves: int) -> int:
    """Epochs after which a part that is gone has been missed, but for `DOUBT`.

    n epochs let it pass with (1 - f)^(c n), so n = ln DOUBT / (c ln(1 - f)); the first of them
    ends `CERTAIN` epochs after the cheat began.
    """
    asked = 1 if part >= 1 else ceil(log(DOUBT) / (leaves * log(1 - part)))
    return CERTAIN - 1 + max(1, asked)
