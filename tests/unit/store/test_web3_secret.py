import copy
from importlib import import_module

import pytest

from xdb.core.signing import address_of
from xdb.store.web3_secret import IV, SALT, UUID, decrypt_key, encrypt_key

KEY = bytes.fromhex("7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d")
RANDOM = bytes(range(SALT + IV + UUID))
PBKDF2 = {  # the test vectors of the definition, github.com/ethereum/wiki: Web3 Secret Storage
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
SCRYPT = {
    "Crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32,
            "n": 262144,
            "r": 1,
            "p": 8,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
        },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}


@pytest.fixture(scope="module")
def content():
    return encrypt_key(KEY, address_of(KEY), b"secret", scrypt_n=1 << 10, random=RANDOM)


@pytest.mark.parametrize("vector", [PBKDF2, SCRYPT], ids=["pbkdf2", "scrypt"])
def test_vectors_of_the_definition(vector):
    assert decrypt_key(vector, b"testpassword") == KEY


def test_what_is_written_is_read(content):
    assert decrypt_key(content, b"secret") == KEY


def test_wallets_read_what_is_written(content):
    keyfile = import_module("eth_keyfile.keyfile")
    assert keyfile.decode_keyfile_json(content, b"secret") == KEY


def test_what_wallets_write_is_read():
    keyfile = import_module("eth_keyfile.keyfile")
    for kdf in ("scrypt", "pbkdf2"):
        written = keyfile.create_keyfile_json(KEY, b"secret", kdf=kdf, iterations=1024)
        assert decrypt_key(written, b"secret") == KEY


def test_id_is_a_random_uuid(content):
    assert content["id"] == "20212223-2425-4627-a829-2a2b2c2d2e2f"


def test_wrong_password(content):
    with pytest.raises(ValueError, match="checksum"):
        decrypt_key(content, b"Secret")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 4),
        (("crypto", "cipher"), "aes-256-gcm"),
        (("crypto", "ciphertext"), "00" * 32),
        (("crypto", "mac"), "00" * 32),
        (("crypto", "kdf"), "md5"),
        (("crypto", "kdfparams", "n"), 1 << 40),
        (("crypto", "kdfparams", "n"), 1000),
        (("crypto", "kdfparams", "dklen"), 16),
        (("crypto", "kdfparams", "salt"), "xyz"),
    ],
)
def test_other_content_is_refused(content, path, value):
    changed = copy.deepcopy(content)
    *parents, last = path
    inner = changed
    for key in parents:
        inner = inner[key]
    inner[last] = value
    with pytest.raises(ValueError, match=r"."):
        decrypt_key(changed, b"secret")


def test_missing_parts_are_noticed():
    with pytest.raises(KeyError):
        decrypt_key({"version": 3}, b"secret")
