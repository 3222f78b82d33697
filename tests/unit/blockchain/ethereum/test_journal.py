import pytest

from xdb.blockchain.ethereum.journal import DAY, Attempt, Entry, Journal
from xdb.errors import CorruptFileError
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.keys import NamedKey
from xdb.testing.registry import digest

A, B = NamedKey("a").address, NamedKey("b").address


def entry(nonce, fee=10):
    return Entry(nonce, B, b"call", 21_000, 5, (Attempt(digest(f"{nonce}"), b"raw", fee, 1),))


async def test_entries_outlive_the_process_in_order():
    kv = MemoryKeyValue()
    journal = Journal(kv, A)
    for nonce in (300, 2, 70_000):
        await journal.put(entry(nonce))
    again = entry(2).again(Attempt(digest("better"), b"raw2", 20, 2))
    await journal.put(again)
    assert Journal(kv, A).entries == [again, entry(300), entry(70_000)]
    assert Journal(kv, A).entry(2).last.raw == b"raw2"
    assert Journal(kv, B).entries == []


async def test_settled_ones_are_forgotten_and_paid():
    kv = MemoryKeyValue()
    journal = Journal(kv, A)
    await journal.put(entry(1))
    await journal.put(entry(2))
    await journal.settle(1, 10**30, DAY)
    assert [one.nonce for one in Journal(kv, A).entries] == [2]
    assert Journal(kv, A).spent(DAY) == 10**30
    assert journal.spent(2 * DAY) == 0
    await journal.settle(2, 7, 5 * DAY)
    assert journal.spent(5 * DAY) == 7
    assert journal.spent(DAY) == 0, "sums of days long past are dropped"


async def test_what_may_still_be_spent_is_the_dearest_version():
    journal = Journal(MemoryKeyValue(), A)
    await journal.put(entry(1, 10).again(Attempt(digest("better"), b"raw", 30, 1)))
    await journal.put(entry(2, 20))
    assert journal.committed() == 21_000 * 50


async def test_damage_is_named():
    kv = MemoryKeyValue()
    await Journal(kv, A).put(entry(1))
    ((key, value),) = kv.scan(b"")
    await kv.write({key: value[:-1]}, sync=True)
    with pytest.raises(CorruptFileError, match="transaction journal is damaged"):
        Journal(kv, A)
