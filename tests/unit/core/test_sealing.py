"""Sealing: known bytes, its own inverse, different for every slot, file and piece."""

import itertools
import json
from pathlib import Path

import pytest

from xdb.core import keyring
from xdb.core.merkle import replica_root
from xdb.core.sealing import (
    commit,
    file_sealing_key,
    namespace_secret,
    seal,
    seal_and_commit,
    slot_key,
    unseal,
)
from xdb.model.storage import Commitment

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/slices.json").read_text())


def secrets(label, context):
    return keyring.derive(bytes.fromhex(VECTORS["identity"]), label, context)


SECRET = namespace_secret(secrets, bytes.fromhex(VECTORS["namespace"]))
KEY = file_sealing_key(SECRET, bytes.fromhex(VECTORS["file"]))


def test_known_file_sealing_key():
    assert KEY.hex() == VECTORS["file_sealing_key"]


@pytest.mark.parametrize("case", VECTORS["cases"], ids=str)
@pytest.mark.parametrize("slot", [1, 2])
def test_known_bytes(case, slot):
    cipher, sealed = bytes.fromhex(case["cipher"]), bytes.fromhex(case["sealed"][str(slot)])
    assert seal(slot_key(KEY, slot), case["index"], cipher) == sealed
    assert unseal(slot_key(KEY, slot), case["index"], sealed) == cipher


def test_every_slot_file_and_piece_has_other_bytes():
    files = (KEY, file_sealing_key(SECRET, b"o" * 32))
    namespaces = (file_sealing_key(namespace_secret(secrets, b"n" * 32), b"o" * 32),)
    made = [
        seal(slot_key(key, slot), piece, bytes(64))
        for key, slot, piece in itertools.product(files + namespaces, (1, 2, 256), (0, 1, 256))
    ]
    assert len(set(made)) == len(made)


def test_key_streams_of_pieces_do_not_overlap():
    key = slot_key(KEY, 1)
    streams = [seal(key, piece, bytes(1 << 16)) for piece in range(3)]
    blocks = [stream[at : at + 16] for stream in streams for at in range(0, len(stream), 16)]
    assert len(set(blocks)) == len(blocks)


def test_sealing_into_a_target_commits_to_what_is_there():
    source, key = bytes(range(256)) * 9, slot_key(KEY, 1)
    target = bytearray(len(source))
    commitment = seal_and_commit(memoryview(source), memoryview(target), key, 5, 256)
    assert bytes(target) == seal(key, 5, source)
    assert commitment == Commitment(len(source), replica_root(target, 256))
    assert commitment == commit(memoryview(target), 256)
