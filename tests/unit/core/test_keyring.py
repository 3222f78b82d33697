"""Secrets, tags and labels: known bytes, and nothing opens for anybody else."""

import json
from pathlib import Path

import pytest

from xdb.core import keyring
from xdb.errors import IntegrityError
from xdb.model.manifest import Label

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/keyring.json").read_text())
FILE = bytes.fromhex(VECTORS["file"])
NAMESPACE = bytes.fromhex(VECTORS["namespace"])
NONCE = bytes.fromhex(VECTORS["label_nonce"])
NAME, DESCRIPTION = VECTORS["name"], VECTORS["description"]


class Identity:
    def __init__(self, secret):
        self.secret = secret

    def derive(self, label, context=b""):
        return keyring.derive(self.secret, label, context)


OWNER = Identity(bytes.fromhex(VECTORS["identity"]))
STRANGER = Identity(b"s" * 32)


def test_known_derivation():
    assert OWNER.derive("some label", b"some context").hex() == VECTORS["derived"]


def test_known_tags():
    assert keyring.namespace_tag(OWNER, VECTORS["namespace_name"]).hex() == VECTORS["namespace_tag"]
    assert keyring.name_tag(OWNER, NAMESPACE, NAME).hex() == VECTORS["name_tag"]


def test_known_label():
    label = keyring.encrypt_label(OWNER, FILE, NONCE, NAME, DESCRIPTION)
    assert label.hex() == VECTORS["label"]
    assert keyring.decrypt_label(OWNER, FILE, label) == Label(NAME, DESCRIPTION)


def test_known_key_encryption_key():
    assert keyring.file_kek(OWNER, FILE).hex() == VECTORS["file_kek"]


def test_label_and_context_do_not_run_into_each_other():
    made = {
        OWNER.derive(label, context)
        for label, context in [("ab", b"c"), ("a", b"bc"), ("abc", b""), ("", b"abc")]
    }
    assert len(made) == 4


def test_all_labels_are_different():
    labels = [
        value
        for name, value in vars(keyring).items()
        if name.isupper() and isinstance(value, str) and not name.startswith("_")
    ]
    assert len(labels) == len(set(labels)) >= 11
    assert all(label.startswith("xdb/v1/") for label in labels)


def test_tags_depend_on_owner_namespace_and_name():
    made = {
        keyring.name_tag(OWNER, NAMESPACE, NAME),
        keyring.name_tag(STRANGER, NAMESPACE, NAME),
        keyring.name_tag(OWNER, b"n" * 32, NAME),
        keyring.name_tag(OWNER, NAMESPACE, NAME + "x"),
        keyring.namespace_tag(OWNER, NAME),
        keyring.namespace_tag(STRANGER, NAME),
    }
    assert len(made) == 6


def test_a_label_opens_for_its_owner_and_its_file_only():
    label = keyring.encrypt_label(OWNER, FILE, NONCE, NAME, DESCRIPTION)
    for who, context in [(STRANGER, FILE), (OWNER, NAMESPACE)]:
        with pytest.raises(IntegrityError, match="does not decrypt"):
            keyring.decrypt_label(who, context, label)


def test_a_damaged_label_does_not_open():
    label = keyring.encrypt_label(OWNER, FILE, NONCE, NAME, DESCRIPTION)
    for index in range(len(label)):
        damaged = label[:index] + bytes((label[index] ^ 1,)) + label[index + 1 :]
        for wrong in (damaged, label[:index]):
            with pytest.raises(IntegrityError):
                keyring.decrypt_label(OWNER, FILE, wrong)


def test_a_wrong_nonce_is_a_bug():
    with pytest.raises(ValueError, match="nonce"):
        keyring.encrypt_label(OWNER, FILE, b"short", NAME, DESCRIPTION)
