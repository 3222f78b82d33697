import pytest

from xdb.errors import RefusedCallError
from xdb.model.calls import RevealSeed
from xdb.model.refusal import Refusal
from xdb.model.registry import Parameters
from xdb.ports.blockchain import Head, Inclusion
from xdb.tasks.seeds import SHARE, SeedTask, turn
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, digest

NODE = NamedKey("node").node
P = Parameters(start=START, epoch=7200)
SPAN = P.epoch // SHARE


class Audits:
    def __init__(self):
        self.newest, self.asked = None, 10

    def seed(self):
        return self.newest

    def leaves(self, _node, _epoch):
        return self.asked


class Bench:
    """An index at some time, and a chain that may refuse."""

    parameters = P

    def __init__(self):
        self.audits, self.now, self.calls, self.refusal = Audits(), START, [], None

    @property
    def head(self):
        return Head(7, self.now, 7)

    async def reached(self, height):
        assert height == 8

    async def submit(self, call):
        self.calls.append(call)
        if self.refusal is not None:
            raise RefusedCallError(self.refusal, "no")
        return Inclusion(8, self.now, digest("transaction"))

    def run(self):
        return SeedTask(NODE, self, self).run_once()


class Seed:
    def __init__(self, epoch):
        self.epoch = epoch


@pytest.fixture
def bench():
    return Bench()


async def test_it_reveals_when_its_turn_has_come(bench):
    bench.now = P.start_of(3) + turn(NODE, 3, SPAN) - 1
    assert (await bench.run()).idle == "this node's turn comes in 1 s"
    bench.now += 1
    assert await bench.run() == (await bench.run()).__class__(3)
    assert bench.calls[0] == RevealSeed(3, ())


async def test_nothing_to_do(bench):
    bench.now = P.start_of(3) + SPAN
    bench.audits.newest = Seed(3)
    assert (await bench.run()).idle == "it has its seed"
    bench.audits.newest = Seed(2)
    bench.audits.asked = 0
    assert (await bench.run()).idle == "it asks nothing of this node"
    bench.audits.asked = 1
    bench.now = P.start_of(3) + P.epoch // 2 + 1
    assert "first half is over" in (await bench.run()).idle
    assert not bench.calls


@pytest.mark.parametrize("refusal", [Refusal.SEED, Refusal.EPOCH])
async def test_others_may_be_faster(bench, refusal):
    bench.now, bench.refusal = P.start_of(3) + SPAN, refusal
    assert (await bench.run()).idle == "no"


async def test_other_refusals_are_told(bench):
    bench.now, bench.refusal = P.start_of(3) + SPAN, Refusal.INVALID
    with pytest.raises(RefusedCallError):
        await bench.run()


def test_turns_differ_between_nodes_and_epochs():
    nodes = [NamedKey(f"n{number}").node for number in range(50)]
    turns = [turn(node, 1, SPAN) for node in nodes]
    assert all(0 <= each < SPAN for each in turns)
    assert len(set(turns)) > 40
    assert min(turns) < SPAN / 10
    assert turns != [turn(node, 2, SPAN) for node in nodes]
    assert turn(NODE, 1, 0) == 0
