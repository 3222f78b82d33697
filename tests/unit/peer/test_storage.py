from types import SimpleNamespace

import pytest

from xdb.errors import IntegrityError
from xdb.pb import replica_pb2
from xdb.peer.storage import GrpcStoragePeer


class Liar:
    """A node that answers what it likes."""

    whom = "node ab at somewhere"
    connections = SimpleNamespace(config=SimpleNamespace(control=1.0))

    def __init__(self, reply):
        self.reply = reply

    async def ask(self, *_):
        return self.reply


def item(piece):
    return replica_pb2.DamagedReply.Item(file=bytes(32), slot=1, piece=piece)


async def test_a_list_of_damage_is_read_page_by_page():
    reply = replica_pb2.DamagedReply(items=map(item, range(1000)), next=bytes(48))
    found, after = await GrpcStoragePeer(None, Liar(reply)).damaged()
    assert (len(found), after) == (1000, bytes(48))


@pytest.mark.parametrize(
    "reply",
    [
        replica_pb2.DamagedReply(items=map(item, range(1001))),
        replica_pb2.DamagedReply(items=[item(0)], next=bytes(49)),
    ],
)
async def test_a_page_that_would_keep_its_reader_busy_is_not_read(reply):
    with pytest.raises(IntegrityError, match="use another node"):
        await GrpcStoragePeer(None, Liar(reply)).damaged()
