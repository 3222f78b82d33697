from dataclasses import replace

import pytest

from xdb.model.health import Silence
from xdb.model.ids import FileId, NodeId
from xdb.services import observations
from xdb.services.observations import Observations, SlotDamage
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.keys import NamedKey

NODE = NodeId(NamedKey("node").address)
FILE = FileId(b"f" * 32)
DAMAGE = SlotDamage(since=50, pieces=(1, 4), manifest=False, shown=False, node=NODE)


@pytest.fixture
def kv():
    return MemoryKeyValue()


@pytest.fixture
def found(kv):
    return Observations(kv)


async def test_nothing_is_known_of_a_node_that_was_never_asked(found):
    assert (found.probe(NODE), found.silence(NODE), found.is_reachable(NODE)) == (None, None, None)


async def test_silence_lasts_from_the_first_to_the_newest_probe_without_an_answer(kv, found):
    for time in (100, 130, 190):
        await found.unanswered(NODE, time, "connection refused")
    assert Observations(kv).silence(NODE) == Silence(100, 190)
    assert found.is_reachable(NODE) is False
    await found.answered(NODE, 200)
    assert (found.silence(NODE), found.is_reachable(NODE)) == (None, True)
    await found.unanswered(NODE, 300, "timed out")
    assert found.silence(NODE) == Silence(300, 300)
    assert found.probe(NODE).text == "timed out"


async def test_damage_keeps_the_time_at_which_it_was_first_seen(kv, found):
    await found.seen(FILE, 2, DAMAGE)
    await found.seen(FILE, 2, replace(DAMAGE, since=90, pieces=(4,)))
    again = Observations(kv)
    assert again.damage(FILE, 2) == replace(DAMAGE, pieces=(4,))
    assert list(again.damages()) == [(FILE, 2, replace(DAMAGE, pieces=(4,)))]
    assert again.damage(FILE, 1) is None
    await again.restored(FILE, 2)
    assert list(again.damages()) == []


async def test_another_node_in_the_slot_has_damage_of_its_own(found):
    await found.seen(FILE, 2, DAMAGE)
    other = replace(DAMAGE, since=90, node=NodeId(NamedKey("other").address))
    await found.seen(FILE, 2, other)
    assert found.damage(FILE, 2) == other


async def test_very_many_damaged_pieces_are_a_damaged_slot(found, monkeypatch):
    monkeypatch.setattr(observations, "MOST_PIECES", 3)
    await found.seen(FILE, 1, replace(DAMAGE, pieces=(1, 2, 3, 4)))
    assert found.damage(FILE, 1) == replace(DAMAGE, pieces=(), manifest=True)


async def test_nodes_that_left_are_forgotten(found):
    await found.answered(NODE, 10)
    assert list(found.nodes()) == [NODE]
    await found.forget([NODE])
    assert found.probe(NODE) is None
    assert list(found.nodes()) == []


async def test_something_wrong_counts_until_the_next_answer(kv, found):
    assert not found.showed_wrong(NODE)
    await found.answered(NODE, 10, "not what its receipt says", 2)
    assert Observations(kv).showed_wrong(NODE)
    await found.answered(NODE, 20)
    assert not found.showed_wrong(NODE)


async def test_what_is_damaged_again_after_it_was_restored_was_never_whole(kv, found):
    await found.seen(FILE, 2, DAMAGE)
    await found.restored(FILE, 2)
    again = Observations(kv)
    await again.seen(FILE, 2, replace(DAMAGE, since=900))
    assert again.damage(FILE, 2).since == DAMAGE.since
    await again.restored(FILE, 2)
    await again.seen(FILE, 2, replace(DAMAGE, since=990))
    assert again.damage(FILE, 2).since == DAMAGE.since
    await again.over(FILE, 2)
    assert again.damage(FILE, 2) is None


async def test_a_slot_that_was_restored_long_ago_or_by_another_node_has_new_damage(found):
    other = NodeId(NamedKey("other").address)
    late = replace(DAMAGE, since=DAMAGE.since + observations.AGAIN + 1)
    await found.seen(FILE, 2, DAMAGE)
    await found.restored(FILE, 2)
    await found.seen(FILE, 2, replace(DAMAGE, since=900, node=other))
    assert found.damage(FILE, 2).since == 900
    await found.over(FILE, 2)
    await found.seen(FILE, 2, late)
    assert found.damage(FILE, 2) == late


async def test_restorations_are_not_remembered_for_ever(kv, found):
    for slot in (1, 2):
        await found.seen(FILE, slot, replace(DAMAGE, since=slot))
        await found.restored(FILE, slot)
    await found.forget_restored(observations.AGAIN + 2)
    assert len(list(kv.scan(b"probe/"))) == 1
    await found.forget_restored(observations.AGAIN + 3)
    assert list(kv.scan(b"probe/")) == []
