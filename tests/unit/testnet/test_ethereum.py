"""A testnet's Ethereum chain, as far as it needs no anvil."""

import pytest

from xdb.blockchain.ethereum.deployment import Pins
from xdb.config.owner import OwnerConfig
from xdb.config.source import load
from xdb.errors import ConfigError, UnavailableError
from xdb.model.ids import Address, Digest
from xdb.testnet import anvil, evm, gas, lifecycle
from xdb.testnet.create import Options, create
from xdb.testnet.files import write_toml
from xdb.testnet.layout import Layout, Member

PINS = Pins(31337, Address(bytes(range(20))), Digest(bytes(range(32))))


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "bin" / "anvil"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\necho no such chain >&2\nexit 1\n")
    path.chmod(0o700)
    return path


def written(tmp_path, program):
    path = tmp_path / "anvil.toml"
    table = {"program": str(program), "block_time": 1, "server": {"listen": "127.0.0.1:8545"}}
    write_toml(path, table, "a chain")
    return path


# ---------------------------------------------------------------- the program


def test_named_program_comes_first(tmp_path, program):
    other = tmp_path / "other"
    other.write_text("")
    other.chmod(0o700)
    environment = {"XDB_ANVIL": str(other), "PATH": str(program.parent)}
    assert anvil.find_anvil(environment) == other


def test_program_on_the_path(program):
    assert anvil.find_anvil({"PATH": str(program.parent)}) == program


def test_program_that_npm_installed(tmp_path, monkeypatch):
    path = tmp_path / "node_modules" / "@foundry-rs" / "anvil-linux" / "bin" / "anvil"
    path.parent.mkdir(parents=True)
    path.touch()
    monkeypatch.setattr(anvil, "CONTRACTS", tmp_path)
    assert anvil.find_anvil({"PATH": "/nowhere"}) == path


def test_no_program(tmp_path, monkeypatch):
    monkeypatch.setattr(anvil, "CONTRACTS", tmp_path)
    with pytest.raises(ConfigError, match=f"run `npm ci` in {tmp_path}, or install Foundry"):
        anvil.find_anvil({"PATH": "/nowhere"})
    with pytest.raises(ConfigError, match="XDB_ANVIL is /no/anvil, which is no program"):
        anvil.find_anvil({"XDB_ANVIL": "/no/anvil"})


def test_network_without_program(tmp_path, monkeypatch):
    monkeypatch.setattr(anvil, "CONTRACTS", tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("XDB_ANVIL", raising=False)
    with pytest.raises(ConfigError, match="needs anvil"):
        create(tmp_path / "net", Options(chain="ethereum"))
    assert not (tmp_path / "net").exists()


def test_program_that_fails(tmp_path, program, monkeypatch):
    monkeypatch.setenv("XDB_ANVIL", str(program))
    with pytest.raises(UnavailableError, match="anvil did not start: no such chain"):
        create(tmp_path / "net", Options(chain="ethereum"))
    assert not (tmp_path / "net").exists()


def test_command_line(tmp_path, program):
    words = anvil.command(written(tmp_path, program))
    assert words[0] == str(program)
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert options["--host"] == "127.0.0.1"
    assert options["--port"] == "8545"
    assert options["--chain-id"] == "31337"
    assert options["--block-time"] == "1"
    assert options["--state"] == str(tmp_path / "state.json")


def test_program_that_is_gone(tmp_path, program):
    config = written(tmp_path, program)
    program.unlink()
    with pytest.raises(ConfigError, match="is gone: install it again, or name another"):
        anvil.command(config)
    layout = Layout(tmp_path)
    layout.home("anvil").mkdir()
    member = Member("anvil", "anvil", "", "127.0.0.1:8545")
    config.rename(layout.config(member))
    with pytest.raises(UnavailableError, match="is gone"):
        lifecycle.start_all(layout, [member])


# ---------------------------------------------------------------- the registry


def test_founding():
    made = evm.founding(20, 60, {"retention": 7200})
    assert (made.epoch, made.freeze) == (20, 2)
    assert (made.parameters.epoch, made.parameters.unreachable) == (20, 60)
    assert made.parameters.retention == 7200
    assert evm.founding(2, 60, {}).freeze == 1


def test_epoch_too_long():
    with pytest.raises(ConfigError, match="longer than a registry on Ethereum takes: choose 16382"):
        evm.founding(16_383, 60, {})


def test_configuration_loads(tmp_path):
    key = {"keystore": "key.json", "password_file": "key.password"}
    tables = {
        "data": "data",
        "server": {"listen": "127.0.0.1:7500"},
        **evm.tables("http://127.0.0.1:1", PINS),
    }
    write_toml(tmp_path / "owner.toml", {**tables, "identity": key}, "an owner")
    found = load(OwnerConfig, tmp_path / "owner.toml", {}).chain
    assert found.backend == "ethereum"
    assert found.ethereum.deployment == PINS.deployment
    assert found.ethereum.urls() == ("http://127.0.0.1:1",)
    assert (found.ethereum.watch.quorum, found.ethereum.slot) == (1, 1)


# ---------------------------------------------------------------- gas


def transaction(to, selector):
    return {"to": to, "input": "0x" + selector.hex() + "00"}


def test_kinds_of_transactions():
    registry = Address(bytes(20))
    here, other = "0x" + "00" * 20, "0x" + "11" * 20
    kinds = {method.name: method.selector for method in gas.METHODS}
    assert gas.kind_of(transaction(here, kinds["publish"]), registry) == "publish"
    assert gas.kind_of(transaction(here, b"\1\2\3\4"), registry) == "0x01020304"
    assert gas.kind_of(transaction(other, kinds["publish"]), registry) == ""
    assert gas.kind_of(transaction(None, b"\1\2\3\4"), registry) == "deployment"
