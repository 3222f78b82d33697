"""Manifests: what is written is read, and no other bytes raise anything but IntegrityError."""

from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from xdb.core.coding import piece_length
from xdb.core.manifest import (
    check_size,
    commitments,
    decrypt_private,
    encrypt_private,
    layout,
    read_manifest,
    write_manifest,
)
from xdb.core.merkle import holding_root
from xdb.core.slicing import SMALLEST_SLICE, TAG, Layout
from xdb.errors import IntegrityError, InvalidRequestError
from xdb.model.manifest import Manifest, PrivatePart, SlotCommitment
from xdb.model.registry import Coding, Redundancy
from xdb.model.storage import Commitment

cheap = settings(max_examples=100, deadline=None)
KEY, FILE = b"k" * 32, b"f" * 32
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
redundancies = st.one_of(
    st.builds(Redundancy, st.just(Coding.COPIES), st.just(1), st.integers(1, 5)),
    st.tuples(st.integers(2, 6), st.integers(1, 4)).map(
        lambda shape: Redundancy(Coding.ERASURE, shape[0], sum(shape))
    ),
)
privates = st.builds(
    PrivatePart,
    plaintext_digest=st.binary(min_size=32, max_size=32),
    plaintext_size=st.integers(0, 2**64 - 1),
    media_type=texts,
    extra=st.dictionaries(texts, texts, max_size=4).map(lambda extra: tuple(sorted(extra.items()))),
    nonce_prefix=st.binary(min_size=7, max_size=7),
)


def digest(*parts):
    return sha256(repr(parts).encode()).digest()


@st.composite
def manifests(draw):
    redundancy = draw(redundancies)
    slice_size = SMALLEST_SLICE << draw(st.integers(0, 10))
    count = draw(st.integers(1, 6))
    last = draw(st.integers(TAG + (count > 1), slice_size))
    lengths = [slice_size] * (count - 1) + [last]
    slots = []
    for slot in range(redundancy.total):
        held = [
            Commitment(piece_length(redundancy, length), digest(slot, index))
            for index, length in enumerate(lengths)
        ]
        slots.append(SlotCommitment(holding_root(held), tuple(item.root for item in held)))
    return Manifest(
        file=FILE,
        redundancy=redundancy,
        slice_size=slice_size,
        last_slice_size=last,
        leaf_size=64 << draw(st.integers(0, 10)),
        slice_digests=tuple(digest(index) for index in range(count)),
        slots=tuple(slots),
        private=draw(st.binary(min_size=28, max_size=100)),
        wrapped_key=draw(st.binary(min_size=40, max_size=40)),
    )


@cheap
@given(manifests())
def test_what_is_written_is_read(manifest):
    assert read_manifest(write_manifest(manifest)) == manifest
    cut = layout(manifest)
    assert cut.count == len(manifest.slice_digests)
    assert cut.last_cipher_length == manifest.last_slice_size
    for slot, committed in enumerate(manifest.slots, start=1):
        assert holding_root(commitments(manifest, slot)) == committed.root


@cheap
@given(manifests(), st.data())
def test_damage_is_found_or_harmless_to_the_reader(manifest, data):
    written = bytearray(write_manifest(manifest))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(written) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                written[at] ^= 1 << data.draw(st.integers(0, 7))
            case 1:
                del written[at]
            case _:
                written[at:at] = data.draw(st.binary(min_size=1, max_size=4))
        if not written:
            break
    try:
        read = read_manifest(bytes(written))
    except IntegrityError:
        return
    assert len(read.slots) == read.redundancy.total
    assert layout(read).count == len(read.slice_digests)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_no_manifest(noise):
    try:
        read_manifest(noise)
    except IntegrityError:
        return
    raise AssertionError(noise)


@cheap
@given(privates)
def test_the_private_part_comes_back(part):
    assert decrypt_private(KEY, FILE, encrypt_private(KEY, FILE, part)) == part


@cheap
@given(redundancies, st.integers(0, 10), st.integers(0, 2**45))
def test_what_fits_before_fits_after(redundancy, power, size):
    cut = Layout(size, SMALLEST_SLICE << power)
    need = 32 * cut.count * (1 + redundancy.total)
    try:
        check_size(cut, redundancy)
    except InvalidRequestError:
        assert need > 63 << 20
    else:
        assert need < 64 << 20
