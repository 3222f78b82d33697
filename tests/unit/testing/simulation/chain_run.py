"""A chain between three hosts on a bad network, in a simulated run.

Prints the hash of its trace, and the process's hash of a string.
"""

import asyncio
import sys
from contextlib import AsyncExitStack

from xdb.blockchain.embedded.backend import EmbeddedChain
from xdb.blockchain.embedded.config import FollowerConfig
from xdb.blockchain.embedded.sequencer import Sequencer
from xdb.blockchain.embedded.server import LedgerPeer
from xdb.errors import RefusedCallError, UnavailableError
from xdb.model.refusal import Refusal
from xdb.model.registry import Endpoint
from xdb.peer.chain import GrpcChainPeers
from xdb.rpc.chain import chain_service
from xdb.rpc.limits import Limits, Planes
from xdb.rpc.server import ServerSettings
from xdb.testing.embedded import SEQUENCER, ledger
from xdb.testing.keys import NamedKey
from xdb.testing.registry import node_call
from xdb.testing.simulation.clock import SimulatedClock
from xdb.testing.simulation.links import LinkConditions
from xdb.testing.simulation.network import SimulatedNetwork, simulated_certificate
from xdb.testing.simulation.run import run

BAD = LinkConditions(0.02, 0.1, 1e6, lost=0.02, broken=0.02, duplicated=0.2)
ADDRESS = "sequencer:1"
CALLS = 8


async def follower(network, clock, host, sequencer_ledger):
    """A host that follows the sequencer over the network."""
    certificate = simulated_certificate(ADDRESS)
    peers = GrpcChainPeers(network.connections(host))
    peer = peers.peer(Endpoint(ADDRESS, certificate.fingerprint))
    own = await ledger(sequencer_ledger.genesis)
    return EmbeddedChain(own, [peer], clock, FollowerConfig())


async def submit(chain, clock, entropy, key):
    """Submits until it is known to be included, perhaps by an attempt thought to have failed."""
    registry = chain.registry(key, entropy)
    failed = False
    while True:
        try:
            await registry.submit(node_call(key))
        except UnavailableError:
            failed = True
            await clock.sleep(10.0)
        except RefusedCallError as error:
            if not failed or error.refusal != Refusal.NODE_EXISTS:
                raise
            return
        else:
            return


async def main(simulation):
    """Gives the ledgers of all, the sequencer's first, and the faults there were."""
    clock, limits = SimulatedClock(simulation.loop), Limits()

    def observe(kind, source, target, size):
        simulation.record(source, f"{kind} to {target}: {size} bytes")

    network = SimulatedNetwork(clock, simulation.tape.stream("world"), BAD, observe)
    source = await ledger()
    sequencer = Sequencer(source, SEQUENCER, clock)
    settings = ServerSettings(
        ADDRESS, simulated_certificate(ADDRESS), clock, simulation.tape.stream("server"), limits
    )
    async with AsyncExitStack() as stack:
        service = chain_service(LedgerPeer(source, sequencer))
        await stack.enter_async_context(network.serve(settings, [service], Planes(limits)))
        hosts = ["one", "two"]
        chains = [await follower(network, clock, host, source) for host in hosts]
        running = [asyncio.create_task(each.run()) for each in (sequencer, *chains)]
        for host, chain in zip(hosts, chains, strict=True):
            for number in range(CALLS):
                key, entropy = NamedKey(f"{host}-{number}"), simulation.tape.stream(host)
                running.append(asyncio.create_task(submit(chain, clock, entropy, key)))
        await clock.sleep(0.3)
        network.partition({"one"}).end_after(100.0)
        await asyncio.gather(*running[3:])
        network.heal()
        for chain in chains:
            await chain.ledger.reached(source.head.height)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    await network.close()
    return [source, *(chain.ledger for chain in chains)], network.faults


if __name__ == "__main__":
    sys.stdout.write(f"{run(int(sys.argv[1]), main).trace} {hash('a string')}")
