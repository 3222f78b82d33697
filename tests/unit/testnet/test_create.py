import json
import stat
import tomllib

import pytest

from xdb.blockchain.embedded.genesis import load_genesis
from xdb.client.context import read_context
from xdb.config.roles import kind_of
from xdb.config.sections import KeyConfig
from xdb.config.source import load
from xdb.errors import ConfigError, CorruptFileError, UnavailableError
from xdb.node.daemons import chain
from xdb.node.machine import open_key
from xdb.testnet import network
from xdb.testnet.create import Options, create
from xdb.testnet.layout import Layout, read_plan
from xdb.testnet.relay import Way, read_ways


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    directory = tmp_path_factory.mktemp("testnet") / "net"
    create(directory, Options(nodes=2, parameters={"epoch": 60, "retention": 3600}))
    return Layout(directory)


def test_members(net):
    members = read_plan(net)
    assert [member.name for member in members] == ["chain", "node-1", "node-2", "owner"]
    assert len({member.address for member in members}) == 4
    assert len({member.id for member in members}) == 4


def test_every_configuration_loads(net):
    for member in read_plan(net):
        config = load(kind_of(member.role), net.config(member), {})
        assert config.server.address == member.address


def test_genesis_has_the_parameters(net):
    parameters = load_genesis(net.genesis).parameters
    assert (parameters.epoch, parameters.heartbeat, parameters.leaves_per_epoch) == (60, 10, 64)


def test_the_chain_server_is_its_beacon(net):
    config = load(kind_of("chain"), net.directory / "chain" / "chain.toml", {})
    prepared = chain.prepare(config)
    assert prepared.genesis.parameters.beacons == (prepared.beacon.chain.commitment,)
    assert prepared.beacon.signer.address != prepared.signer.address


def test_epoch_is_an_option(tmp_path):
    create(tmp_path / "net", Options(nodes=0, epoch=7))
    assert load_genesis(tmp_path / "net" / "genesis.toml").parameters.epoch == 7
    create(tmp_path / "default", Options(nodes=0))
    assert load_genesis(tmp_path / "default" / "genesis.toml").parameters.epoch == 60


def test_parameters_that_cannot_work(tmp_path):
    with pytest.raises(ConfigError, match="shorter than two epochs"):
        create(tmp_path / "net", Options(epoch=30 * 86400))
    assert not (tmp_path / "net").exists()


def test_context_is_what_a_client_needs(net):
    context = read_context(net.context)
    owner = next(member for member in read_plan(net) if member.role == "owner")
    assert context.owner.hex() == owner.id
    assert context.endpoint.address == owner.address
    assert context.deployment == load_genesis(net.genesis).deployment
    key = open_key(KeyConfig(context.keystore, context.password_file))
    allowed = tomllib.loads(net.config(owner).read_text())["clients"]["allow"]
    assert allowed == [key.address.hex()]


def test_secrets_are_private(net):
    for pattern in ("*/*.json", "*/*.password", "*/data/certificate.pem"):
        found = list(net.directory.glob(pattern))
        assert found
        for path in found:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_is_overwritten(net):
    with pytest.raises(ConfigError, match="is not empty"):
        create(net.directory)


def test_failure_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        create(tmp_path / "net", Options(parameters={"no_such": 1}))
    assert not (tmp_path / "net").exists()


def test_nothing_runs_yet(net):
    assert [process.pid for process in network.status(net.directory)] == [None] * 4


def test_no_network_here(tmp_path):
    with pytest.raises(ConfigError, match="no testnet here; make one with: xdb-cli testnet up"):
        network.status(tmp_path)
    with pytest.raises(ConfigError, match="no testnet here"):
        network.start(tmp_path / "absent")


def test_damaged_plan(tmp_path):
    (tmp_path / "testnet.json").write_text("{")
    with pytest.raises(CorruptFileError, match="make a new testnet"):
        network.status(tmp_path)


def test_unknown_member(net):
    with pytest.raises(ConfigError, match="no process 'node-9' in this testnet; there are chain"):
        network.kill(net.directory, "node-9")


# ---------------------------------------------------------------- with a relay


@pytest.fixture(scope="module")
def relayed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("testnet") / "relayed"
    create(directory, Options(nodes=2, relay=True))
    return Layout(directory)


def test_the_relay_stands_between(relayed):
    """Between every storage node and everybody else."""
    members = {member.name: member for member in read_plan(relayed)}
    assert list(members) == ["relay", "chain", "node-1", "node-2", "owner"]
    owner = load(kind_of("owner"), relayed.config(members["owner"]), {})
    (server,) = owner.chain.endpoints
    assert server.address == members["chain"].address
    ways = read_ways(relayed.config(members["relay"]))
    assert len({way.listen for way in ways} | {way.target for way in ways}) == 7
    for name in ("node-1", "node-2"):
        config = load(kind_of("storage"), relayed.config(members[name]), {})
        assert config.server.address == members[name].address
        (outwards,) = config.chain.endpoints
        assert outwards.certificate == server.certificate
        assert [way for way in ways if way.node == name] == [
            Way(name, config.server.address, config.server.listen),
            Way(name, outwards.address, server.address),
        ]


def test_cut_off_is_what_the_relay_is_told(relayed):
    for told in (["node-2"], []):
        (relayed.home("relay") / "cut.json").write_text(json.dumps(told))
        cut = {process.name for process in network.status(relayed.directory) if process.cut}
        assert cut == set(told)


def test_cutting_off_needs_a_relay_that_answers(net, relayed):
    with pytest.raises(ConfigError, match=r"no relay.*testnet up --relay.*testnet pause node-1"):
        network.partition(net.directory, "node-1")
    with pytest.raises(ConfigError, match="chain is no storage node; choose one of node-1, node-2"):
        network.partition(relayed.directory, "chain")
    with pytest.raises(UnavailableError, match="the relay does not answer"):
        network.partition(relayed.directory, "node-1")
    with pytest.raises(UnavailableError, match="the relay does not answer"):
        network.heal(relayed.directory, "node-1")


def test_a_node_that_is_cut_off_is_not_wiped_to_be_started(relayed):
    (relayed.home("relay") / "cut.json").write_text('["node-1"]')
    kept = relayed.data("node-1") / "kept"
    kept.touch()
    with pytest.raises(ConfigError, match=r"testnet heal node-1`.*--stay-down"):
        network.wipe(relayed.directory, "node-1")
    assert kept.exists()
    network.wipe(relayed.directory, "node-1", stay_down=True)
    assert not kept.exists()
