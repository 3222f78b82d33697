"""What can be set of the Ethereum backend."""

from dataclasses import dataclass

from xdb.errors import ConfigError
from xdb.model.units import Seconds, Wei

SMALLEST_BUMP = 10
"""Percent that a replacement has to add, by the rules of the usual nodes."""


@dataclass(frozen=True, slots=True)
class FeeConfig:
    """What a transaction may cost. Fees are for a unit of gas."""

    most: Wei = 100 * 10**9  # base fee and tip together
    least_tip: Wei = 10**8
    most_tip: Wei = 3 * 10**9
    daily: Wei = 5 * 10**16  # spent in a day by one key, 0.05 ether
    bump: int = 15  # percent that a replacement adds
    gas_margin: int = 20  # percent above the estimate
    most_gas: int = 16_000_000  # for one transaction (EIP-7825 allows 16,777,216)

    def __post_init__(self) -> None:
        """Replacements must be taken, and tips must fit below the cap."""
        if self.bump < SMALLEST_BUMP:
            raise ConfigError(f"bump is {self.bump} %: nodes take no less than {SMALLEST_BUMP} %")
        if not self.least_tip <= self.most_tip <= self.most:
            raise ConfigError(
                f"least_tip ({self.least_tip}), most_tip ({self.most_tip}) and most ({self.most}) "
                "must not fall in this order"
            )


@dataclass(frozen=True, slots=True)
class SendConfig:
    """How transactions are sent."""

    patience: Seconds = 300.0  # one that is in no block by then has an unknown outcome
    confirmations: int = 1  # blocks, its own included, before a call counts as included
    rebroadcast: Seconds = 30.0
    replace_after: Seconds = 90.0  # with a higher fee
    pause: Seconds = 3.0  # between looks at what became of them

    def __post_init__(self) -> None:
        """Its own block is the first confirmation."""
        if self.confirmations < 1:
            raise ConfigError("confirmations is below 1: the block it is in counts")


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """How the chain is followed, and when an endpoint is believed."""

    quorum: int = 2  # endpoints that must agree
    pause: Seconds = 4.0  # between looks for a new block
    answer: Seconds = 15.0  # from one endpoint
    stale: Seconds = 300.0  # the newest block may be this old
    ahead: Seconds = 60.0  # or so far ahead of the clock
    lag: int = 8  # blocks an endpoint may be behind the others
    range: int = 1000  # blocks in one question for events
    parallel: int = 8  # questions at once

    def __post_init__(self) -> None:
        """At least one endpoint has to say something."""
        if self.quorum < 1 or self.range < 1 or self.parallel < 1:
            raise ConfigError("quorum, range and parallel must be 1 at least")
