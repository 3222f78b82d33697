from datetime import UTC, datetime

import pytest

from xdb.config.sections import ChainAccess, KeyConfig, ServerConfig
from xdb.config.storage import NodeConfig, SpaceConfig, StorageConfig
from xdb.errors import ConfigError, NotFoundError, RefusedCallError
from xdb.model.calls import Resign, SetNodeState
from xdb.model.refusal import Refusal
from xdb.model.registry import NodeState
from xdb.node.operating import Action, Change, change, operate
from xdb.testing.desk import WorldDesk
from xdb.testing.keys import NamedKey
from xdb.testing.registry import DAY, World
from xdb.testnet import network
from xdb.testnet.create import Options, create

ONLINE, DRAINING = NodeState.ONLINE, NodeState.DRAINING
OFFLINE, LEFT = NodeState.OFFLINE, NodeState.LEFT


class Desk(WorldDesk):
    """With what is done at it."""

    async def do(self, action):
        return await change(self, self.key.node, action)


@pytest.fixture
def desk():
    world = World()
    return Desk(world, world.nodes[0])


async def test_drain_and_back(desk):
    node = desk.key.node
    assert await desk.do(Action.DRAIN) == Change(node, ONLINE, DRAINING, True, None)
    assert desk.state is DRAINING
    assert await desk.do(Action.ONLINE) == Change(node, DRAINING, ONLINE, True, None)
    assert desk.state is ONLINE


@pytest.mark.parametrize("action", list(Action))
async def test_everything_can_be_repeated(desk, action):
    if action is Action.LEAVE:
        await desk.do(Action.DRAIN)
    await desk.do(action)
    height = desk.world.chain.head.height
    again = await desk.do(action)
    assert not again.changed
    assert again.before is again.after is desk.state
    assert desk.world.chain.head.height == height


async def test_resigning_drains_and_says_when_it_may_leave(desk):
    done = await desk.do(Action.RESIGN)
    free = desk.world.now + desk.parameters.notice
    assert (done.before, done.after) == (ONLINE, DRAINING)
    assert done.may_leave == datetime.fromtimestamp(free, UTC)
    assert desk.state is DRAINING
    assert (await desk.do(Action.RESIGN)).may_leave == done.may_leave


async def test_resigning_while_offline_stays_offline(desk):
    await desk.do(Action.OFFLINE)
    assert (await desk.do(Action.RESIGN)).after is OFFLINE is desk.state


async def test_a_resigned_node_leaves_with_holdings_after_the_notice(desk):
    desk.world.publish(desk.world.alice, "f", life=90 * DAY)
    await desk.do(Action.RESIGN)
    desk.world.chain.advance(desk.parameters.notice)
    assert (await desk.do(Action.LEAVE)).after is LEFT is desk.state


async def test_leaving_unprepared_says_what_to_do(desk):
    with pytest.raises(RefusedCallError, match=r"does not drain and cannot leave: drain it") as why:
        await desk.do(Action.LEAVE)
    assert why.value.refusal == Refusal.NODE_STATE
    assert "resign (xdb-cli nodes resign) and leave 30 days later" in str(why.value)


async def test_leaving_with_files_says_what_to_do(desk):
    desk.world.publish(desk.world.alice, "f")
    await desk.do(Action.DRAIN)
    with pytest.raises(RefusedCallError, match="still holds files and cannot leave") as why:
        await desk.do(Action.LEAVE)
    assert why.value.refusal == Refusal.NODE_BUSY
    assert f"xdb-cli nodes info {desk.key.node.hex()[:8]}" in str(why.value)


async def test_leaving_within_the_notice_says_from_when(desk):
    desk.world.publish(desk.world.alice, "f")
    done = await desk.do(Action.RESIGN)
    with pytest.raises(RefusedCallError, match=f"leave at {done.may_leave:%Y-%m-%d %H:%M:%S} UTC"):
        await desk.do(Action.LEAVE)


async def test_a_resigned_node_does_not_come_back_online(desk):
    desk.world.call(desk.key, Resign())
    with pytest.raises(RefusedCallError, match="has resigned and takes nothing new"):
        await desk.do(Action.ONLINE)


@pytest.mark.parametrize("action", [Action.DRAIN, Action.ONLINE, Action.OFFLINE, Action.RESIGN])
async def test_what_has_left_has_left(desk, action):
    desk.world.call(desk.key, SetNodeState(DRAINING))
    desk.world.call(desk.key, SetNodeState(LEFT))
    with pytest.raises(RefusedCallError, match="has left for good"):
        await desk.do(action)


async def test_a_node_that_never_registered(desk):
    with pytest.raises(NotFoundError, match="start it once"):
        await change(desk, NamedKey("nobody").node, Action.DRAIN)


async def test_the_key_of_the_id_must_be_here(tmp_path):
    create(tmp_path / "net", Options(nodes=1))
    place = tmp_path / "net" / "node-1"
    config = StorageConfig(
        data=place / "data",
        server=ServerConfig("127.0.0.1:7401"),
        chain=ChainAccess(tmp_path / "net" / "genesis.toml", ("127.0.0.1:1#" + "00" * 32,)),
        signer=KeyConfig(place / "signer.json", place / "signer.password"),
        space=SpaceConfig(1 << 30),
        node=NodeConfig(id="ab" * 20),
    )
    with pytest.raises(ConfigError, match=r"the key of node abab.* add \[identity\]"):
        await operate(config, Action.DRAIN)
    assert list((place / "data").iterdir()) == []


def test_a_members_configuration(tmp_path):
    create(tmp_path / "net", Options(nodes=1))
    found = network.config_of(tmp_path / "net", "node-1", "storage")
    assert found == tmp_path / "net" / "node-1" / "storage.toml"
    with pytest.raises(ConfigError, match="no process 'node-2'"):
        network.config_of(tmp_path / "net", "node-2", "storage")
    with pytest.raises(ConfigError, match="owner is no storage node"):
        network.config_of(tmp_path / "net", "owner", "storage")
