from dataclasses import replace

import pytest

from xdb.errors import InvalidRequestError
from xdb.model.health import Change, Colour, Kind, Subject
from xdb.services.health import book as module
from xdb.services.health.book import HealthBook
from xdb.store.kv_memory import MemoryKeyValue

FILE, SYSTEM = Subject(Kind.FILE, b"f" * 32), Subject(Kind.SYSTEM)
GREEN, YELLOW, RED, _ = Colour


def change(subject=FILE, before=GREEN, after=RED, time=100):
    return Change(time, subject, before, after, "a node is gone", "bring it back")


@pytest.fixture
def kv():
    return MemoryKeyValue()


@pytest.fixture
def book(kv):
    return HealthBook(kv)


async def test_what_nobody_wrote_down_was_green(book):
    assert (book.colour(FILE), book.since(FILE), list(book.coloured())) == (GREEN, 0, [])


async def test_colours_and_changes_outlive_a_restart(kv, book):
    first, second = change(), change(before=RED, after=YELLOW, time=160)
    await book.write([first])
    await book.write([second, change(SYSTEM)])
    again = HealthBook(kv)
    assert (again.colour(FILE), again.since(FILE)) == (YELLOW, 160)
    assert set(again.coloured()) == {FILE, SYSTEM}
    assert again.changes(since=101).items == (second,)
    assert again.changes(until=101).items[-1] == first
    await again.write([change(before=YELLOW, after=GREEN, time=170)])
    assert again.changes().items[0].time == 170
    assert (again.colour(FILE), again.since(FILE), set(again.coloured())) == (GREEN, 0, {SYSTEM})


async def test_changes_of_one_second_keep_their_order(book):
    changes = [change(time=7), change(before=RED, after=YELLOW, time=7)]
    await book.write(changes)
    assert list(book.changes().items) == changes[::-1]
    page = book.changes(limit=1)
    assert book.changes(after=page.next, limit=1).items == (changes[0],)
    with pytest.raises(InvalidRequestError):
        book.changes(after=b"nonsense")


async def test_what_is_no_more_has_no_colour(book):
    await book.write([change()])
    await book.write([], [FILE])
    assert list(book.coloured()) == []


async def test_the_oldest_changes_are_forgotten(book, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 3)
    for time in range(1, 8):
        await book.write([change(time=time)])
    assert [each.time for each in book.changes().items] == [7, 6, 5]
    assert replace(change(), time=7) in book.changes().items
