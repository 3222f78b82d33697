"""Mistakes of PaddleDTX XuperDB's lists that must not come back."""

from collections import Counter

import pytest

from xdb.core.encoding import encode
from xdb.errors import InvalidRequestError
from xdb.index.audits import Audits
from xdb.index.index import Index
from xdb.index.keys import (
    BY_EPOCH,
    MIGRATIONS,
    MIGRATIONS_OF,
    AuditEntry,
    MigrationEntry,
    audit_key,
    epoch_key,
    holders_key,
    migration_key,
)
from xdb.index.paging import MOST, SCANNED
from xdb.model.calls import Rename, Surrender, UpdateNamespace
from xdb.model.events import (
    BucketsSealed,
    FileMoved,
    HeartbeatSeen,
    HoldingRef,
    ProofAccepted,
    SeedRevealed,
)
from xdb.model.health import Verdict
from xdb.model.ids import Digest, FileId
from xdb.model.registry import Parameters
from xdb.pb import owner_pb2
from xdb.ports.blockchain import BlockEvents
from xdb.rpc.audit import AuditServicer
from xdb.rpc.authorization import set_caller
from xdb.rpc.clients import Clients
from xdb.rpc.history_messages import day
from xdb.rpc.migration import MigrationServicer
from xdb.services.history import AuditFilter, History
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.keys import NamedKey
from xdb.testing.living import living
from xdb.testing.registry import START

NODES = [NamedKey(f"n{number}").node for number in range(30)]
EPOCHS, EPOCH = 1000, 3600
MOVES = 15_000
FILE = FileId(bytes(range(32)))
FIRST = NODES[0]


class Counting:
    """A key-value store that counts what is looked at: entries by the first byte of the key."""

    def __init__(self, values):
        self._kv = MemoryKeyValue(values)
        self.looked_at = Counter()

    def get(self, key):
        self.looked_at[b"get"] += 1
        return self._kv.get(key)

    def scan(self, prefix, *, after=b"", reverse=False):
        for key, value in self._kv.scan(prefix, after=after, reverse=reverse):
            self.looked_at[key[:1]] += 1
            yield key, value

    def close(self):
        self._kv.close()


def verdict_of(epoch, node):
    return Verdict.MISSED if epoch == 3 and node == FIRST else Verdict.PROVED


@pytest.fixture(scope="module")
def many_entries():
    """30,000 audits, 15,000 migrations; the first three nodes hold something of the owner."""
    values = {}
    for epoch in range(EPOCHS):
        for node in NODES:
            verdict = verdict_of(epoch, node)
            values[audit_key(node, epoch)] = encode(AuditEntry(verdict, START, ()))
            values[epoch_key(epoch, node)] = bytes([verdict])
    for at in range(MOVES):
        key, (source, target) = migration_key(START + at, FILE, at), NODES[at % 2 : at % 2 + 2]
        values[MIGRATIONS + key] = encode(MigrationEntry(1, source, target, 10, at))
        values[MIGRATIONS_OF + source + key] = values[MIGRATIONS_OF + target + key] = b""
    owner = NamedKey("owner").address
    return values | {holders_key(owner, node): b"" for node in NODES[:3]}


@pytest.fixture
async def world():
    async with living() as made:
        yield made


@pytest.fixture
def kv(many_entries):
    return Counting(many_entries)


@pytest.fixture
def history(world, kv):
    index = Index(kv, Parameters(start=START, epoch=EPOCH))
    return History(index, world.bench.catalog)


def pages(kv, ask):
    """All pages of a list; none of them may look at more than it should."""
    after = b""
    while True:
        kv.looked_at.clear()
        page = ask(after)
        # one more says whether there are more
        assert sum(kv.looked_at[prefix] for prefix in (BY_EPOCH, MIGRATIONS, MIGRATIONS_OF)) <= (
            SCANNED + 1
        )
        assert kv.looked_at.total() <= SCANNED + 3 * MOST + len(NODES)
        yield page
        after = page.next
        if not after:
            return


# 14. Every list was unbounded, and the health of a node took ten queries.


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"everybody": True}, len(NODES) * EPOCHS),
        ({}, 3 * EPOCHS),
        ({"node": FIRST}, EPOCHS),
        ({"node": FIRST, "verdict": Verdict.MISSED}, 1),
        ({"everybody": True, "verdict": Verdict.FAILED}, 0),
        ({"everybody": True, "since": START + 990 * EPOCH}, 10 * len(NODES)),
        ({"node": NamedKey("unknown").node}, 0),
    ],
)
def test_no_page_of_audits_looks_at_more_than_it_may(history, kv, wanted, found):
    wanted = AuditFilter(**wanted)
    parts = list(pages(kv, lambda after: history.audits(wanted, after, MOST)))
    items = [view for page in parts for view in page.items]
    assert len(items) == len({(view.epoch, view.node) for view in items}) == found
    assert all(len(page.items) <= MOST for page in parts)
    assert len(parts) <= found // MOST + len(NODES) * EPOCHS // SCANNED + 1
    order = [(view.epoch, view.node) for view in items]
    assert order == sorted(order, reverse=True)
    counted = Counter()
    for part in pages(kv, lambda after: history.count(wanted, after)):
        counted.update(part.by_verdict)
    assert counted == Counter(view.verdict for view in items)


@pytest.mark.parametrize("node", [None, NODES[1], NODES[2], NODES[9]])
def test_no_page_of_migrations_looks_at_more_than_it_may(history, kv, node):
    parts = list(pages(kv, lambda after: history.migrations(node, after=after, limit=MOST)))
    found = {None: MOVES, NODES[1]: MOVES, NODES[2]: MOVES // 2}.get(node, 0)
    assert sum(len(page.items) for page in parts) == found
    assert all(len(page.items) <= MOST for page in parts)


def test_the_days_of_a_node_are_one_question(kv):
    """Verdicts of one node are kept together: those of others are not looked at."""
    audits = Audits(kv, Parameters(start=START, epoch=EPOCH))
    assert len(audits.verdicts(FIRST, EPOCHS - 7 * 24)) == 7 * 24
    assert kv.looked_at[b"w"] <= 7 * 24 + 1
    assert kv.looked_at[BY_EPOCH] == 0


@pytest.mark.parametrize("limit", [0, -1, MOST + 1, 10**9])
def test_nobody_gets_a_list_without_a_limit(history, limit):
    for ask in (
        lambda: history.audits(AuditFilter(everybody=True), limit=limit),
        lambda: history.migrations(limit=limit),
    ):
        with pytest.raises(InvalidRequestError, match="ask for 1 to"):
            ask()


@pytest.mark.parametrize(("limit", "most"), [(0, 100), (7, 7), (2**32 - 1, MOST)])
async def test_an_owner_node_bounds_what_a_client_asks_for(world, history, limit, most):
    owner = world.net.owner.address
    set_caller(owner)
    clients = Clients(owner)
    audits = AuditServicer(world.auditor, history, clients)
    request = owner_pb2.ListAuditsRequest(all=True, limit=limit)
    assert len((await audits.list_audits(request, None)).audits) == most
    migrations = MigrationServicer(world.migrator, history, clients)
    asked = owner_pb2.ListMigrationsRequest(limit=limit)
    assert len((await migrations.list_migrations(asked, None)).migrations) == most


# 7. One malformed record broke listing for the whole network.


def poison(world):
    """Events that make no sense, as only a faulty chain has them."""
    nobody, node = NamedKey("nobody").node, next(iter(world.net.members))
    (view, *_) = world.net.index.files(world.net.owner.address).items
    largest, epoch = 2**64 - 1, world.epoch
    held = HoldingRef(view.record.file, 1)
    return [
        HeartbeatSeen(nobody),
        ProofAccepted(nobody, epoch, ()),
        ProofAccepted(node, largest, ()),
        ProofAccepted(node, 2**70, ()),
        ProofAccepted(node, epoch, (HoldingRef(FILE, 9),)),
        SeedRevealed(largest, Digest(bytes(32))),
        SeedRevealed(2**70, Digest(bytes(32))),
        BucketsSealed(node, 0, 0, (HoldingRef(FILE, 1),)),
        BucketsSealed(node, 2**70, 2**70, (held,)),
        FileMoved(FILE, 1, node, None, 2),
    ]


async def troubled(world):
    """Two files that nodes lost and that moved, one of them with a label nobody can read."""
    net, owner = world.net, world.net.owner
    good = await world.bench.upload(b"x" * 100_000, world.bench.request("good"))
    bad = await world.bench.upload(b"x" * 100_000, world.bench.request("bad"))
    await world.epochs(3)
    await world.begin_epoch()
    for view in (good, bad):
        node = view.record.holders[0]
        await net.members[node].custody.store.remove(view.record.file, 1)
    await world.prove()
    for view in (good, bad):
        node = view.record.holders[1]
        net.chain.call(net.members[node].key.address, Surrender(node, view.record.file, 2))
    await net.caught_up()
    await world.care()
    label = b"\xff" * 40
    net.chain.call(owner.address, Rename(bad.record.file, bad.record.name, label))
    await net.caught_up()
    return good.record.file, bad.record.file


async def all_lists(world):
    """Every list as an owner node answers it, page by page as short as can be."""
    owner = world.net.owner.address
    set_caller(owner)
    history, clients = History(world.net.index, world.bench.catalog), Clients(owner)
    servicer = AuditServicer(world.auditor, history, clients)
    audits, cursor, is_more = [], b"", True
    while is_more:
        request = owner_pb2.ListAuditsRequest(all=True, limit=1, cursor=cursor)
        part = await servicer.list_audits(request, None)
        audits += part.audits
        cursor, is_more = part.next, bool(part.next)
    counts = await servicer.count(owner_pb2.ListAuditsRequest(all=True), None)
    moves = await MigrationServicer(world.migrator, history, clients).list_migrations(
        owner_pb2.ListMigrationsRequest(), None
    )
    days = [day(each) for node in world.net.members for each in history.days(node, 7)]
    files = world.net.index.files(owner).items
    assert counts.proved + counts.failed == len(audits)
    return audits, list(moves.migrations), days, len(files)


async def test_a_poison_event_changes_no_list(world):
    await troubled(world)
    index = world.net.index
    before = await all_lists(world)
    assert all(before[:3])
    events = poison(world)
    block = BlockEvents(index.head.height + 1, index.head.time, tuple(events))
    await index.apply(block)
    assert index.poisoned == len(events)
    assert await all_lists(world) == before


async def test_an_unreadable_label_leaves_only_its_own_name_out(world):
    good, bad = await troubled(world)
    audits, moves, _, _ = await all_lists(world)
    lost = {each.file: each.name for audit in audits for each in audit.lost}
    assert lost == {good: "ns/good", bad: ""}
    assert {each.file: each.name for each in moves} == {good: "ns/good", bad: ""}


async def test_an_unreadable_namespace_breaks_no_list_and_is_not_counted_again(world):
    await troubled(world)
    owner = world.net.owner.address
    (view, *_) = world.net.index.files(owner).items
    world.net.chain.call(owner, UpdateNamespace(view.record.namespace, b"junk"))
    await world.net.caught_up()
    world.bench.catalog._names.clear()  # as after a start of the owner node
    world.net.index.namespace = None  # which counts: asking it for a name would take long
    audits, moves, days, files = await all_lists(world)
    names = {each.name for each in moves}
    assert names == {f"{view.record.namespace.hex()}/good", ""}
    assert all((audits, days, files))
