import pytest

from xdb.core.probing import check_leaf
from xdb.errors import IntegrityError, InvalidRequestError
from xdb.model.storage import ReplicaKey
from xdb.store.formats import REPLICA_BODY
from xdb.testing.keys import NamedKey
from xdb.testing.network import network
from xdb.testing.owner import OwnerBench
from xdb.testing.turns import turns


@pytest.fixture
async def net():
    async with network() as made:
        yield made


async def uploaded(net, data=b"x" * 200_000):
    view = await OwnerBench(net).upload(data)
    return view, net.members[view.record.holders[0]]


def rot(member):
    for path in [path for path in member.disk._names if path.startswith("replicas/")]:
        member.disk.rot(path, lambda data: data[:REPLICA_BODY] + bytes(len(data) - REPLICA_BODY))


async def test_every_leaf_that_is_shown_leads_to_the_receipt(net):
    view, member = await uploaded(net)
    size = net.chain.parameters.leaf_size
    for piece, leaf in ((0, 0), (0, 63), (1, 17), (3, 0)):
        key = ReplicaKey(view.record.file, 1, piece)
        shown = await member.probing.leaf(net.owner.address, key, leaf)
        check_leaf(shown, size, view.holdings[0], key, leaf)


async def test_a_leaf_that_is_not_there(net):
    view, member = await uploaded(net)
    key = ReplicaKey(view.record.file, 1, 0)
    with pytest.raises(InvalidRequestError, match="numbered from 0"):
        await member.probing.leaf(net.owner.address, key, 64)


async def test_a_node_that_finds_its_own_damage_says_so_and_lists_it(net):
    view, member = await uploaded(net)
    rot(member)
    key = ReplicaKey(view.record.file, 1, 2)
    with pytest.raises(IntegrityError, match="damaged here"):
        await member.probing.leaf(net.owner.address, key, 5)
    (found,), _ = await member.probing.damaged(net.owner.address, b"", 0)
    assert found.key == key


async def test_whoever_asks_for_a_long_list_holds_up_nobody(net):
    view, member = await uploaded(net)
    pieces = range(4, 3000)
    await member.custody.store.list_missing(view.record.file, 1, lambda: pieces, "missing")
    stranger = NamedKey("stranger").address
    assert await turns(member.probing.damaged(stranger, b"", 1000)) >= len(pieces) // 100
    found, after = [], b""
    while True:
        more, after = await member.probing.damaged(net.owner.address, after, 700)
        found += more
        if not after:
            break
    assert [damage.piece for damage in found] == list(pieces)
