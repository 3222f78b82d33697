"""What a number in a configuration counts.

A plain number to the type checker and to every user; the annotation tells the reader of
configuration files which units to expect ("4 MiB", "30s").
"""

from typing import Annotated

Size = Annotated[int, "bytes"]
"""Bytes."""

Seconds = Annotated[float, "seconds"]
"""Seconds."""

Wei = Annotated[int, "wei"]
"""Wei, of which 10^18 are one ether; as a fee, for a unit of gas."""
