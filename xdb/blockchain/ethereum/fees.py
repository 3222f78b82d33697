"""What a transaction offers for its gas (EIP-1559), within caps."""

from dataclasses import dataclass

from xdb.blockchain.ethereum.config import FeeConfig
from xdb.errors import UnavailableError

GWEI = 10**9
ETHER = 10**18


@dataclass(frozen=True, slots=True)
class Fees:
    """The most for a unit of gas, and what of it goes to the block's maker. Wei."""

    fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class Market:
    """The base fee of the newest block, and a tip that was usual in it. Wei."""

    base: int
    tip: int


def offer(market: Market, config: FeeConfig) -> Fees:
    """For a new transaction: good for a base fee that doubles, as far as the cap allows.

    UnavailableError when the cap does not even pay the next block.
    """
    tip = _tip(market, config)
    needed = market.base + tip
    if needed > config.most:
        raise UnavailableError(
            f"gas costs {gwei(needed)} now, more than chain.fees.most allows "
            f"({gwei(config.most)}): nothing was sent; wait until it is cheaper, or raise the cap"
        )
    return Fees(min(2 * market.base + tip, config.most), tip)


def raised(last: Fees, market: Market, config: FeeConfig) -> Fees | None:
    """For a replacement: clearly above the last offer; None when the cap forbids it."""
    wanted = Fees(
        max(_bumped(last.fee, config), 2 * market.base + _tip(market, config)),
        max(_bumped(last.tip, config), _tip(market, config)),
    )
    fee = min(wanted.fee, config.most)
    if fee < _bumped(last.fee, config):
        return None
    return Fees(fee, min(wanted.tip, fee))


def gwei(amount: int) -> str:
    """A fee as people read it."""
    return f"{amount / GWEI:.9g} gwei"


def ether(amount: int) -> str:
    """An amount as people read it."""
    return f"{amount / ETHER:.9g} ether"


def _tip(market: Market, config: FeeConfig) -> int:
    return min(max(market.tip, config.least_tip), config.most_tip)


def _bumped(amount: int, config: FeeConfig) -> int:
    return -(-amount * (100 + config.bump) // 100)
