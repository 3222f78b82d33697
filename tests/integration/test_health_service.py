"""Health, plans and probes of an owner node over real connections."""

from contextlib import asynccontextmanager

import pytest

from xdb.client import Client
from xdb.client.records import Health
from xdb.errors import InvalidRequestError, NotFoundError, UnavailableError
from xdb.model.ids import Address, NodeId
from xdb.testing.network import network
from xdb.testing.owner_serving import owner_served

DATA = b"x" * 100_000


@asynccontextmanager
async def world(members=4):
    async with (
        network(members) as net,
        owner_served(net) as owner,
        Client(owner.context, net.owner, clock=net.clock) as client,
    ):
        yield net, owner, client


async def uploaded(owner):
    return await owner.bench.uploader.upload(owner.bench.request(), _data(), lambda _: None)


async def _data():
    yield DATA


async def test_health_over_the_wire():
    async with world() as (net, owner, client):
        with pytest.raises(UnavailableError, match="has not looked"):
            await client.health.system()
        view = await uploaded(owner)
        await owner.care.health.run_once()
        system = await client.health.system()
        assert (system.standing.colour, system.files.green) == (Health.GREEN, 1)
        assert system.as_of is not None
        file = await client.health.file("ns/file")
        assert (file.name, file.good, file.wanted, file.required) == ("file", 3, 3, 1)
        assert all(slot.good and slot.address for slot in file.slots)
        node = await client.health.node(view.record.holders[0])
        assert (node.score, node.triggers, node.probed) == (1_000_000, (), None)
        assert (await client.health.namespace("ns")).files.green == 1
        assert [event async for event in client.health.events()] == []
        assert (await client.info("ns/file")).health is Health.GREEN
        nodes = [each async for each in client.nodes.list()]
        assert [each.health for each in nodes] == [Health.GREEN] * len(net.members)


async def test_what_is_not_there_has_no_health():
    async with world() as (_, _, client):
        for asking in (
            client.health.file("ns/none"),
            client.health.node(NodeId(Address(bytes(20)))),
            client.health.namespace("none"),
            client.audits.run(NodeId(Address(bytes(20)))),
        ):
            with pytest.raises(NotFoundError):
                await asking
        with pytest.raises(InvalidRequestError):
            await client.audits.run(b"short")


async def test_an_audit_shows_who_answers_and_who_has_what():
    async with world() as (_, owner, client):
        view = await uploaded(owner)
        await owner.stop(view.record.holders[0])
        report = await client.audits.run()
        silent = [finding.node for finding in report.findings if not finding.answered]
        assert silent == [view.record.holders[0]]
        assert sum(finding.right for finding in report.findings) > 0
        node = await client.health.node(view.record.holders[0])
        assert (node.answered, node.probed is not None, bool(node.probe)) == (False, True, True)
        one = await client.audits.run(view.record.holders[1])
        assert [finding.node for finding in one.findings] == [view.record.holders[1]]


async def test_a_plan_is_shown_and_carried_out():
    async with world() as (net, owner, client):
        view = await uploaded(owner)
        member = net.members[view.record.holders[0]]
        member.disk.corrupt(member.disk.files("replicas")[0])
        report = await client.audits.run()
        damaged = [slot for finding in report.findings for slot in finding.damaged]
        if not damaged:  # random leaves may miss it; what the node lists does not
            await member.custody.store.verify(next(iter(member.custody.store.catalog.replicas())))
            await client.audits.run()
        plan = await client.migrations.plan()
        assert [(step.action, step.slot) for step in plan.steps] == [("restore", 1)]
        assert "restore slot 1" in plan.steps[0].sentence
        assert (await client.migrations.run()).restored == 1
        assert (await client.migrations.plan()).steps == ()
