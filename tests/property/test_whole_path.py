"""Any bytes in, the same bytes out: whatever the length, the slices, the copies, a dead node."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from xdb.testing.network import network
from xdb.testing.owner import OwnerBench

SLICES = [64 << 10, 128 << 10]
ENDINGS = [b"", b"\0", b"\0" * 100, b'{"json": true}', b"\r\n", b"\xff" * 16]


@st.composite
def contents(draw):
    slice_size = draw(st.sampled_from(SLICES))
    body = slice_size - 16
    whole = draw(st.integers(0, 3))
    around = draw(st.sampled_from([-17, -16, -1, 0, 1, 16]) | st.integers(0, body - 1))
    length = max(0, whole * body + around)
    ending = draw(st.sampled_from(ENDINGS))
    seed = draw(st.binary(min_size=1, max_size=7))
    data = (seed * (length // len(seed) + 1))[:length]
    return slice_size, (data[: max(0, length - len(ending))] + ending)[:length]


@settings(max_examples=40, deadline=None)
@given(
    content=contents(),
    policy=st.sampled_from([(1, 1), (2, 1), (3, 1), (3, 2), (5, 3)]),
    dead=st.integers(0, 4),
    dies_at=st.sampled_from(["before", "push", "accept", "after"]),
    span=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_same_bytes(content, policy, dead, dies_at, span):
    asyncio.run(_same_bytes(content, policy, dead, dies_at, span))


async def _same_bytes(content, policy, dead, dies_at, span):
    (slice_size, data), (total, required) = content, policy
    async with network(members=6) as net:
        bench = OwnerBench(net)
        await net.create_namespace("any", total, required)
        victim = list(net.members.values())[dead]
        may_fail = total == 1 and dies_at in ("push", "accept", "after")

        def fault(call, node):
            if call == dies_at and node == victim.node:
                victim.up = False

        net.fault = fault
        if dies_at == "before":
            victim.up = False
        request = bench.request(namespace="any", slice_size=slice_size, rewindable=True)
        if may_fail:
            victim.up = True
            net.fault = lambda *_: None
        view = await bench.upload(data, request)
        if dies_at == "after" and not may_fail:
            victim.up = False
        assert view.record.size == len(data)
        assert await bench.download(view) == data
        start, stop = sorted(int(point * len(data)) for point in span)
        assert await bench.download(view, start, stop - start) == data[start:stop]
