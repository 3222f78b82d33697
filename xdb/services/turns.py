"""Long looks at everything, in turns with all else that a node does."""

from dataclasses import dataclass, field

from xdb.ports.clock import Clock

SHARE = 0.25
"""Part of the time that a long look may take, however much there is to look at."""


@dataclass(slots=True)
class Turns:
    """Work between two rests takes its share of the time, the rests take the others."""

    clock: Clock
    share: float = SHARE
    _begun: float = field(init=False)

    def __post_init__(self) -> None:
        """The first turn begins now."""
        self._begun = self.clock.monotonic()

    async def rest(self) -> None:
        """Lets others have their turn, for as long as this one took and more."""
        spent = self.clock.monotonic() - self._begun
        await self.clock.sleep(spent * (1 / self.share - 1))
        self._begun = self.clock.monotonic()
