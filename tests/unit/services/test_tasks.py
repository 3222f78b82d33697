"""What an owner node tells of its own tasks and those of others."""

import pytest

from xdb.errors import NotFoundError, UnavailableError
from xdb.model.ids import Digest
from xdb.model.registry import Endpoint
from xdb.services.tasks import TaskOverview
from xdb.testing.network import network
from xdb.testing.tasks import task

FIRST, SECOND = (Endpoint(f"chain-{n}:7000", Digest(bytes(32))) for n in (1, 2))


class Peers:
    """Answers for the nodes and servers it knows."""

    def __init__(self, nodes=(), servers=()):
        self.nodes, self.servers = dict(nodes), dict(servers)

    async def of_node(self, node):
        return self.nodes[node.node]

    async def of_server(self, endpoint):
        if endpoint not in self.servers:
            raise UnavailableError(f"{endpoint.address} does not answer")
        return self.servers[endpoint]


@pytest.fixture
async def net():
    async with network(1) as made:
        yield made


def overview(net, peers):
    return TaskOverview(lambda: (task("own"),), net.index, peers, (FIRST, SECOND))


async def test_of_a_node(net):
    (node,) = net.members
    made = overview(net, Peers(nodes={node: (task("scrub"),)}))
    assert (await made.of_node(node)).tasks == (task("scrub"),)
    with pytest.raises(NotFoundError, match="there is no node"):
        await made.of_node(bytes(20))


async def test_of_all_chain_servers_that_answer(net):
    answers = {FIRST: (task("a"),), SECOND: (task("b"),)}
    found = await overview(net, Peers(servers=answers)).of_chain()
    assert (found.tasks, found.problems) == ((task("a"), task("b")), ())
    del answers[FIRST]
    found = await overview(net, Peers(servers=answers)).of_chain()
    assert (found.tasks, found.problems) == ((task("b"),), ("chain-1:7000 does not answer",))


async def test_of_a_chain_without_tasks(net):
    found = await overview(net, Peers(servers={FIRST: ()})).of_chain()
    assert (found.tasks, len(found.problems)) == ((), 1)


async def test_no_chain_server_answers(net):
    with pytest.raises(UnavailableError, match="chain-1:7000 does not answer; chain-2:7000"):
        await overview(net, Peers()).of_chain()
