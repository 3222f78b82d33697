import asyncio

import pytest

from xdb.errors import PlacementError, UnavailableError
from xdb.model.registry import Coding, Redundancy
from xdb.peer.tasks import GrpcTaskPeers
from xdb.testing.custody import SealedFile
from xdb.testing.network import network, until_done
from xdb.testing.owner import OwnerBench
from xdb.testing.simulation.links import LinkConditions
from xdb.testing.simulation.members import address_of, hosts, simulated_members

BAD = LinkConditions(
    latency=0.05, jitter=0.2, bandwidth=200_000.0, lost=0.03, broken=0.03, duplicated=0.2
)
DATA = bytes(range(256)) * 900  # four slices


def replicas(net):
    """How many replicas each member has."""
    return [len(member.disk.files("replicas")) for member in net.members.values()]


async def uploaded(bench, attempts=10):
    """What comes of an upload tried again as often as its error says."""
    request = bench.request()
    for _ in range(attempts):
        try:
            return await bench.upload(DATA, request)
        except (PlacementError, UnavailableError):
            await bench.run(bench.network.clock.sleep(60.0))
    raise TimeoutError(f"{attempts} attempts failed")


@pytest.mark.parametrize("seed", range(8))
async def test_an_upload_over_a_bad_network_ends_well(seed):
    async with network(5) as net, simulated_members(net, seed) as members:
        bench = OwnerBench(net, peers=members.peers(net.owner))
        members.simulated.shape(BAD)
        view = await uploaded(bench)
        assert len(set(view.record.holders)) == 3
        members.simulated.heal()
        assert await bench.download(view) == DATA
        assert members.simulated.faults.keys() & {"lost", "broken", "duplicated"}


async def test_a_push_that_is_duplicated_and_retried_is_stored_once():
    async with network(1) as net, simulated_members(net) as members:
        (member,) = net.members.values()
        file = SealedFile(
            net.chain.deployment, net.owner, "small", bytes(1000), Redundancy(Coding.COPIES, 1, 1)
        )
        peer = members.peers(net.owner).peer(net.index.node(member.node).record)
        (commitment,), (replica,) = file.commitments(1), file.replicas(1)
        await peer.status()
        members.simulated.shape(LinkConditions(duplicated=1.0), net.owner.name)
        (host,) = hosts(member)
        reset = members.simulated.clog(host, net.owner.name)

        async def push():
            await peer.push(file.ref(1), 0, commitment, replica)

        first = asyncio.ensure_future(push())
        await net.clock.advance(1.0)
        assert replicas(net) == [1]
        members.simulated.reset(net.owner.name, host)
        reset.end()
        with pytest.raises(UnavailableError):
            await first
        await push()
        await net.clock.advance(1.0)
        assert members.simulated.faults["duplicated"] == 2
        assert replicas(net) == [1]
        assert await peer.pull(file.key(1, 0)) == replica


async def test_a_node_cut_off_is_replaced_in_an_upload():
    async with network(4) as net, simulated_members(net) as members:
        bench = OwnerBench(net, peers=members.peers(net.owner))
        first = next(iter(net.members.values()))
        members.simulated.partition(hosts(first))
        view = await bench.upload(DATA)
        assert first.node not in view.record.holders
        assert len(view.record.holders) == 3


async def test_members_restart_during_an_upload():
    async with network(4) as net, simulated_members(net) as members:
        bench = OwnerBench(net, peers=members.peers(net.owner))
        members.simulated.shape(LinkConditions(latency=0.2, jitter=0.2))
        uploading = asyncio.ensure_future(bench.upload(DATA))
        for member in list(net.members.values()):
            await net.clock.advance(1.0)
            await members.restart(member)
        await until_done(net.clock, uploading)
        view = await uploading
        assert await bench.download(view) == DATA
        assert members.simulated.faults["killed"] == 4


async def test_tasks_are_told_over_the_network():
    async with network(1) as net, simulated_members(net) as members:
        (member,) = net.members.values()
        peers = members.peers(net.owner)
        asked = GrpcTaskPeers(peers.signer, peers.connections)
        assert await asked.of_node(net.index.node(member.node).record) == ()
        members.simulated.kill(address_of(member))
        with pytest.raises(UnavailableError):
            await asked.of_node(net.index.node(member.node).record)


async def test_a_duplicate_comes_second_so_that_it_is_the_one_refused():
    async with network(1) as net, simulated_members(net) as members:
        (member,) = net.members.values()
        peer = members.peers(net.owner).peer(net.index.node(member.node).record)
        await peer.status()
        members.simulated.shape(LinkConditions(duplicated=1.0, jitter=1.0))
        members.simulated.pause(net.owner.name).end_after(3.0)
        asked = asyncio.gather(*(peer.status() for _ in range(20)))
        await until_done(net.clock, asked)
        assert all(status.node == member.node for status in await asked)
        assert members.simulated.faults["duplicated"] == 20
