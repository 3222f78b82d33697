"""What can be set of the embedded chain."""

from dataclasses import dataclass

from xdb.model.registry import Parameters
from xdb.model.units import Seconds, Size


@dataclass(frozen=True, slots=True)
class SequencerConfig:
    """How much the sequencer takes."""

    calls_per_second: float = 50.0  # from one sender, over time
    burst: int = 200  # from one sender, at once
    waiting: int = 2000  # calls not yet in a block
    waiting_per_sender: int = 200
    envelope: Size = 1 << 20
    block_calls: int = 256
    block_size: Size = 3 << 20  # of envelopes, so that a block fits one message


@dataclass(frozen=True, slots=True)
class FollowerConfig:
    """How a node follows the chain."""

    silence: Seconds = 5.0  # beyond three ticks; then a server is left for another
    answer: Seconds = 10.0
    ahead: Seconds = 30.0  # how far blocks may be ahead of the clock
    compare: Seconds = 30.0  # how often the servers' heads are compared
    pause: Seconds = 0.2  # before the first new attempt
    longest_pause: Seconds = 10.0


@dataclass(frozen=True, slots=True)
class SubmitConfig:
    """How a node sends calls."""

    patience: Seconds = 60.0  # a call that is in no block by then has failed
    answer: Seconds = 20.0  # from one server
    pause: Seconds = 0.05
    longest_pause: Seconds = 2.0

    def lifetime(self, parameters: Parameters) -> int:
        """Seconds of chain time for which an envelope is good."""
        return min(int(self.patience), parameters.envelope_lifetime)
