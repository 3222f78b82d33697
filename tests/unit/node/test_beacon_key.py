"""The beacon's key: in a genesis, and in a chain server's configuration."""

from dataclasses import replace

import pytest

from xdb.blockchain.embedded.genesis import load_genesis, save_genesis
from xdb.config.chain import ChainConfig
from xdb.config.sections import KeyConfig, ServerConfig
from xdb.core.beacon import beacon_chain
from xdb.errors import ConfigError
from xdb.model.ids import Digest
from xdb.node.daemons.chain import prepare
from xdb.node.founding import Founding, found
from xdb.node.main import MISCONFIGURED, main
from xdb.store.keystore import LocalKey, write_keystore
from xdb.testing.clock import FakeClock
from xdb.testnet.files import write_secret


@pytest.fixture
def key(tmp_path):
    """Makes keys in files by name."""

    def make(name):
        paths = KeyConfig(tmp_path / f"{name}.json", tmp_path / f"{name}.password")
        if not paths.keystore.exists():
            write_keystore(paths.keystore, name.encode().rjust(32, b"k"), "secret", scrypt_n=2)
            write_secret(paths.password_file, "secret\n")
        return paths

    return make


@pytest.fixture
def founded(key, tmp_path):
    """Founds a chain; gives its genesis and the configuration of its server."""

    def make(beacon=None, name="mine"):
        out = tmp_path / f"{name}.toml"
        founding = Founding(name, key("sequencer").keystore, ["epoch=30min"], beacon)
        genesis = found(founding, out, FakeClock())
        config = ChainConfig(
            data=tmp_path / "data",
            genesis=out,
            server=ServerConfig("127.0.0.1:7300"),
            sequencer=key("sequencer"),
            beacon=beacon,
        )
        return genesis, config

    return make


def test_genesis_has_the_commitment_of_its_beacon(key, founded):
    genesis, config = founded(key("beacon"))
    prepared = prepare(config)
    assert prepared.genesis == genesis
    assert genesis.parameters.beacons == (prepared.beacon.chain.commitment,)
    assert genesis.parameters.epoch == 1800
    secrets = LocalKey(b"beacon".rjust(32, b"k"))
    assert beacon_chain(secrets, genesis.beacon_context).commitment in genesis.parameters.beacons


def test_two_deployments_with_one_key_have_different_seeds(key, founded):
    one, _ = founded(key("beacon"), "one")
    other, _ = founded(key("beacon"), "other")
    assert one.parameters.beacons != other.parameters.beacons


def test_without_a_beacon_there_are_no_audits(founded):
    genesis, config = founded()
    assert genesis.parameters.beacons == ()
    assert prepare(config).beacon is None


def test_a_server_need_not_have_the_beacon(key, founded):
    _, config = founded(key("beacon"))
    assert prepare(replace(config, beacon=None)).beacon is None


def test_key_of_no_beacon(key, founded):
    _, config = founded(key("beacon"))
    with pytest.raises(ConfigError, match=r"other\.json is none of the 1 beacons") as caught:
        prepare(replace(config, beacon=key("other")))
    assert "remove [beacon]" in str(caught.value)
    _, bare = founded(name="bare")
    with pytest.raises(ConfigError, match="none of the 0 beacons"):
        prepare(replace(bare, beacon=key("beacon")))


def test_one_of_several_beacons_cannot_reveal_alone(key, founded, tmp_path):
    genesis, config = founded(key("beacon"))
    beacons = (*genesis.parameters.beacons, Digest(bytes(32)), Digest(b"\1" * 32))
    several = replace(genesis, parameters=replace(genesis.parameters, beacons=beacons))
    save_genesis(several, tmp_path / "several.toml")
    with pytest.raises(ConfigError, match=r"names 3 beacons, .* 2 are missing here"):
        prepare(replace(config, genesis=tmp_path / "several.toml"))


@pytest.fixture
def genesis(key, tmp_path, capsys):
    """Runs `xdb-node genesis`; gives its exit code, what it said and the file."""

    def run(*arguments):
        out = tmp_path / "genesis.toml"
        command = ["genesis", "--name", "mine", "--sequencer", str(key("sequencer").keystore)]
        with pytest.raises(SystemExit) as caught:
            main([*command, "--out", str(out), *map(str, arguments)])
        said = capsys.readouterr()
        return caught.value.code, said.out + said.err, out

    return run


def test_command_with_a_beacon(genesis, key):
    paths = key("beacon")
    code, said, out = genesis(
        "--beacon", paths.keystore, "--beacon-password-file", paths.password_file
    )
    assert code == 0
    assert "[beacon] of the chain server" in said
    assert len(load_genesis(out).parameters.beacons) == 1


def test_command_without_a_beacon_says_so(genesis):
    code, said, out = genesis()
    assert code == 0
    assert "it has no beacon: this network audits nothing" in said
    assert load_genesis(out).parameters.beacons == ()


@pytest.mark.parametrize("option", ["--beacon", "--beacon-password-file"])
def test_command_with_half_a_beacon(genesis, key, option):
    code, said, out = genesis(option, key("beacon").keystore)
    assert code == MISCONFIGURED
    assert "give both" in said
    assert not out.exists()
