"""Mistakes of PaddleDTX XuperDB with keys that must not come back.

The body of a file and its structure on the chain were encrypted under one AES-GCM key and
nonce, and the password that protected the key was not stretched.
"""

import json
from collections import Counter

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from xdb.store.keystore import write_keystore
from xdb.testing.network import network
from xdb.testing.owner import OwnerBench


@pytest.fixture
async def bench():
    async with network() as net:
        yield OwnerBench(net)


@pytest.fixture
def used(monkeypatch):
    """How often something was encrypted under each key and nonce."""
    found = Counter()

    class Watched:
        def __init__(self, key):
            self.key, self.cipher = bytes(key), AESGCM(key)

        def encrypt(self, nonce, data, place):
            found[self.key, bytes(nonce)] += 1
            return self.cipher.encrypt(nonce, data, place)

        def decrypt(self, nonce, data, place):
            return self.cipher.decrypt(nonce, data, place)

    for module in ("encryption", "manifest", "keyring"):
        monkeypatch.setattr(f"xdb.core.{module}.AESGCM", Watched)
    return found


async def test_no_key_and_nonce_is_ever_used_twice(bench, used):
    for name in ("one", "two", "three"):
        await bench.upload(b"the same bytes " * 10_000, bench.request(name, description="d"))
    assert len(used) == 3 * (3 + 2)  # slices, private part and label of each
    assert max(used.values()) == 1


async def test_body_and_structure_have_keys_of_their_own(bench, used):
    await bench.upload(b"x" * 100_000)
    by_key = Counter(key for key, _ in used)
    assert sorted(by_key.values()) == [1, 1, 2]  # label, private part, two slices


def test_a_password_is_stretched(tmp_path):
    write_keystore(tmp_path / "key.json", bytes(31) + b"\1", "a password")
    crypto = json.loads((tmp_path / "key.json").read_text())["crypto"]
    assert crypto["kdf"] == "scrypt"
    memory = 128 * crypto["kdfparams"]["n"] * crypto["kdfparams"]["r"]
    assert memory >= 128 << 20
    assert len(bytes.fromhex(crypto["kdfparams"]["salt"])) >= 16
