"""The chain server of a testnet reveals seeds, and one that was promoted goes on with it."""

import asyncio
import subprocess
import sys
from contextlib import aclosing

from xdb.blockchain.embedded.blocks import read_block
from xdb.blockchain.embedded.genesis import load_genesis
from xdb.core.wire import read_call
from xdb.model.calls import RevealSeed
from xdb.model.refusal import Refusal
from xdb.model.registry import Endpoint
from xdb.node.machine import CERTIFICATE
from xdb.peer.certificates import read_certificate
from xdb.peer.chain import GrpcChainPeers
from xdb.peer.connections import Connections


async def revealed(net, count):
    """The epochs of the first `count` seeds, as everybody can read them."""
    genesis = load_genesis(net.layout.genesis)
    certificate = read_certificate(net.directory / "chain" / "data" / CERTIFICATE)
    server = Endpoint(net.status()["chain"].address, certificate.fingerprint)
    connections, epochs = Connections(), []
    try:
        peer = GrpcChainPeers(connections).peer(server)
        async with asyncio.timeout(60), aclosing(peer.blocks(1)) as blocks:
            async for data in blocks:
                block = read_block(data, genesis.deployment, genesis.sequencer)
                for transaction in block.transactions:
                    call = read_call(transaction.envelope.call)
                    if isinstance(call, RevealSeed) and transaction.refusal is Refusal.NONE:
                        epochs.append(call.epoch)
                if len(epochs) >= count:
                    return epochs
    finally:
        await connections.close()


def promote(net, copy):
    """The chain server loses its disk, and goes on with what a node's directory `copy` has."""
    net.kill("chain")
    copy.mkdir()
    (net.directory / "chain" / "data" / "chain").rename(copy / "chain")
    command = [sys.executable, "-m", "xdb.node", "chain", "--config"]
    command += [net.directory / "chain" / "chain.toml"]
    command += ["--promote", copy]
    subprocess.run(command, check=True, capture_output=True)


async def test_every_epoch_of_a_testnet_gets_a_seed(make_net, tmp_path):
    net = make_net(nodes=0, epoch=2)
    net.start()
    before = await revealed(net, 2)
    assert before[1] == before[0] + 1
    promote(net, tmp_path / "copy")
    net.start()
    after = await revealed(net, 4)
    assert after[:2] == before
    assert after == sorted(set(after)), "each epoch has one seed"
