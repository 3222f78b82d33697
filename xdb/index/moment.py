"""When an event took effect."""

from dataclasses import dataclass, replace

from xdb.model.registry import Parameters
from xdb.ports.blockchain import BlockEpoch


@dataclass(frozen=True, slots=True)
class Moment:
    """The block of an event, on a chain with these parameters."""

    parameters: Parameters
    height: int
    time: int
    counted: BlockEpoch | None = None  # where epochs are counted in blocks

    @property
    def epoch(self) -> int:
        """The epoch it falls into."""
        if self.counted is not None:
            return self.counted.number
        return self.parameters.epoch_at(self.time)

    @property
    def enters(self) -> int:
        """What enters an address space now counts for the draws of epochs after this one."""
        return self.epoch if self.counted is None else self.counted.enters


def anchored(parameters: Parameters, epoch: BlockEpoch | None) -> Parameters:
    """Parameters by which the present epoch, counted in blocks, has its number and its start.

    Others are as far from it as if no block were ever missing, which is good for lists
    and rates. Whether an epoch is over is for its successor's seed to say.
    """
    if epoch is None:
        return parameters
    return replace(parameters, start=max(0, epoch.start - epoch.number * parameters.epoch))
