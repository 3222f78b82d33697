"""How patient a caller is with others."""

from dataclasses import dataclass

from xdb.model.units import Seconds, Size


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """Deadlines and limits of calls to other nodes.

    A call that moves n bytes gets `bulk` + n / `pace` seconds.
    """

    connect: Seconds = 5.0  # to a certificate
    control: Seconds = 15.0  # for a whole call without bulk data
    bulk: Seconds = 20.0
    pace: Size = 128 << 10  # bytes per second, at least
    bulk_calls: int = 16  # at once, to one node; the server takes no more from one caller

    def for_bytes(self, count: int) -> float:
        """Seconds that a call moving `count` bytes may take."""
        return self.bulk + count / self.pace
