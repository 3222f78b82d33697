import pytest

from xdb.errors import NotFoundError, UnavailableError
from xdb.model.calls import SetNodeState
from xdb.model.health import Colour, Kind, Subject
from xdb.model.ids import Address, NodeId
from xdb.model.registry import NodeState
from xdb.services.health import latest as module
from xdb.testing.care import Care
from xdb.testing.living import EPOCH, living

GREEN, YELLOW, RED, LOST = Colour


@pytest.fixture
async def world():
    async with living() as made:
        yield made


@pytest.fixture
def care(world):
    return Care(world.bench)


async def silence(world, node):
    """For as long as it takes, to the chain and to probes."""
    net, seen = world.net, world.bench.observations
    net.members[node].up = False
    await seen.unanswered(node, net.index.head.time, "nobody there")
    net.chain.advance(EPOCH)
    net.heartbeats()
    await net.caught_up()
    await seen.unanswered(node, net.index.head.time, "nobody there")


async def test_before_the_first_look_nobody_knows_how_the_whole_is(world, care):
    view = await world.bench.upload(b"x" * 1000)
    for ask in (care.overview.system, lambda: care.overview.namespace(namespace(world, view))):
        with pytest.raises(UnavailableError, match="has not looked"):
            ask()
    assert care.overview.file(view).standing.colour is GREEN


def namespace(world, view):
    return world.net.index.namespace(view.record.owner, view.record.namespace)


async def test_the_whole_is_told_as_of_the_last_look(world, care):
    view = await world.bench.upload(b"x" * 1000)
    await world.epochs(2)
    await care.health.run_once()
    looked = world.net.index.head.time
    found = care.overview.system()
    assert (found.standing.colour, found.as_of) == (GREEN, looked)
    assert (found.files.green, found.nodes.green) == (1, 4)
    assert found.worst_files == found.worst_nodes == ()
    await silence(world, view.record.holders[0])
    assert care.overview.system() == found  # nobody has looked since
    assert care.overview.file(view).standing.colour is YELLOW  # but one file can be asked about
    await care.health.run_once()
    found = care.overview.system()
    assert (found.standing.colour, found.files.yellow) == (YELLOW, 1)
    assert found.as_of == looked + EPOCH
    (ailing,) = found.worst_files
    assert (ailing.kind, ailing.name, ailing.since) == (Kind.FILE, "ns/file", found.as_of)
    assert "not heard of" in ailing.standing.cause
    assert ailing.standing.remedy


async def test_the_worst_files_come_first_and_not_all_of_them(world, care, monkeypatch):
    monkeypatch.setattr(module, "WORST", 2)
    for name in "abc":
        view = await world.bench.upload(b"x" * 1000, world.bench.request(name))
    await world.epochs()
    nodes = list(world.net.members)
    for node in nodes[:2]:
        await silence(world, node)
    await care.health.run_once()
    found = care.overview.system()
    assert len(found.worst_files) == 2
    colours = [each.standing.colour for each in found.worst_files]
    assert colours == sorted(colours, reverse=True)
    within = care.overview.namespace(namespace(world, view))
    assert within.worst_files == found.worst_files
    assert within.files == found.files
    assert within.files.total == 3


async def test_a_namespace_without_files_is_green(world, care):
    await care.health.run_once()
    view = world.bench.catalog.namespace("ns")
    found = care.overview.namespace(view)
    assert (found.standing.colour, found.files.total, found.worst_files) == (GREEN, 0, ())


async def test_a_node_with_its_last_probe_and_what_speaks_against_it(world, care):
    view = await world.bench.upload(b"x" * 1000)
    node = view.record.holders[0]
    found = care.overview.node(node)
    assert (found.standing.colour, found.probe, found.condition.triggers) == (GREEN, None, ())
    await silence(world, node)
    found = care.overview.node(node)
    assert (found.probe.answered, found.probe.text) == (False, "nobody there")
    assert [trigger.reason.name for trigger in found.condition.triggers] == ["SILENT"]
    with pytest.raises(NotFoundError, match="there is no node"):
        care.overview.node(NodeId(Address(bytes(20))))


async def test_a_node_that_has_left_has_no_colour(world, care):
    net = world.net
    node = next(iter(net.members))
    key = net.members[node].key.address
    net.chain.call(key, SetNodeState(NodeState.DRAINING))
    net.chain.call(key, SetNodeState(NodeState.LEFT))
    await net.caught_up()
    assert care.overview.node(node).standing is None


async def test_slots_of_a_file_say_what_is_wrong_with_them(world, care):
    view = await world.bench.upload(b"x" * 1000)
    await silence(world, view.record.holders[1])
    found = care.overview.file(view)
    assert (found.good, found.wanted, found.required) == (2, 3, 1)
    assert [slot.health.is_good for slot in found.slots] == [True, False, True]
    assert "not heard of" in found.slots[1].triggers[0].sentence
    assert found.slots[1].address


async def test_changes_of_one_kind_or_subject(world, care):
    view = await world.bench.upload(b"x" * 1000)
    await silence(world, view.record.holders[0])
    await care.health.run_once()
    everything = care.overview.changes().items
    assert {change.subject.kind for change in everything} >= {Kind.FILE, Kind.SYSTEM}
    (change,) = care.overview.changes(Kind.FILE).items
    assert change.subject.id == view.record.file
    assert care.overview.changes(Kind.FILE, bytes(32)).items == ()
    assert care.overview.name(change.subject) == "ns/file"
    assert care.overview.name(Subject(Kind.NAMESPACE, view.record.namespace)) == "ns"
    assert care.overview.name(Subject(Kind.FILE, bytes(32))) == ""


async def test_namespaces_count_their_files_by_colour(world):
    view = await world.bench.upload(b"x" * 1000)
    bench = world.bench
    assert await bench.namespaces.colours(namespace(world, view)) == {"green": 1}
    await silence(world, view.record.holders[0])
    assert await bench.namespaces.colours(namespace(world, view)) == {"yellow": 1}
