"""Audits, days and migrations of an owner node over real connections."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from xdb.client import Client
from xdb.client.history_records import AuditFilter
from xdb.errors import InvalidRequestError, NotFoundError
from xdb.model.calls import Surrender
from xdb.model.health import Verdict
from xdb.testing.living import Living, living_parameters
from xdb.testing.network import network
from xdb.testing.owner_serving import owner_served


@asynccontextmanager
async def world():
    async with (
        network(4, living_parameters()) as net,
        owner_served(net) as owner,
        Client(owner.context, net.owner, clock=net.clock) as client,
    ):
        view = await owner.bench.uploader.upload(owner.bench.request(), _data(), lambda _: None)
        lively = Living(net, owner.bench)
        await lively.epochs(3)
        await lively.begin_epoch()
        yield lively, client, view


async def _data():
    yield b"x" * 100_000


async def test_audits_over_the_wire():
    async with world() as (lively, client, view):
        page = await client.audits.list(limit=2)
        assert [audit.verdict for audit in page.audits] == [Verdict.PROVED] * 2
        rest = await client.audits.list(cursor=page.next)
        assert (len(rest.audits), rest.next) == (4, None)
        first = page.audits[0]
        assert await client.audits.show(first.id) == first
        assert (first.ends - first.starts).total_seconds() == 3600
        assert first.address
        asked = await client.audits.show(f"{lively.epoch}-{view.record.holders[0].hex()}")
        assert (asked.verdict, asked.open, len(asked.seed)) == (None, True, 32)
        counts = await client.audits.count(AuditFilter(file="ns/file"))
        assert (counts.proved, counts.missed) == (6, 0)
        assert page.epoch_length == timedelta(hours=1)
        late = AuditFilter(since=first.starts, node=first.node)
        assert [audit.id for audit in (await client.audits.list(late)).audits] == [first.id]
        none = AuditFilter(until=datetime(2020, 1, 1, tzinfo=UTC))
        assert (await client.audits.list(none)).audits == ()
        with pytest.raises(InvalidRequestError, match="is no audit"):
            await client.audits.show("nonsense")
        with pytest.raises(NotFoundError):
            await client.audits.list(AuditFilter(file="ns/none"))


async def test_a_loss_is_named_over_the_wire():
    async with world() as (lively, client, view):
        node = view.record.holders[0]
        store = lively.net.members[node].custody.store
        await store.remove(view.record.file, 1)
        await lively.prove()
        await lively.begin_epoch()
        (failed,) = (await client.audits.list(AuditFilter(verdict=Verdict.FAILED))).audits
        (lost,) = failed.lost
        assert (failed.node, lost.file, lost.slot, lost.name) == (
            node,
            view.record.file,
            1,
            "ns/file",
        )


async def test_days_and_migrations_over_the_wire():
    async with world() as (lively, client, view):
        days = await client.health.days(view.record.holders[0])
        assert sum(day.proved for day in days) == 2
        assert sum(day.heartbeats for day in days) == 4
        assert (await client.migrations.list()).migrations == ()
        node = view.record.holders[2]
        key = lively.net.members[node].key
        lively.net.chain.call(key.address, Surrender(node, view.record.file, 3))
        await lively.net.caught_up()
        await client.audits.run()
        await client.migrations.run()
        page = await client.migrations.list(node)
        (moved,) = page.migrations
        assert (moved.name, moved.slot, moved.source, moved.version) == ("ns/file", 3, node, 2)
