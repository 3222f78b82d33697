import pytest

from xdb.core import merkle
from xdb.errors import InvalidRequestError
from xdb.index.views import FileStatus, status_of
from xdb.model.calls import (
    Delete,
    Extend,
    Heartbeat,
    Move,
    Publish,
    Release,
    Rename,
    Renew,
    Renewal,
    Shrink,
    Surrender,
)
from xdb.testing.registry import DAY, tag

RETENTION = 7 * DAY


def titles(world, page, owner=None):
    known = {world.draft(owner or world.alice, f"t{n}").id: f"t{n}" for n in range(30)}
    return [known[view.record.file] for view in page.items]


async def test_a_file_is_as_the_rules_hold_it(world):
    draft = world.publish(world.alice, "t0")
    await world.follow()
    view, entry = world.index.file(draft.id), world.entry(draft.id)
    assert view.record == entry.record
    assert view.holdings == tuple(slot.holding for slot in entry.slots)
    assert view.label == b"label"
    assert view.stored == 4000
    assert view.lost == ()
    assert world.index.file(tag("nothing")) is None


async def test_a_live_file_is_found_by_its_name_until_it_ends(world):
    def found():
        return world.index.live_file(world.alice.address, tag("ns"), tag("report"))

    first = world.publish(world.alice, "t0", name="report")
    await world.follow()
    assert found().record.file == first.id
    assert world.index.live_file(world.bob.address, tag("ns"), tag("report")) is None
    world.call(world.alice, Rename(first.id, tag("minutes"), b"new"))
    await world.follow()
    assert found() is None
    minutes = world.index.live_file(world.alice.address, tag("ns"), tag("minutes"))
    assert minutes.label == b"new"
    second = world.publish(world.alice, "t1", name="report")
    third = world.publish(world.alice, "t2", name="report", replaces=second.id)
    await world.follow()
    assert found().record.file == third.id
    assert world.index.status(world.index.file(second.id)) is FileStatus.DELETED
    world.call(world.alice, Delete(third.id))
    await world.follow()
    assert found() is None
    world.call(world.alice, Renew(third.id, world.record(third.id).expiry, ()))
    await world.follow()
    assert found().record.file == third.id
    await world.pass_time(DAY)
    assert found() is None


async def test_a_name_taken_over_stays_when_its_former_file_is_released(world):
    first = world.publish(world.alice, "t0", name="report")
    await world.pass_time(DAY + RETENTION)
    second = world.publish(world.alice, "t1", name="report")
    world.call(world.bob, Release(first.id))
    await world.follow()
    found = world.index.live_file(world.alice.address, tag("ns"), tag("report"))
    assert found.record.file == second.id


async def test_statuses_change_with_time_alone(world):
    draft = world.publish(world.alice, "t0")
    deleted = world.publish(world.alice, "t1")
    world.call(world.alice, Delete(deleted.id))
    await world.follow()

    def statuses():
        return [world.index.status(world.index.file(d.id)) for d in (draft, deleted)]

    assert statuses() == [FileStatus.LIVE, FileStatus.DELETED]
    await world.pass_time(DAY)
    assert statuses() == [FileStatus.EXPIRED, FileStatus.DELETED]
    await world.pass_time(RETENTION - DAY)
    assert statuses() == [FileStatus.EXPIRED, FileStatus.GONE]
    await world.pass_time(DAY)
    assert statuses() == [FileStatus.GONE, FileStatus.GONE]


@pytest.mark.parametrize(
    ("expiry", "deleted", "now", "status"),
    [
        (100, 0, 99, FileStatus.LIVE),
        (100, 0, 100, FileStatus.EXPIRED),
        (100, 0, 110, FileStatus.GONE),
        (100, 50, 49, FileStatus.LIVE),
        (100, 50, 50, FileStatus.DELETED),
        (100, 50, 60, FileStatus.GONE),
        (100, 105, 104, FileStatus.DELETED),
        (100, 105, 110, FileStatus.GONE),
    ],
)
def test_status(expiry, deleted, now, status):
    assert status_of(expiry, deleted, now, 10) is status


async def test_lists_are_newest_first_and_narrowed(world):
    for n in range(6):
        world.publish(world.alice, f"t{n}", life=DAY * (n + 1))
        world.chain.advance(10)
    world.publish(world.bob, "t0")
    world.call(world.alice, Delete(world.draft(world.alice, "t3").id))
    await world.follow()
    index, alice = world.index, world.alice.address
    begin = index.file(world.draft(world.alice, "t0").id).record.published
    assert titles(world, index.files(alice)) == ["t5", "t4", "t2", "t1", "t0"]
    assert titles(world, index.files(alice, tag("ns"))) == ["t5", "t4", "t2", "t1", "t0"]
    assert titles(world, index.files(alice, tag("other"))) == []
    assert titles(world, index.files(alice, status=FileStatus.DELETED)) == ["t3"]
    assert titles(world, index.files(alice, status=None)) == [f"t{n}" for n in range(5, -1, -1)]
    window = index.files(alice, since=begin + 10, until=begin + 50)
    assert titles(world, window) == ["t4", "t2", "t1"]
    await world.pass_time(2 * DAY)
    assert titles(world, index.files(alice)) == ["t5", "t4", "t2"]
    assert titles(world, index.files(alice, status=FileStatus.EXPIRED)) == ["t1", "t0"]


async def test_pages_lead_through_the_whole_list_once(world):
    for n in range(7):
        world.publish(world.alice, f"t{n}")
        if n % 2:
            world.chain.advance(1)
    await world.follow()
    whole = world.index.files(world.alice.address)
    assert whole.next == b""
    for limit in (1, 2, 3, 7):
        found, after = [], b""
        while True:
            page = world.index.files(world.alice.address, after=after, limit=limit)
            assert len(page.items) <= limit
            found += page.items
            if not (after := page.next):
                break
        assert tuple(found) == whole.items


async def test_a_page_ends_after_enough_of_other_statuses(world, monkeypatch):
    monkeypatch.setattr("xdb.index.paging.SCANNED", 3)
    world.publish(world.alice, "t0", life=30 * DAY)
    world.chain.advance(1)
    for n in range(1, 6):
        world.publish(world.alice, f"t{n}")
        world.call(world.alice, Delete(world.draft(world.alice, f"t{n}").id))
    await world.follow()
    first = world.index.files(world.alice.address)
    assert first.items == ()
    assert first.next
    second = world.index.files(world.alice.address, after=first.next)
    assert titles(world, second) == ["t0"]
    assert second.next == b""


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_limits_are_checked(world, limit):
    for ask in (
        lambda: world.index.files(world.alice.address, limit=limit),
        lambda: world.index.nodes(limit=limit),
        lambda: world.index.namespaces(world.alice.address, limit=limit),
        lambda: world.index.held_by(world.nodes[0].node, limit=limit),
        lambda: world.index.expiring(world.now, limit=limit),
    ):
        await world.follow()
        with pytest.raises(InvalidRequestError, match="1 to 1000"):
            ask()


async def test_cursors_are_checked(world):
    with pytest.raises(InvalidRequestError, match="cursor"):
        world.index.files(world.alice.address, after=b"x")
    with pytest.raises(InvalidRequestError, match="cursor"):
        world.index.held_by(world.nodes[0].node, after=b"x")


async def test_what_a_node_holds_follows_moves_extensions_and_releases(world):
    draft = world.publish(world.alice, "t0")
    await world.follow()
    first, second, third, fourth = (key.node for key in world.nodes)

    def held():
        return [
            (world.index.held_by(node).items, world.index.node(node).holdings)
            for node in (first, second, third, fourth)
        ]

    def accepted(slot, key, version, slots=None):
        return draft.accepted(
            slot, key, expiry=world.now + DAY, valid_until=world.now, version=version, slots=slots
        )

    assert held() == [(((draft.id, 1),), 1), (((draft.id, 2),), 1), ((), 0), ((), 0)]
    world.call(world.alice, Move(draft.id, 1, 1, accepted(1, world.nodes[2], 2)))
    await world.follow()
    assert held() == [((), 0), (((draft.id, 2),), 1), (((draft.id, 1),), 1), ((), 0)]
    assert world.index.file(draft.id).record == world.record(draft.id)
    roots = [draft.manifest, draft.holding(1).root, draft.holding(2).root]
    siblings = merkle.extension_siblings(roots)
    call = Extend(draft.id, 2, accepted(3, world.nodes[3], 3, slots=3), siblings)
    world.call(world.alice, call)
    await world.follow()
    assert held()[3] == (((draft.id, 3),), 1)
    view = world.index.file(draft.id)
    assert view.record == world.record(draft.id)
    assert view.stored == 6000
    (space,) = world.index.namespaces(world.alice.address).items
    assert (space.files, space.size, space.stored) == (1, 2000, 6000)
    await world.pass_time(DAY + RETENTION)
    world.call(world.bob, Release(draft.id))
    await world.follow()
    assert held() == [((), 0)] * 4
    assert world.index.file(draft.id) is None
    assert [world.index.node(key.node).stored for key in world.nodes] == [0] * 4


async def test_a_file_that_shrinks_is_counted_without_its_last_slot(world):
    draft = world.publish(world.alice, "t0")
    await world.follow()
    before = world.index.file(draft.id)
    second = world.nodes[1]
    world.call(second, Surrender(second.node, draft.id, 2))
    await world.follow()
    siblings = merkle.shrink_siblings(
        [draft.manifest, draft.holding(1).root, draft.holding(2).root]
    )
    world.call(world.alice, Shrink(draft.id, 1, siblings))
    await world.follow()
    view = world.index.file(draft.id)
    assert view.record == world.record(draft.id)
    assert view.record.redundancy.total == 1
    assert view.holdings == before.holdings[:1]
    assert view.lost == ()
    assert world.index.held_by(second.node).items == ()
    assert [world.index.node(key.node).stored for key in world.nodes[:2]] == [2000, 0]
    (space,) = world.index.namespaces(world.alice.address).items
    assert (space.files, space.size, space.stored) == (1, 2000, 2000)


async def test_a_slot_that_was_given_up_is_with_nobody_until_it_is_moved(world):
    draft = world.publish(world.alice, "t0")
    node = world.nodes[0]
    world.call(node, Surrender(node.node, draft.id, 1))
    await world.follow()
    assert world.index.file(draft.id).lost == (1,)
    assert world.index.held_by(node.node).items == ()
    assert world.index.node(node.node).holdings == 0
    holder = draft.accepted(1, node, expiry=world.now + DAY, valid_until=world.now, version=2)
    world.call(world.alice, Move(draft.id, 1, 1, holder))
    await world.follow()
    assert world.index.file(draft.id).lost == ()
    assert world.index.held_by(node.node).items == ((draft.id, 1),)


async def test_renewals_reach_the_holdings(world):
    draft = world.publish(world.alice, "t0")
    later = world.now + 20 * DAY
    renewals = tuple(
        Renewal(
            slot,
            draft.accepted(slot, world.nodes[slot - 1], expiry=later, valid_until=world.now),
        )
        for slot in (1, 2)
    )
    world.call(world.alice, Renew(draft.id, later, renewals))
    await world.follow()
    view, entry = world.index.file(draft.id), world.entry(draft.id)
    assert view.record == entry.record
    assert view.holdings == tuple(slot.holding for slot in entry.slots)


async def test_files_are_listed_in_order_of_their_ends(world):
    for n, life in enumerate([3, 1, 2]):
        world.publish(world.alice, f"t{n}", life=life * DAY)
    world.publish(world.bob, "t0", life=DAY, nodes=world.nodes[2:])
    await world.follow()
    index, now = world.index, world.now
    alice = world.alice.address
    assert titles(world, index.expiring(now + 9 * DAY, of=alice)) == ["t1", "t2", "t0"]
    assert titles(world, index.expiring(now + 2 * DAY, of=alice)) == ["t1"]
    assert len(index.expiring(now + 2 * DAY).items) == 2
    assert len(index.expiring(now + 9 * DAY, of=world.nodes[2].node).items) == 1
    page = index.expiring(now + 9 * DAY, of=alice, limit=2)
    rest = index.expiring(now + 9 * DAY, of=alice, after=page.next)
    assert titles(world, rest) == ["t0"]
    world.call(world.alice, Delete(world.draft(world.alice, "t0").id))
    await world.follow()
    assert titles(world, index.expiring(now + 1, of=alice)) == ["t0"]


async def test_namespaces_count_by_the_time_of_the_head(world):
    for n in range(3):
        world.publish(world.alice, f"t{n}", life=(n + 1) * DAY)
    world.call(world.alice, Delete(world.draft(world.alice, "t2").id))
    await world.follow()

    def counts():
        view = world.index.namespace(world.alice.address, tag("ns"))
        return view.files, view.size, view.stored, view.expired

    assert counts() == (2, 4000, 8000, 1)
    await world.pass_time(DAY)
    assert counts() == (1, 2000, 4000, 2)
    await world.pass_time(DAY)
    assert counts() == (0, 0, 0, 3)
    await world.pass_time(5 * DAY)
    assert counts() == (0, 0, 0, 2)
    await world.pass_time(5 * DAY)
    assert counts() == (0, 0, 0, 0)


async def test_a_batch_is_one_block(world):
    drafts = [world.draft(world.alice, f"t{n}") for n in range(5)]
    new = [
        draft.new(world.nodes[:2], expiry=world.now + DAY, valid_until=world.now)
        for draft in drafts
    ]
    world.call(world.alice, Publish(tuple(new)))
    world.call(world.nodes[0], Heartbeat(world.nodes[0].node))
    await world.follow()
    assert len(world.index.files(world.alice.address).items) == 5
    assert world.index.node(world.nodes[0].node).holdings == 5
    assert world.index.poisoned == 0
