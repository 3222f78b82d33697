"""When a ledger may become the sequencer's."""

from collections.abc import Iterable

from xdb.blockchain.embedded.ledger import Ledger
from xdb.errors import ConfigError, IntegrityError
from xdb.ports.keys import Signer
from xdb.ports.peer import RemoteHead


def check_promotion(
    ledger: Ledger, signer: Signer, heads: Iterable[RemoteHead], *, forced: bool = False
) -> None:
    """Refuses to let `ledger` go on as the sequencer's. `heads` are those of known servers.

    Blocks that others have and this ledger lacks would be made a second time, with other
    content: everybody who has them would stop. `forced` gives them up for lost.
    IntegrityError when the histories differ already, ConfigError otherwise.
    """
    if signer.address != ledger.genesis.sequencer:
        raise ConfigError(
            f"the key is that of {signer.address.hex()}, the genesis names the sequencer "
            f"{ledger.genesis.sequencer.hex()}: promotion needs the sequencer's key"
        )
    if ledger.contradiction is not None:
        raise IntegrityError(ledger.contradiction)
    here = ledger.head.height
    for head in heads:
        if 0 < head.height <= here and head.block != ledger.id_of(head.height):
            raise IntegrityError(
                f"block {head.height} is {ledger.id_of(head.height).hex()} here and "
                f"{head.block.hex()} at another server: find out which history holds"
            )
        if head.height > here and not forced:
            raise ConfigError(
                f"this ledger ends at block {here}, another server is at {head.height}: let this "
                "node catch up first, or promote the other one; forced, what this one lacks is "
                "lost and whoever has it stops"
            )
