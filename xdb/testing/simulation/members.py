"""The storage nodes of a network in memory, reached over a simulated network."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from xdb.model.calls import UpdateNode
from xdb.peer.requests import RequestSigner
from xdb.peer.storage import GrpcStoragePeers
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.network import Member, Network
from xdb.testing.serving import served
from xdb.testing.simulation.fabric import host_of
from xdb.testing.simulation.links import PERFECT, LinkConditions
from xdb.testing.simulation.network import SimulatedNetwork, simulated_certificate


def address_of(member: Member) -> str:
    """Where a member is reached: its record says so since it registered."""
    return f"{member.key.name}.example:7000"


class SimulatedMembers:
    """A `SimulatedNetwork` with the members of a `Network` on it."""

    def __init__(self, net: Network, simulated: SimulatedNetwork) -> None:
        self.net = net
        self.simulated = simulated
        self._serving: dict[str, AsyncExitStack] = {}

    async def start(self, member: Member) -> None:
        """Serves a member, and has its record say with which certificate."""
        address = address_of(member)
        stack = self._serving[address] = AsyncExitStack()
        record = await stack.enter_async_context(
            served(
                member.custody,
                listen=address,
                certificate=simulated_certificate(address),
                by=self.simulated.serve,
            )
        )
        found = self.net.index.node(member.node)
        if found is None or found.record.endpoint != record.endpoint:
            self.net.chain.call(member.key.address, UpdateNode(endpoint=record.endpoint))
            await self.net.caught_up()

    async def stop(self, member: Member) -> None:
        """Serves it no more."""
        await self._serving.pop(address_of(member)).aclose()

    async def restart(self, member: Member) -> None:
        """Kills its process; a new one serves from its disk."""
        self.simulated.kill(address_of(member))
        await self.stop(member)
        await self.net.restart(member.node)
        await self.start(member)

    def peers(self, caller: NamedKey) -> GrpcStoragePeers:
        """The members as a caller on a host of its own name reaches them."""
        deployment, clock = self.net.chain.deployment, self.net.clock
        signer = RequestSigner(caller, deployment, clock, SeededEntropy(f"caller {caller.name}"))
        return GrpcStoragePeers(signer, self.simulated.connections(caller.name))

    async def close(self) -> None:
        """Ends all of it."""
        await self.simulated.close()
        for stack in self._serving.values():
            await stack.aclose()


@asynccontextmanager
async def simulated_members(
    net: Network, seed: int = 0, conditions: LinkConditions = PERFECT
) -> AsyncIterator[SimulatedMembers]:
    """All members, served on a simulated network with links of these conditions."""
    simulated = SimulatedNetwork(net.clock, SeededEntropy(seed), conditions)
    made = SimulatedMembers(net, simulated)
    try:
        for member in net.members.values():
            await made.start(member)
        yield made
    finally:
        await made.close()


def hosts(*members: Member) -> set[str]:
    """The machines they are on."""
    return {host_of(address_of(member)) for member in members}
