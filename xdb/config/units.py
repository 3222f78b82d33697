"""Sizes and durations as people write them."""

import re
from fractions import Fraction
from types import MappingProxyType

SIZES = MappingProxyType(
    {"": 1, "B": 1}
    | {f"{prefix}iB": 1 << (10 * power) for power, prefix in enumerate("KMGTP", start=1)}
    | {f"{prefix}B": 1000**power for power, prefix in enumerate("kMGTP", start=1)}
)
"""Bytes per unit: binary ones as KiB, decimal ones as kB."""

DURATIONS = MappingProxyType(
    {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
)
"""Seconds per unit."""

AMOUNTS = MappingProxyType({"": 1, "wei": 1, "gwei": 10**9, "ether": 10**18})
"""Wei per unit."""

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def parse_size(text: str) -> int:
    """Bytes in `4 MiB`, `10 GiB`, `500 kB` or `4096`; ValueError says what is possible."""
    amount, factor = _quantity(text, SIZES, "a size such as '4 MiB' or '500 kB'")
    return round(amount * factor)


def parse_duration(text: str) -> float:
    """Seconds in `30s`, `5 min`, `36 h`, `7d` or `90`; ValueError says what is possible."""
    amount, factor = _quantity(text, DURATIONS, "a duration such as '30s', '5 min' or '7d'")
    return amount * factor


def parse_amount(text: str) -> int:
    """Wei in `30 gwei`, `0.05 ether` or `1000 wei`, exactly; ValueError says what is possible."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] not in AMOUNTS:
        known = ", ".join(unit for unit in AMOUNTS if unit)
        raise ValueError(
            f"{text!r} is not an amount such as '30 gwei' or '0.05 ether' (units: {known})"
        )
    amount = Fraction(match[1]) * AMOUNTS[match[2]]
    if amount.denominator != 1:
        raise ValueError(f"{text!r} is not a whole number of wei")
    return amount.numerator


def _quantity(
    text: str, units: MappingProxyType[str, int] | MappingProxyType[str, float], what: str
) -> tuple[float, float]:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] not in units:
        known = ", ".join(unit for unit in units if unit)
        raise ValueError(f"{text!r} is not {what} (units: {known})")
    return float(match[1]), units[match[2]]
