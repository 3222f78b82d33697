"""The upload journal."""

import pytest

from xdb.core.encoding import encode
from xdb.errors import CorruptFileError, UnavailableError
from xdb.model.ids import FileId, NodeId, Nonce
from xdb.model.registry import Coding, Redundancy
from xdb.services.upload.journal import DONE_KEPT, VERSION, Done, Entry, Journal, SliceEntry
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.registry import digest, tag

UPLOAD, OTHER = Nonce(b"u" * 16), Nonce(b"v" * 16)
FILE = FileId(digest("file"))
NODES = tuple(NodeId(bytes([number]) * 20) for number in (1, 2))


def entry(due=1000):
    return Entry(
        version=VERSION,
        nonce=Nonce(b"n" * 16),
        wrapped_key=b"w" * 40,
        prefix=b"p" * 7,
        namespace=tag("ns"),
        name=tag("name"),
        redundancy=Redundancy(Coding.COPIES, 1, 2),
        slice_size=1 << 16,
        due=due,
        holders=NODES,
    )


def stored(text):
    roots = tuple(digest(f"{text} {node.hex()}") for node in NODES)
    return SliceEntry(digest(text), True, digest(f"cipher {text}"), roots, NODES)


class SyncedKeyValue(MemoryKeyValue):
    """Remembers which writes were synced."""

    def __init__(self):
        super().__init__()
        self.writes = []

    async def write(self, batch, *, sync):
        self.writes.append((set(batch), sync))
        await super().write(batch, sync=sync)


@pytest.fixture
def kv():
    return SyncedKeyValue()


@pytest.fixture
def journal(kv):
    return Journal(kv)


async def test_the_first_digest_brings_the_upload_with_it_in_one_synced_write(kv, journal):
    begun = SliceEntry(digest("slice"), False)
    await journal.begin_slice(UPLOAD, 0, begun, entry())
    assert [sync for _, sync in kv.writes] == [True]
    assert journal.entry(UPLOAD) == entry()
    assert journal.slices(UPLOAD) == {0: begun}
    await journal.begin_slice(UPLOAD, 1, begun, None)
    assert kv.writes[1] == ({b"c/" + UPLOAD + (1).to_bytes(8, "big")}, True)


async def test_what_may_be_lost_is_not_synced(kv, journal):
    await journal.put(UPLOAD, entry())
    await journal.end_slice(UPLOAD, 0, stored("a"))
    await journal.doubt(UPLOAD)
    await journal.finish(UPLOAD, entry(), FILE, 5)
    assert not any(sync for _, sync in kv.writes)


async def test_uploads_do_not_see_each_others_slices(journal):
    await journal.begin_slice(UPLOAD, 0, stored("a"), entry())
    await journal.begin_slice(OTHER, 300, stored("b"), entry())
    assert journal.slices(UPLOAD) == {0: stored("a")}
    assert journal.slices(OTHER) == {300: stored("b")}


async def test_doubt_keeps_digests_and_forgets_where_slices_are(journal):
    await journal.begin_slice(UPLOAD, 0, stored("a"), entry())
    await journal.doubt(UPLOAD)
    assert journal.slices(UPLOAD) == {0: SliceEntry(digest("a"), True)}


async def test_a_finished_upload_is_small_and_gives_its_file(kv, journal):
    await journal.begin_slice(UPLOAD, 0, stored("a"), entry())
    await journal.finish(UPLOAD, entry(), FILE, 5)
    assert journal.entry(UPLOAD) is None
    assert journal.slices(UPLOAD) == {}
    assert journal.done(UPLOAD) == Done(VERSION, FILE, tag("ns"), tag("name"), 5 + DONE_KEPT)
    assert len(list(kv.scan(b""))) == 2


async def test_each_is_forgotten_in_its_time_but_not_while_under_way(kv, journal):
    await journal.begin_slice(UPLOAD, 0, stored("a"), entry(due=100))
    await journal.begin_slice(OTHER, 0, stored("b"), entry(due=200))
    assert await journal.forget_due(99) == 0
    with journal.claimed(UPLOAD):
        assert await journal.forget_due(100) == 0
    assert await journal.forget_due(100) == 1
    assert journal.entry(UPLOAD) is None
    assert journal.entry(OTHER) == entry(due=200)
    assert await journal.forget_due(200) == 1
    assert list(kv.scan(b"")) == []


async def test_abandoning_leaves_nothing(kv, journal):
    await journal.begin_slice(UPLOAD, 0, stored("a"), entry())
    await journal.end_slice(UPLOAD, 1, stored("b"))
    await journal.abandon(UPLOAD)
    await journal.abandon(OTHER)
    assert list(kv.scan(b"")) == []


def test_an_upload_has_one_caller_at_a_time(journal):
    with (
        journal.claimed(UPLOAD),
        journal.claimed(OTHER),
        pytest.raises(UnavailableError, match="under way in another call"),
        journal.claimed(UPLOAD),
    ):
        pass
    with journal.claimed(UPLOAD):
        pass


@pytest.mark.parametrize("key", [b"u/", b"d/"])
async def test_damage_is_named(kv, journal, key):
    await kv.write({key + UPLOAD: encode(entry())[:-1]}, sync=True)
    with pytest.raises(CorruptFileError, match="remove the journal's directory"):
        _ = journal.entry(UPLOAD) or journal.done(UPLOAD)
