"""Periodic tasks of other daemons, asked over real gRPC."""

from dataclasses import replace

import pytest

from xdb.client import Client
from xdb.errors import AuthError, InvalidRequestError, NotFoundError
from xdb.model.ids import Address
from xdb.model.registry import Endpoint
from xdb.peer.certificates import make_certificate
from xdb.peer.connections import Connections
from xdb.peer.requests import RequestSigner
from xdb.peer.tasks import GrpcTaskPeers
from xdb.rpc.limits import Limits, Planes
from xdb.rpc.server import ServerSettings, serve
from xdb.rpc.tasks import task_service
from xdb.services.admission import Admission
from xdb.testing.clock import FakeClock
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.network import network
from xdb.testing.owner_serving import owner_served
from xdb.testing.serving import served
from xdb.testing.tasks import task

STRANGER = NamedKey("stranger")
FAILED = task("b", failures=2, last_error="nobody there: try later", degraded=True)


@pytest.fixture
async def net():
    async with network(1) as made:
        yield made


@pytest.fixture
async def connections():
    made = Connections()
    yield made
    await made.close()


def peers_of(net, connections, key):
    signer = RequestSigner(key, net.chain.deployment, net.clock, SeededEntropy(key.name))
    return GrpcTaskPeers(signer, connections)


async def test_a_storage_node_tells_those_whom_it_serves(net, connections):
    (member,) = net.members.values()
    custody = replace(member.custody, admission=Admission(frozenset({net.owner.address})))
    async with served(custody, tasks=(task("a"), FAILED)) as record:
        found = await peers_of(net, connections, net.owner).of_node(record)
        assert found == (task("a"), FAILED)
        with pytest.raises(AuthError, match="does not serve owner"):
            await peers_of(net, connections, STRANGER).of_node(record)


async def test_a_chain_server_tells_anybody(net, connections):
    certificate, limits = make_certificate(), Limits()
    settings = ServerSettings(
        "127.0.0.1:0", certificate, FakeClock(), SeededEntropy("server"), limits
    )
    told = task("beacon", server="pretended")
    async with serve(settings, [task_service(lambda: (told,))], Planes(limits)) as port:
        endpoint = Endpoint(f"127.0.0.1:{port}", certificate.fingerprint)
        found = await peers_of(net, connections, STRANGER).of_server(endpoint)
    assert found == (task("beacon", server=endpoint.address),)


async def test_an_owner_node_asks_for_its_clients(net):
    (node,) = net.members
    async with owner_served(net) as made:

        def client(key):
            return Client(made.context, key, clock=net.clock, entropy=SeededEntropy(key.name))

        async with client(net.owner) as xdb:
            assert [each.name for each in (await xdb.nodes.tasks()).tasks] == ["journal"]
            (found,) = (await xdb.nodes.tasks(node)).tasks
            assert (found.name, found.every, found.last_report) == ("heartbeat", 600, "heartbeat 1")
            with pytest.raises(NotFoundError):
                await xdb.nodes.tasks(Address(bytes(20)))
            for wrong in ({"node": b"short"}, {"node": node, "chain": True}):
                with pytest.raises(InvalidRequestError):
                    await xdb.nodes.tasks(**wrong)
        async with client(STRANGER) as xdb:
            with pytest.raises(AuthError):
                await xdb.nodes.tasks()
