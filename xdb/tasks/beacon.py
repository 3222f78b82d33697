"""Beacon: reveals the seed of every epoch, from which its audits are drawn."""

from dataclasses import dataclass

from xdb.blockchain.embedded.ledger import Ledger
from xdb.blockchain.embedded.sequencer import Sequencer
from xdb.core.beacon import HashChain
from xdb.core.rules.seeds import is_late
from xdb.errors import RefusedCallError
from xdb.model.calls import RevealSeed
from xdb.model.refusal import Refusal
from xdb.ports.blockchain import Registry


@dataclass(frozen=True, slots=True)
class BeaconReport:
    """The epoch it is; `idle` says why its seed was not revealed now, empty when it was."""

    epoch: int
    idle: str = ""


@dataclass(frozen=True, slots=True)
class BeaconTask:
    """The only beacon of a deployment, beside the sequencer.

    It keeps nothing: what was revealed stands in the ledger. Epochs that passed without it
    have no seed, and their preimages are skipped.
    """

    chain: HashChain
    ledger: Ledger
    sequencer: Sequencer
    registry: Registry

    async def run_once(self) -> BeaconReport:
        """Reveals the seed of the present epoch, when it is missing and still taken."""
        # Not the head's time: after a pause of the sequencer that lies in a past epoch.
        parameters, time = self.registry.parameters, self.sequencer.time
        epoch = parameters.epoch_at(time)
        if time < parameters.start:
            return BeaconReport(epoch, "the first epoch has not begun")
        if self._has_seed(epoch):
            return BeaconReport(epoch, "it has its seed")
        if is_late(parameters, time):
            return BeaconReport(epoch, "its first half is over: the next one gets a seed")
        call = RevealSeed(epoch, (self.chain.preimage(epoch),))
        try:
            await self.registry.submit(call)
        except RefusedCallError as error:
            if self._has_seed(epoch):
                return BeaconReport(epoch, "somebody else revealed its seed")
            if error.refusal != Refusal.EPOCH:
                raise
            return BeaconReport(epoch, str(error))
        return BeaconReport(epoch)

    def _has_seed(self, epoch: int) -> bool:
        newest = self.ledger.newest_seed()
        return newest is not None and newest.epoch >= epoch
