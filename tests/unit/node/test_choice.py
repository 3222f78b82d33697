import asyncio
from pathlib import Path

import pytest

from xdb.blockchain.embedded.genesis import save_genesis
from xdb.config.ethereum import EthereumAccess
from xdb.config.sections import ChainAccess
from xdb.config.source import load
from xdb.config.storage import StorageConfig
from xdb.errors import ConfigError
from xdb.node.choice import EmbeddedChoice, EthereumChoice, choose, deployment_of
from xdb.node.operating import Action, operate
from xdb.store.keystore import write_keystore
from xdb.testing.embedded import genesis

ETHEREUM = EthereumAccess(
    chain_id=5,
    contract="ab" * 20,
    code_hash="cd" * 32,
    endpoints=("http://127.0.0.1:1", "http://127.0.0.1:2"),
)


def test_an_embedded_chain(tmp_path):
    save_genesis(genesis(), tmp_path / "genesis.toml")
    access = ChainAccess(tmp_path / "genesis.toml", ("127.0.0.1:1#" + "00" * 32,))
    choice = choose(access)
    assert isinstance(choice, EmbeddedChoice)
    assert choice.deployment == genesis().deployment == deployment_of(access)
    assert not choice.nodes_reveal_seeds


def test_a_registry_on_ethereum():
    access = ChainAccess(backend="ethereum", ethereum=ETHEREUM)
    choice = choose(access)
    assert isinstance(choice, EthereumChoice)
    assert choice.urls == ETHEREUM.endpoints
    assert choice.deployment.contract == b"\xab" * 20
    assert choice.nodes_reveal_seeds


def test_an_operator_is_told_what_to_do_elsewhere(tmp_path):
    sample = Path(__file__).parents[3] / "configs" / "ethereum" / "storage.toml"
    (tmp_path / "storage.toml").write_text(sample.read_text())
    (tmp_path / "keys").mkdir(mode=0o700)
    for name in ("signer", "id"):
        write_keystore(tmp_path / "keys" / f"{name}.json", b"\1" * 32, "password", scrypt_n=4096)
        password = tmp_path / "keys" / f"{name}.password"
        password.touch(mode=0o600)
        password.write_text("password\n")
    config = load(StorageConfig, tmp_path / "storage.toml", {})
    with pytest.raises(ConfigError, match="this is for embedded chains"):
        asyncio.run(operate(config, Action.DRAIN))
