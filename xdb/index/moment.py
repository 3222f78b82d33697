"""When an event took effect."""

from dataclasses import dataclass

from xdb.model.registry import Parameters


@dataclass(frozen=True, slots=True)
class Moment:
    """The block of an event, on a chain with these parameters."""

    parameters: Parameters
    height: int
    time: int

    @property
    def epoch(self) -> int:
        """The epoch it falls into."""
        return self.parameters.epoch_at(self.time)
