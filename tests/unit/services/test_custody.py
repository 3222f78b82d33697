from dataclasses import replace

import pytest

from xdb.core.manifest import read_manifest
from xdb.core.merkle import extension_siblings, file_root, holding_root, shrink_siblings
from xdb.core.receipts import receipt_signer
from xdb.errors import (
    AuthError,
    ConflictError,
    ExpiredError,
    IntegrityError,
    InvalidRequestError,
    MissingPiecesError,
    NotFoundError,
    RejectedError,
    StorageFullError,
    UnavailableError,
)
from xdb.model.calls import (
    Delete,
    Extend,
    Move,
    Publish,
    Renew,
    Renewal,
    SetNodeState,
    Shrink,
    UpdateNode,
)
from xdb.model.ids import FileId
from xdb.model.registry import NodeState, Receipt
from xdb.model.storage import ReplicaKey
from xdb.services.acceptance import root_over
from xdb.services.admission import Admission, admission
from xdb.store import catalog
from xdb.store.room import RoomConfig
from xdb.testing.clock import FakeClock
from xdb.testing.custody import SealedFile, memory_custody
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import DAY, START, World, nonce

ALICE, BOB = NamedKey("alice"), NamedKey("bob")
DATA = bytes(range(256)) * 700  # three slices of 64 KiB


@pytest.fixture
def world():
    return World()


@pytest.fixture
def file(world):
    return SealedFile(world.chain.deployment, ALICE, "report", DATA)


def custody_of(world, number=0, **options):
    return memory_custody(world.chain, world.nodes[number], FakeClock(START), **options)


async def push_all(custody, file, slot=1, caller=ALICE):
    commitments = file.commitments(slot)
    for piece, replica in enumerate(file.replicas(slot)):
        await custody.push(caller.address, file.ref(slot), piece, commitments[piece], replica)


async def accept(custody, file, slot=1, *, expiry=START + DAY, version=1):
    return await custody.accept(
        ALICE.address, file.ref(slot), file.manifest_digest, file.manifest, expiry, version
    )


async def publish(world, file, *, life=DAY):
    """Stores the file on the world's first nodes and publishes it."""
    custodies, holders = [], []
    for slot in range(1, file.redundancy.total + 1):
        custody = custody_of(world, slot - 1)
        await push_all(custody, file, slot)
        holders.append(await accept(custody, file, slot, expiry=START + life))
        custodies.append(custody)
    world.call(ALICE, Publish((file.new(tuple(holders), START + life),)))
    return custodies


# ------------------------------------------------------------------ receipts


async def test_receipts_are_what_the_chain_publishes_on(world, file):
    await publish(world, file)
    assert world.record(file.id).holders == (world.nodes[0].node, world.nodes[1].node)


async def test_a_receipt_says_what_is_held(world, file):
    custody = custody_of(world)
    await push_all(custody, file)
    holder = await accept(custody, file)
    commitments = file.commitments(1)
    assert holder.root == holding_root(commitments)
    assert holder.size == sum(c.length for c in commitments)
    assert holder.replica_leaves == 64
    assert holder.leaves == 64 + 64 + -(-commitments[-1].length // 1024)
    assert holder.valid_until == START + world.parameters.receipt_validity
    roots = [slot.root for slot in read_manifest(file.manifest).slots]
    receipt = Receipt(
        world.chain.deployment,
        file.id,
        1,
        file_root(file.manifest_digest, roots),
        holder.root,
        holder.leaves,
        holder.replica_leaves,
        holder.size,
        START + DAY,
        1,
        holder.valid_until,
    )
    assert receipt_signer(receipt, holder.signature) == world.nodes[0].address


async def test_an_accepted_slot_can_be_accepted_again(world, file):
    custody = custody_of(world)
    await push_all(custody, file)
    assert await accept(custody, file) == await accept(custody, file)


async def test_expiry_is_bounded_by_what_the_node_wants(world, file):
    custody = custody_of(world, longest=100)
    await push_all(custody, file)
    assert (await accept(custody, file)).latest_expiry == START + 100


async def test_missing_pieces_are_named(world, file):
    custody = custody_of(world)
    commitments, replicas = file.commitments(1), file.replicas(1)
    await custody.push(ALICE.address, file.ref(1), 1, commitments[1], replicas[1])
    with pytest.raises(MissingPiecesError, match=r"lacks 2 of 3 pieces \(0, 2\)") as caught:
        await accept(custody, file)
    assert caught.value.pieces == (0, 2)


async def test_a_damaged_piece_counts_as_missing(world, file):
    custody = custody_of(world)
    await push_all(custody, file)
    await custody.store.mark_damaged(file.key(1, 2), "test")
    with pytest.raises(MissingPiecesError) as caught:
        await accept(custody, file)
    assert caught.value.pieces == (2,)
    await push_all(custody, file)
    await accept(custody, file)


async def test_other_bytes_than_the_manifest_says_get_no_receipt(world, file):
    custody = custody_of(world)
    other = replace(file, data=DATA[::-1])
    await push_all(custody, other)
    with pytest.raises(IntegrityError, match="piece 0 of slot 1"):
        await accept(custody, file)


async def test_a_slot_that_waited_too_long_gets_no_receipt(world, file):
    custody = custody_of(world)
    await push_all(custody, file)
    world.chain.advance(world.parameters.stray_grace - 10)
    expiry = world.now + DAY
    assert (await accept(custody, file, expiry=expiry)).valid_until == world.now + 10
    world.chain.advance(10)
    with pytest.raises(RejectedError, match="upload the file again"):
        await accept(custody, file, expiry=expiry)


async def test_an_upload_may_take_longer_than_strays_are_kept(world, file):
    custody = custody_of(world)
    commitments, replicas = file.commitments(1), file.replicas(1)
    for piece, replica in enumerate(replicas):
        await custody.push(ALICE.address, file.ref(1), piece, commitments[piece], replica)
        world.chain.advance(world.parameters.stray_grace - 10)
    holder = await accept(custody, file, expiry=world.now + DAY)
    assert holder.valid_until == world.now + 10


async def test_the_manifest_is_durable_before_the_receipt(world, file):
    custody = custody_of(world)
    await push_all(custody, file)
    await accept(custody, file)
    custody.store.files.disk.crash(SeededEntropy(1))
    assert await custody.pull_manifest(ALICE.address, file.id, 1) == file.manifest


@pytest.mark.parametrize(
    ("expiry", "version", "error"),
    [(START, 1, "not in the future"), (0, 1, "not in the future"), (START + 1, 0, "version 0")],
)
async def test_senseless_terms_are_refused(world, file, expiry, version, error):
    custody = custody_of(world)
    await push_all(custody, file)
    with pytest.raises(InvalidRequestError, match=error):
        await accept(custody, file, expiry=expiry, version=version)


async def test_a_changed_manifest_is_refused(world, file):
    custody = custody_of(world)
    await push_all(custody, file)
    with pytest.raises(IntegrityError, match="arrived changed"):
        await custody.accept(
            ALICE.address, file.ref(1), file.manifest_digest, file.manifest + b"x", START + 9, 1
        )


async def test_another_files_manifest_is_refused(world, file):
    custody = custody_of(world)
    other = replace(file, title="other")
    await push_all(custody, file)
    with pytest.raises(IntegrityError, match="the manifest is that of file"):
        await custody.accept(
            ALICE.address, file.ref(1), other.manifest_digest, other.manifest, START + 9, 1
        )


async def test_another_leaf_size_is_refused(world, file):
    custody = custody_of(world)
    other = replace(file, leaf_size=512)
    with pytest.raises(InvalidRequestError, match="leaves of 512 bytes"):
        await accept(custody, other)


async def test_a_slot_that_no_manifest_or_record_has_is_refused(world, file):
    custody = custody_of(world)
    await push_all(custody, file, 3)
    with pytest.raises(InvalidRequestError, match="has no slot 3"):
        await accept(custody, file, 3)


async def test_a_slot_moves_to_another_node(world, file):
    await publish(world, file)
    target = custody_of(world, 2)
    await push_all(target, file, 2)
    holder = await accept(target, file, 2, version=2)
    world.call(ALICE, Move(file.id, 1, 2, holder))
    assert world.record(file.id).holders[1] == world.nodes[2].node


async def test_a_file_gets_a_slot_more(world, file):
    await publish(world, file)
    target = custody_of(world, 2)
    await push_all(target, file, 3)
    holder = await accept(target, file, 3, version=2)
    roots = [slot.root for slot in read_manifest(file.manifest).slots]
    siblings = extension_siblings([file.manifest_digest, *roots])
    world.call(ALICE, Extend(file.id, 1, holder, siblings))
    assert world.record(file.id).redundancy.total == 3
    world.chain.advance(1)
    assert await accept(target, file, 3, version=2)  # as for a renewal


async def shrink(world, file, slots=2):
    """The file without the last of its slots."""
    roots = [slot.root for slot in read_manifest(file.manifest).slots[:slots]]
    siblings = shrink_siblings([file.manifest_digest, *roots])
    world.call(ALICE, Shrink(file.id, world.record(file.id).version, siblings))


async def test_a_shrunk_file_is_renewed_moved_and_extended(world, file):
    custody, _ = await publish(world, file)
    await shrink(world, file)
    later = START + 2 * DAY
    renewal = Renewal(1, await accept(custody, file, expiry=later, version=2))
    world.call(ALICE, Renew(file.id, later, (renewal,)))
    target = custody_of(world, 2)
    await push_all(target, file, 1)
    world.call(ALICE, Move(file.id, 2, 1, await accept(target, file, expiry=later, version=3)))
    another = custody_of(world, 3)
    await push_all(another, file, 2)
    holder = await accept(another, file, 2, expiry=later, version=4)
    roots = [slot.root for slot in read_manifest(file.manifest).slots]
    siblings = extension_siblings([file.manifest_digest, roots[0]])
    world.call(ALICE, Extend(file.id, 3, holder, siblings))
    record = world.record(file.id)
    assert record.root == file_root(file.manifest_digest, roots)
    assert record.holders == (world.nodes[2].node, world.nodes[3].node)


async def test_a_dropped_slot_is_added_again_only_as_in_the_manifest(world, file):
    await publish(world, file)
    await shrink(world, file)
    found = custody_of(world).facts.records.file(file.id)
    manifest = read_manifest(file.manifest)
    slot, right = file.ref(2), manifest.slots[1].root
    new_root = root_over(manifest, file.manifest_digest, slot, right, found)
    assert new_root == file_root(file.manifest_digest, [each.root for each in manifest.slots])
    with pytest.raises(IntegrityError, match="in the manifest, what is stored here"):
        root_over(manifest, file.manifest_digest, slot, manifest.slots[0].root, found)
    custody = custody_of(world, 2)
    await push_all(custody, file, 3)
    with pytest.raises(InvalidRequestError, match="the last one there can be is 2"):
        await accept(custody, file, 3, version=3)


async def test_a_node_that_changes_its_signer_gives_no_receipts_meanwhile(world, file):
    custody = custody_of(world)
    await push_all(custody, file)
    world.call(world.nodes[0], UpdateNode(signer=BOB.address))
    world.chain.advance(world.parameters.epoch)
    with pytest.raises(UnavailableError, match="changes its signer"):
        await accept(custody, file, expiry=world.now + DAY)


# ------------------------------------------------------------------ who may store


async def test_only_the_owner_stores(world, file):
    custody = custody_of(world)
    with pytest.raises(AuthError, match="only the owner may store it"):
        await push_all(custody, file, caller=BOB)


async def test_a_file_id_shows_its_owner(world, file):
    custody = custody_of(world)
    forged = replace(file.ref(1), owner=BOB.address)
    with pytest.raises(AuthError, match="is not the id of a file of owner"):
        await custody.push(BOB.address, forged, 0, file.commitments(1)[0], file.replicas(1)[0])
    with pytest.raises(AuthError):
        await custody.check_push(
            ALICE.address, replace(file.ref(1), nonce=nonce("x")), 0, file.commitments(1)[0]
        )


async def test_an_owner_not_on_the_list_is_refused(world, file):
    custody = custody_of(world, admission=Admission(frozenset({BOB.address})))
    with pytest.raises(AuthError, match=r"does not serve owner .* space.owners"):
        await push_all(custody, file)
    status = await custody.status(ALICE.address)
    assert not status.accepts
    assert "does not serve" in status.reason
    assert (await custody.status(BOB.address)).accepts


@pytest.mark.parametrize(
    ("owners", "host", "open_"),
    [
        (frozenset(), "127.0.0.1", True),
        (frozenset(), "::1", True),
        (frozenset(), "localhost", True),
        (frozenset(), "0.0.0.0", False),
        (frozenset(), "node.example.org", False),
        (frozenset({BOB.address}), "127.0.0.1", False),
        (None, "0.0.0.0", True),
    ],
)
def test_an_empty_list_opens_a_node_on_loopback_only(owners, host, open_):
    found = admission(owners, host)
    if open_:
        found.check(ALICE.address)
    else:
        with pytest.raises(AuthError):
            found.check(ALICE.address)


@pytest.mark.parametrize("slot", [0, 33, 2**63])
async def test_slots_are_bounded(world, file, slot):
    custody = custody_of(world)
    with pytest.raises(InvalidRequestError, match="slot"):
        await custody.check_push(
            ALICE.address, replace(file.ref(1), slot=slot), 0, file.commitments(1)[0]
        )


@pytest.mark.parametrize(
    ("piece", "length"), [(2**32, 100), (0, 0), (0, (64 << 20) + 1), (0, 2**63)]
)
async def test_pieces_are_bounded(world, file, piece, length):
    custody = custody_of(world)
    commitment = replace(file.commitments(1)[0], length=length)
    with pytest.raises(InvalidRequestError):
        await custody.check_push(ALICE.address, file.ref(1), piece, commitment)


async def test_a_quota_is_kept_before_any_data(world, file):
    custody = custody_of(world, room=RoomConfig(capacity=1 << 30, quota=100_000))
    commitments, replicas = file.commitments(1), file.replicas(1)
    await custody.push(ALICE.address, file.ref(1), 0, commitments[0], replicas[0])
    with pytest.raises(StorageFullError, match="quota"):
        await custody.check_push(ALICE.address, file.ref(1), 1, commitments[1])
    assert await custody.check_push(ALICE.address, file.ref(1), 0, commitments[0])


@pytest.mark.parametrize("state", [NodeState.DRAINING, NodeState.OFFLINE])
async def test_a_node_that_is_not_online_takes_nothing_new(world, file, state):
    (custody, _) = await publish(world, file)
    other = replace(file, title="other")
    world.call(world.nodes[0], SetNodeState(state))
    with pytest.raises(RejectedError, match="takes nothing new"):
        await push_all(custody, other)
    await push_all(custody, file)  # but restores what it holds
    world.chain.advance(1)
    assert await accept(custody, file, expiry=START + 2 * DAY)
    status = await custody.status(ALICE.address)
    assert (status.accepts, status.reason) == (False, f"it is {state.name.lower()}")


async def test_an_unregistered_node_takes_nothing(world, file):
    custody = memory_custody(world.chain, NamedKey("stranger"), FakeClock(START))
    with pytest.raises(UnavailableError, match="does not see itself on the chain"):
        await push_all(custody, file)


async def test_nothing_is_taken_for_a_file_that_is_gone(world, file):
    (custody, _) = await publish(world, file)
    world.chain.advance(DAY + world.parameters.retention)
    with pytest.raises(ExpiredError, match="cannot be brought back"):
        await push_all(custody, file)
    with pytest.raises(ExpiredError):
        await accept(custody, file, expiry=world.now + DAY)


async def test_stored_bytes_are_never_replaced(world, file):
    custody = custody_of(world)
    await push_all(custody, file)
    other = replace(file, data=DATA[::-1])
    with pytest.raises(ConflictError):
        await push_all(custody, other)


async def test_pushing_again_changes_nothing(world, file):
    custody = custody_of(world)
    await push_all(custody, file)
    used = custody.store.room.used
    assert await custody.push(
        ALICE.address, file.ref(1), 0, file.commitments(1)[0], file.replicas(1)[0]
    )
    assert custody.store.room.used == used


# ------------------------------------------------------------------ who may read


async def test_the_owner_reads_before_and_after_publishing(world, file):
    custody = custody_of(world)
    await push_all(custody, file)
    assert await custody.pull(ALICE.address, file.key(1, 0), 0, 0) == file.replicas(1)[0]
    await publish(world, file)
    assert await custody.pull(ALICE.address, file.key(1, 0), 10, 5) == file.replicas(1)[0][10:15]


async def test_others_do_not_read(world, file):
    (custody, _) = await publish(world, file)
    with pytest.raises(AuthError, match="may not read"):
        await custody.pull(BOB.address, file.key(1, 0), 0, 0)
    with pytest.raises(AuthError):
        await custody.pull_manifest(BOB.address, file.id, 1)
    staged = custody_of(world, 3)
    other = replace(file, title="other")
    await push_all(staged, other)
    with pytest.raises(AuthError):
        await staged.pull(BOB.address, other.key(1, 0), 0, 0)


async def test_expired_files_are_read_by_their_owner_until_retention_ends(world, file):
    (custody, _) = await publish(world, file)
    world.chain.advance(DAY)
    assert await custody.pull(ALICE.address, file.key(1, 0), 0, 0)
    world.chain.advance(world.parameters.retention)
    with pytest.raises(ExpiredError, match="retention"):
        await custody.pull(ALICE.address, file.key(1, 0), 0, 0)


async def test_deleted_files_are_read_by_their_owner_until_retention_ends(world, file):
    (custody, _) = await publish(world, file)
    world.call(ALICE, Delete(file.id))
    assert await custody.pull_manifest(ALICE.address, file.id, 1) == file.manifest
    world.chain.advance(world.parameters.retention)
    with pytest.raises(ExpiredError):
        await custody.pull_manifest(ALICE.address, file.id, 1)


async def test_what_is_not_here_is_not_found(world, file):
    (custody, _) = await publish(world, file)
    with pytest.raises(NotFoundError, match="slot 2 of file"):
        await custody.pull(ALICE.address, file.key(2, 0), 0, 0)
    with pytest.raises(NotFoundError, match="look up its holders"):
        await custody.pull(ALICE.address, ReplicaKey(FileId(bytes(32)), 1, 0), 0, 0)
    with pytest.raises(NotFoundError):
        await custody.pull(ALICE.address, file.key(1, 3), 0, 0)


# ------------------------------------------------------------------ about itself


async def test_status(world, file):
    custody = custody_of(world)
    await push_all(custody, file)
    await custody.store.mark_damaged(file.key(1, 2), "test")
    status = await custody.status(ALICE.address)
    assert status.accepts
    assert status.reason == ""
    assert status.damaged == 1
    assert status.chain_time == START
    assert status.used == custody.store.room.used > len(DATA)
    assert status.capacity == 2**40


async def test_a_full_node_says_so(world):
    custody = custody_of(world, room=RoomConfig(capacity=0))
    status = await custody.status(ALICE.address)
    assert (status.accepts, status.reason) == (False, "it is full")


async def test_a_failed_store_refuses_everything_new(world, file):
    custody = custody_of(world)
    await push_all(custody, file)
    custody.store.files.failed = "input/output error"
    with pytest.raises(UnavailableError, match="has failed"):
        await accept(custody, file)
    other = replace(file, title="other")
    with pytest.raises(UnavailableError):
        await push_all(custody, other)
    assert not (await custody.status(ALICE.address)).accepts


@pytest.mark.parametrize("limit", ["capacity", "quota"])
async def test_a_full_node_takes_back_what_it_holds_and_is_damaged(world, file, limit):
    custody = custody_of(world)
    await push_all(custody, file)
    await accept(custody, file)
    disk, store = custody.store.files.disk, custody.store
    used, room = store.room.used, store.room
    room._config = RoomConfig(**{"capacity": used, limit: used})
    for path in disk.files("replicas") + disk.files("manifests"):
        disk.rot(path, lambda data: data[:-1])
    for piece in range(3):
        assert not await store.verify(file.key(1, piece))
    assert not await store.verify_manifest(file.id, 1)
    await push_all(custody, file)
    await accept(custody, file)
    assert list(store.catalog.damaged()) == []
    assert store.room.used == used
    with pytest.raises(StorageFullError):
        await push_all(custody, replace(file, title="other"))


async def test_no_receipt_for_what_was_collected_while_it_was_asked_for(world, file, monkeypatch):
    """The collector was at the slot first, then an upload of the same file, then the manifest."""
    custody = custody_of(world)
    await push_all(custody, file)
    store, put_manifest = custody.store, custody.store.put_manifest

    async def late(ref, data):
        await store.remove(file.id, 1)
        await store.put(ref, 0, file.commitments(1)[0], file.replicas(1)[0])
        await put_manifest(ref, data)

    monkeypatch.setattr(store, "put_manifest", late)
    with pytest.raises(MissingPiecesError) as refused:
        await accept(custody, file)
    assert refused.value.pieces == (1, 2)
    monkeypatch.undo()
    await push_all(custody, file)
    assert (await accept(custody, file)).root == holding_root(file.commitments(1))


async def test_a_status_counts_damage_without_reading_it(world, file, monkeypatch):
    """Anybody may ask for it, however long the list is."""
    custody = custody_of(world)
    await custody.store.list_missing(file.id, 1, lambda: [None, *range(300)], "missing")

    def read(_value):
        raise AssertionError("an entry was read")

    monkeypatch.setattr(catalog, "_damage_entry", read)
    assert (await custody.status(ALICE.address)).damaged == 301
