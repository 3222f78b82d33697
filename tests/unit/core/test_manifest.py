"""The manifest: known bytes, and every lie in one found."""

import json
from dataclasses import replace
from hashlib import sha256, shake_256
from pathlib import Path

import pytest

from xdb.core import keyring
from xdb.core.coding import pieces
from xdb.core.encryption import encrypt_slice
from xdb.core.manifest import (
    LIMIT,
    MAX_PRIVATE,
    check,
    check_size,
    commitments,
    decrypt_private,
    encrypt_private,
    layout,
    manifest_digest,
    published_root,
    read_manifest,
    unwrap_key,
    wrap_key,
    write_manifest,
)
from xdb.core.merkle import (
    extended_root,
    extension_siblings,
    file_root,
    holding_root,
    shrink_siblings,
    shrunk_root,
)
from xdb.core.sealing import commit, file_sealing_key, namespace_secret, seal, slot_key
from xdb.core.slicing import DEFAULT_SLICE, SMALLEST_SLICE, Layout, cut
from xdb.errors import IntegrityError, InvalidRequestError
from xdb.model.manifest import Manifest, PrivatePart, SlotCommitment
from xdb.model.registry import Coding, FileRecord, Redundancy
from xdb.model.storage import Commitment
from xdb.pb import manifest_pb2

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/manifest.json").read_text())
FILE, CONTENT_KEY, PREFIX, IDENTITY, NAMESPACE = (
    bytes.fromhex(VECTORS[name])
    for name in ("file", "content_key", "prefix", "identity", "namespace")
)
S = SMALLEST_SLICE
PLAIN = shake_256(b"plain").digest(S - 16 + 1000)
PRIVATE = PrivatePart(
    sha256(PLAIN).digest(),
    len(PLAIN),
    "text/plain",
    (("author", "Ada"), ("empty", ""), ("year", "1843")),
    PREFIX,
)
POLICIES = {
    "copies": Redundancy(Coding.COPIES, 1, 3),
    "erasure": Redundancy(Coding.ERASURE, 2, 3),
}
KEK = keyring.derive(IDENTITY, keyring.KEY_ENCRYPTION, FILE)


def manifest_of(redundancy):
    """The manifest of PLAIN, made by the same steps as an upload."""
    secret = namespace_secret(lambda *place: keyring.derive(IDENTITY, *place), NAMESPACE)
    sealing_key = file_sealing_key(secret, FILE)
    parts = cut(PLAIN, S)
    ciphers = [
        encrypt_slice(CONTENT_KEY, PREFIX, FILE, index, index == len(parts) - 1, part)
        for index, part in enumerate(parts)
    ]
    slots = []
    for slot in range(1, redundancy.total + 1):
        held = [
            commit(
                seal(slot_key(sealing_key, slot), index, pieces(redundancy, cipher)[slot - 1]), 1024
            )
            for index, cipher in enumerate(ciphers)
        ]
        slots.append(SlotCommitment(holding_root(held), tuple(item.root for item in held)))
    return Manifest(
        file=FILE,
        redundancy=redundancy,
        slice_size=S,
        last_slice_size=len(ciphers[-1]),
        leaf_size=1024,
        slice_digests=tuple(sha256(cipher).digest() for cipher in ciphers),
        slots=tuple(slots),
        private=encrypt_private(CONTENT_KEY, FILE, PRIVATE),
        wrapped_key=wrap_key(KEK, CONTENT_KEY),
    )


MANIFEST = manifest_of(POLICIES["copies"])
DATA = write_manifest(MANIFEST)
DIGEST = manifest_digest(DATA)
RECORD = FileRecord(
    file=FILE,
    owner=b"o" * 20,
    namespace=NAMESPACE,
    name=b"n" * 32,
    manifest=DIGEST,
    root=published_root(MANIFEST, DIGEST),
    redundancy=MANIFEST.redundancy,
    size=len(PLAIN),
    expiry=1000,
    version=1,
    published=0,
    deleted=0,
    holders=(b"1" * 20, b"2" * 20, b"3" * 20),
)


@pytest.mark.parametrize("name", POLICIES)
def test_known_bytes(name):
    manifest, known = manifest_of(POLICIES[name]), VECTORS[name]
    data = write_manifest(manifest)
    assert data.hex() == known["manifest"]
    assert manifest_digest(data).hex() == known["digest"]
    assert published_root(manifest, manifest_digest(data)).hex() == known["root"]
    assert read_manifest(data) == manifest


def test_the_private_part_and_the_key_come_back():
    content_key = unwrap_key(KEK, MANIFEST.wrapped_key)
    assert content_key == CONTENT_KEY
    assert decrypt_private(content_key, FILE, MANIFEST.private) == PRIVATE


def test_layout():
    assert layout(MANIFEST) == Layout(len(PLAIN), S)


def test_commitments_have_the_lengths_of_the_pieces():
    for name, lengths in {"copies": (S, 1016), "erasure": (S // 2, 508)}.items():
        manifest = manifest_of(POLICIES[name])
        for slot in (1, 2, 3):
            held = commitments(manifest, slot)
            assert tuple(item.length for item in held) == lengths
            assert holding_root(held) == manifest.slots[slot - 1].root


@pytest.mark.parametrize("slot", [0, 4, -1])
def test_slots_beyond_the_manifest(slot):
    with pytest.raises(IntegrityError, match=f"slot {slot} is not in the manifest"):
        commitments(MANIFEST, slot)


# ---------------------------------------------------------------- reading


def message():
    return manifest_pb2.Manifest.FromString(DATA)


def set_to(**values):
    def change(made):
        for name, value in values.items():
            setattr(made, name, value)

    return change


def in_redundancy(**values):
    return lambda made: set_to(**values)(made.redundancy)


def in_slot(index, **values):
    return lambda made: set_to(**values)(made.slots[index])


LIES = [
    (set_to(version=0), "version"),
    (set_to(version=2), "version: 2 is not 1: a newer program"),
    (set_to(file=b""), "file"),
    (set_to(file=b"f" * 33), "file"),
    (lambda made: made.ClearField("redundancy"), "Redundancy.coding"),
    (in_redundancy(coding=7), "Redundancy.coding"),
    (in_redundancy(required=2), "redundancy"),
    (in_redundancy(total=0), "redundancy"),
    (in_redundancy(total=256), "redundancy"),
    (in_redundancy(total=2**64 - 1), "redundancy"),
    (in_redundancy(coding=2, required=1), "redundancy"),
    (in_redundancy(coding=2, required=3), "redundancy"),
    (in_redundancy(coding=2, required=2), r"slots\[1\].root"),
    (in_redundancy(total=4), "slots: 3 where 4"),
    (set_to(slice_size=0), "slice_size"),
    (set_to(slice_size=S // 2), "slice_size"),
    (set_to(slice_size=S + 1), "slice_size"),
    (set_to(slice_size=1 << 27), "slice_size"),
    (set_to(slice_size=2 * S), r"slots\[1\].root"),
    (set_to(last_slice_size=0), "last_slice_size"),
    (set_to(last_slice_size=16), "last_slice_size"),
    (set_to(last_slice_size=S + 1), "last_slice_size"),
    (set_to(last_slice_size=1017), r"slots\[1\].root"),
    (set_to(leaf_size=0), "leaf_size"),
    (set_to(leaf_size=32), "leaf_size"),
    (set_to(leaf_size=1000), "leaf_size"),
    (set_to(leaf_size=131072), "leaf_size"),
    (set_to(slice_digests=b""), "slice_digests"),
    (set_to(slice_digests=b"d" * 33), "slice_digests"),
    (set_to(slice_digests=b"d" * 32), r"slots\[1\].replica_roots: 2 replicas of 1"),
    (set_to(slice_digests=b"d" * 96), r"slots\[1\].replica_roots: 2 replicas of 3"),
    (lambda made: made.ClearField("slots"), "slots"),
    (lambda made: made.slots.pop(), "slots: 2 where 3"),
    (lambda made: made.slots.add(), r"slots\[4\].root"),
    (in_slot(1, root=b""), r"slots\[2\].root"),
    (in_slot(1, root=b"r" * 32), r"slots\[2\].root: is not the root"),
    (in_slot(2, replica_roots=b"r" * 64), r"slots\[3\].root: is not the root"),
    (in_slot(2, replica_roots=b"r" * 32), r"slots\[3\].replica_roots"),
    (in_slot(2, replica_roots=b"r" * 31), r"slots\[3\].replica_roots"),
    (set_to(private=b"p" * 27), "private"),
    (set_to(private=bytes(MAX_PRIVATE + 1)), "private"),
    (set_to(wrapped_key=b"w" * 39), "wrapped_key"),
    (set_to(wrapped_key=b"w" * 41), "wrapped_key"),
]


@pytest.mark.parametrize(("lie", "field"), LIES)
def test_every_lie_is_found(lie, field):
    made = message()
    lie(made)
    with pytest.raises(IntegrityError, match=f"^manifest: {field}"):
        read_manifest(made.SerializeToString())


def test_every_truncation_is_found():
    for length in range(len(DATA)):
        with pytest.raises(IntegrityError):
            read_manifest(DATA[:length])


def test_only_an_only_slice_may_be_empty():
    empty = Commitment(16, b"r" * 32)
    slot = SlotCommitment(holding_root([empty]), (empty.root,))
    manifest = replace(MANIFEST, last_slice_size=16, slice_digests=(b"d" * 32,), slots=(slot,) * 3)
    assert layout(read_manifest(write_manifest(manifest))) == Layout(0, S)


def test_what_a_later_version_adds_is_left_alone():
    later = DATA + b"\xa2\x06\x03new"  # field 100
    assert read_manifest(later) == MANIFEST
    assert manifest_digest(later) != DIGEST


def test_a_flood_of_slots_is_refused_before_parsing():
    flood = b"\x42\x00" * (LIMIT // 2 - 1)
    with pytest.raises(IntegrityError, match="more than 319 fields"):
        read_manifest(flood)


def test_an_overlong_manifest_is_refused():
    with pytest.raises(IntegrityError, match=r"^manifest: size"):
        read_manifest(bytes(LIMIT))


def test_what_is_no_manifest_is_refused():
    for data in (b"", b"x", b'{"version": 1}', bytes(100)):
        with pytest.raises(IntegrityError, match="manifest: "):
            read_manifest(data)


def test_writing_what_cannot_be_read_is_a_bug():
    with pytest.raises(ValueError, match="leaf_size"):
        write_manifest(replace(MANIFEST, leaf_size=63))


# ---------------------------------------------------------------- the record


def test_the_record_of_this_manifest():
    check(MANIFEST, DIGEST, RECORD)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"manifest": b"m" * 32}, "digest"),
        ({"file": b"f" * 32}, "file"),
        ({"root": b"r" * 32}, "root"),
        ({"size": len(PLAIN) + 1}, "size"),
        ({"redundancy": Redundancy(Coding.ERASURE, 1, 3)}, "coding"),
        ({"redundancy": Redundancy(Coding.COPIES, 2, 3)}, "required"),
        ({"redundancy": Redundancy(Coding.COPIES, 1, 2)}, "root"),
        ({"redundancy": Redundancy(Coding.COPIES, 1, 1)}, "root"),
    ],
)
def test_another_record(change, what):
    with pytest.raises(IntegrityError, match=what):
        check(MANIFEST, DIGEST, replace(RECORD, **change))


def test_the_record_of_a_file_that_was_extended():
    leaves = [DIGEST, *(slot.root for slot in MANIFEST.slots)]
    root = extended_root(RECORD.root, len(leaves), b"x" * 32, extension_siblings(leaves))
    more = Redundancy(Coding.COPIES, 1, 4)
    check(MANIFEST, DIGEST, replace(RECORD, root=root, redundancy=more))


def test_the_record_of_a_file_that_shrank():
    leaves = [DIGEST, *(slot.root for slot in MANIFEST.slots)]
    root = RECORD.root
    for total in (2, 1):
        root = shrunk_root(root, total + 1, leaves[total + 1], shrink_siblings(leaves[: total + 2]))
        check(
            MANIFEST,
            DIGEST,
            replace(RECORD, root=root, redundancy=Redundancy(Coding.COPIES, 1, total)),
        )


def test_the_record_of_a_file_that_shrank_and_was_extended_with_other_bytes():
    kept = [slot.root for slot in MANIFEST.slots[:2]]
    changed = replace(RECORD, root=file_root(DIGEST, [*kept, b"x" * 32]))
    with pytest.raises(IntegrityError, match="root"):
        check(MANIFEST, DIGEST, changed)


@pytest.mark.parametrize("total", [2, 4])
def test_erasure_coded_files_have_all_their_slots(total):
    manifest = manifest_of(POLICIES["erasure"])
    digest = manifest_digest(write_manifest(manifest))
    redundancy = replace(manifest.redundancy, total=total)
    root = file_root(digest, [slot.root for slot in manifest.slots[:total]])
    record = replace(RECORD, manifest=digest, root=root, redundancy=redundancy)
    with pytest.raises(IntegrityError, match=f"slots: 3, but the record has {total}"):
        check(manifest, digest, record)


# ---------------------------------------------------------------- private part and key


def test_the_private_part_opens_with_its_key_for_its_file_only():
    for key, file in [(b"k" * 32, FILE), (CONTENT_KEY, b"f" * 32)]:
        with pytest.raises(IntegrityError, match="does not open"):
            decrypt_private(key, file, MANIFEST.private)


def test_a_damaged_private_part_does_not_open():
    for index in range(len(MANIFEST.private)):
        damaged = bytearray(MANIFEST.private)
        damaged[index] ^= 1
        for wrong in (bytes(damaged), MANIFEST.private[:index]):
            with pytest.raises(IntegrityError):
                decrypt_private(CONTENT_KEY, FILE, wrong)


def test_equal_private_parts_have_equal_bytes_and_others_another_nonce():
    again = encrypt_private(CONTENT_KEY, FILE, PRIVATE)
    other = encrypt_private(CONTENT_KEY, FILE, replace(PRIVATE, media_type="text/html"))
    assert again == MANIFEST.private
    assert other[:12] != again[:12]


def test_extra_fields_are_sorted():
    shuffled = replace(PRIVATE, extra=PRIVATE.extra[::-1])
    assert encrypt_private(CONTENT_KEY, FILE, shuffled) == MANIFEST.private


def test_a_large_private_part_is_refused():
    with pytest.raises(InvalidRequestError, match="shorten them"):
        encrypt_private(CONTENT_KEY, FILE, replace(PRIVATE, extra=(("a", "x" * MAX_PRIVATE),)))


@pytest.mark.parametrize(
    ("change", "what"),
    [({"nonce_prefix": b"short"}, "nonce_prefix"), ({"plaintext_digest": b""}, "plaintext_digest")],
)
def test_a_private_part_that_cannot_be(change, what):
    data = encrypt_private(CONTENT_KEY, FILE, replace(PRIVATE, **change))
    with pytest.raises(IntegrityError, match=what):
        decrypt_private(CONTENT_KEY, FILE, data)


def test_a_known_wrapped_key():
    # RFC 3394, section 4.6
    kek, key = (
        bytes(range(32)),
        bytes.fromhex("00112233445566778899aabbccddeeff") + bytes(range(16)),
    )
    wrapped = "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"
    assert wrap_key(kek, key).hex() == wrapped
    assert unwrap_key(kek, bytes.fromhex(wrapped)) == key


def test_a_key_unwraps_under_its_own_key_only():
    for kek, wrapped in [
        (b"k" * 32, MANIFEST.wrapped_key),
        (KEK, MANIFEST.wrapped_key[:-1] + b"x"),
        (KEK, b""),
        (KEK, MANIFEST.wrapped_key[:24]),
        (KEK, MANIFEST.wrapped_key[:-1]),
    ]:
        with pytest.raises(IntegrityError, match="does not unwrap"):
            unwrap_key(kek, wrapped)


# ---------------------------------------------------------------- size


def test_files_that_fit():
    for size in (0, 1, 1 << 40):
        check_size(Layout(size, DEFAULT_SLICE), POLICIES["copies"])


def test_a_file_that_does_not_fit_is_told_what_would():
    small = Layout(1 << 40, S)
    with pytest.raises(InvalidRequestError, match=r"34.* bytes are the most; take larger slices"):
        check_size(small, POLICIES["copies"])
