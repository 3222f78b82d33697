import asyncio

import grpc
import pytest

from xdb.errors import (
    AuthError,
    InvalidRequestError,
    OverloadedError,
    RejectedError,
    TimeoutExpiredError,
    UnavailableError,
)
from xdb.pb import chain_pb2
from xdb.rpc.limits import Limits
from xdb.testing.clock import settle
from xdb.testing.simulation.links import LinkConditions
from xdb.testing.simulation.pipe import WINDOW
from xdb.testing.simulation.transport import SimulatedChannel

SERVER = "server"
MESSAGE = chain_pb2.BlockMessage


async def send(bench, *blocks):
    reply = await bench.party().send(
        "/Echo/Collect",
        MESSAGE(block=blocks[0]),
        [MESSAGE(block=block).SerializeToString() for block in blocks[1:]],
        MESSAGE,
        15.0,
    )
    return reply.block


async def test_messages_for_one_message(bench):
    async with bench.serve():
        bench.network.shape(LinkConditions(latency=0.5))
        assert (await bench.run(send(bench, *[b"abc"] * 20)))[0] == b"abc" * 20


async def test_the_deadline_ends_the_call_on_both_sides(bench):
    async with bench.serve():
        bench.echoes[SERVER].pause = 60.0
        assert await bench.failure(bench.ask(within=3.0), TimeoutExpiredError) == 3.0
        assert bench.echoes[SERVER].cancelled == [b"hello"]


async def test_who_is_cancelled_gives_up_the_call(bench):
    async with bench.serve():
        bench.echoes[SERVER].pause = 60.0
        asking = await bench.begun(bench.ask())
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await settle()
        assert bench.echoes[SERVER].cancelled == [b"hello"]


async def test_a_stream_left_early_ends_at_the_server(bench):
    async with bench.serve():
        bench.echoes[SERVER].pause = 1.0
        counting = await bench.begun(bench.count(100))
        await bench.clock.advance(5.0)
        counting.cancel()
        await settle()
        assert bench.echoes[SERVER].cancelled == [b"count"]
        assert bench.network.calls == 0


async def test_a_server_goes_no_further_than_the_caller_takes(bench):
    async with bench.serve():
        await bench.ask()
        hold = bench.network.clog(SERVER, "client")
        counting = await bench.begun(bench.count(100))
        assert WINDOW <= bench.echoes[SERVER].sent <= WINDOW + 1
        hold.end()
        assert (await bench.run(counting))[0] == list(range(100))


async def test_a_server_that_stops_lets_calls_end_but_not_for_long(bench):
    serving = bench.serve()
    await serving.__aenter__()
    echo = bench.echoes[SERVER]
    echo.pause = 3.0
    short = await bench.begun(bench.ask(b"short"))
    counting = await bench.begun(bench.count(100))
    echo.pause = 60.0
    long = await bench.begun(bench.ask(b"long"))
    stopping = await bench.begun(serving.__aexit__(None, None, None))
    assert await bench.failure(bench.ask(b"new"), UnavailableError) == 0
    with pytest.raises(UnavailableError, match="stopping"):
        await counting
    assert (await bench.run(short))[0] == b"short"
    assert await bench.failure(long, UnavailableError) <= 5.0
    await stopping


async def test_another_certificate_is_not_taken(bench):
    async with bench.serve(name="somebody else"):
        with pytest.raises(AuthError, match="shows certificate"):
            await bench.ask()


async def test_an_open_connection_does_not_outlive_its_certificate(bench):
    async with bench.serve():
        await bench.ask()
    async with bench.serve(name="somebody else"):
        with pytest.raises(AuthError):
            await bench.ask()
        channel = bench.network.transport("client").open(f"{SERVER}:1", b"the old one")
        with pytest.raises(grpc.aio.AioRpcError, match="handshake"):
            await channel.unary_unary("/Echo/Ask")(b"")
    assert bench.echoes[SERVER].asked == []


async def test_errors_are_those_of_grpc(bench):
    party = bench.party()
    async with bench.serve(limits=Limits(message=1000)):
        with pytest.raises(RejectedError):
            await party.ask("/Echo/Unknown", MESSAGE(), MESSAGE, 1.0)
        with pytest.raises(UnavailableError, match="made a mistake"):
            await party.ask("/Echo/Fail", MESSAGE(), MESSAGE, 1.0)
        with pytest.raises(InvalidRequestError, match="larger than max"):
            await bench.ask(bytes(1000))
        with pytest.raises(InvalidRequestError, match="larger than max"):
            await send(bench, b"", bytes(1000))


async def test_there_is_a_most_of_calls_at_once(bench):
    async with bench.serve(limits=Limits(calls=2)):
        bench.echoes[SERVER].pause = 1.0
        works = [await bench.begun(bench.ask()) for _ in range(2)]
        assert await bench.failure(bench.ask(), OverloadedError) == 0
        await bench.run(asyncio.gather(*works))


async def test_a_closed_connection_ends_its_calls(bench):
    async with bench.serve():
        bench.echoes[SERVER].pause = 1.0
        asking = await bench.begun(bench.ask())
        await bench.connections["client"].close()
        with pytest.raises((UnavailableError, asyncio.CancelledError)):
            await asking
        with pytest.raises(UnavailableError):
            await bench.ask()


async def test_a_host_that_is_down_makes_no_call(bench):
    def check():
        raise ValueError("down")

    async with bench.serve():
        with pytest.raises(ValueError, match="down"):
            await bench.network.transport("client", check).fetch("it", f"{SERVER}:1", 5.0)
    assert not bench.seen


async def test_nothing_is_written_to_a_call_that_is_over(bench):
    async with bench.serve():
        channel = SimulatedChannel(bench.network, "client", "nowhere:1", b"")
        call = channel.stream_unary("/Echo/Collect")(timeout=1.0)
        await settle()
        assert call.over
        with pytest.raises(asyncio.InvalidStateError):
            await call.write(b"")
        assert not list(await call.initial_metadata())
