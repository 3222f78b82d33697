"""Another node's copy of the chain becomes the sequencer's."""

import asyncio
import shutil
from pathlib import Path

from xdb.blockchain.embedded.opening import open_ledger
from xdb.blockchain.embedded.promotion import check_promotion
from xdb.config.address import parse_endpoint
from xdb.errors import ConfigError
from xdb.node.daemons.chain import Prepared
from xdb.node.machine import CHAIN, Machine, machine, owner_of
from xdb.peer.chain import GrpcChainPeers
from xdb.ports.peer import RemoteHead
from xdb.store.lock import DirectoryLock

COPY = "chain.new"


async def promote(
    prepared: Prepared, source: Path, compare: tuple[str, ...], *, forced: bool
) -> int:
    """Copies the chain in the data directory `source` and gives its height.

    ConfigError when this server has a chain already, the other node runs, or nodes named
    in `compare` have blocks that the copy lacks; IntegrityError when histories differ.
    """
    config, genesis = prepared.config, prepared.genesis
    if not (source / CHAIN).is_dir():
        raise ConfigError(f"{source / CHAIN}: no chain there: name a node's data directory")
    owner = owner_of("chain", genesis.sequencer, genesis.deployment)
    async with machine(config.data, config.kv, config.process, owner) as here:
        if (here.data / CHAIN).exists():
            raise ConfigError(
                f"{here.data / CHAIN}: this server has a chain: move it away, if it is lost"
            )
        lock = DirectoryLock(source)
        try:
            await asyncio.to_thread(_copy, source / CHAIN, here.data / COPY)
        finally:
            lock.release()
        height = await _check(here, prepared, compare, forced=forced)
        (here.data / COPY).rename(here.data / CHAIN)
        return height


def _copy(source: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)


async def _check(
    here: Machine, prepared: Prepared, compare: tuple[str, ...], *, forced: bool
) -> int:
    kv = here.open_kv(COPY)
    try:
        ledger = await open_ledger(kv, prepared.genesis, here.compute)
        heads = await _heads(here, compare)
        check_promotion(ledger, prepared.signer, heads, forced=forced)
        return ledger.head.height
    finally:
        kv.close()


async def _heads(here: Machine, compare: tuple[str, ...]) -> list[RemoteHead]:
    peers = GrpcChainPeers(here.connections())
    return [await peers.peer(parse_endpoint(each)).head() for each in compare]
